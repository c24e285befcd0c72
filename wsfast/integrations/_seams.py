"""Seams: what wsfast replaces in another library, checked and reversible.

The rules:

- Only a version that is known is touched, and in it only a function or class whose source is known:
  a newer release, or another tool's wrapper, is refused with one RuntimeWarning when the program
  imports it, and the library runs as it was.
- All seams of a library are in place, or none.
- Nothing is imported that the program does not import itself. Modules that are loaded are patched
  at once, the others as soon as the program has loaded them (``_imports``).
- ``unpatch`` puts the very objects back that were found, and leaves alone what somebody else has
  replaced in the meantime.

A replacement handles what is well-formed and common, and hands everything else, with nothing
consumed, to the original that it was built around.
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from importlib import metadata
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from ._imports import forget, is_loaded, overtaken, wait_for
from ._notices import say_what_runs, warn_once
from ._source import source_lines

__all__ = ["ABSENT", "Integration", "Seam", "fingerprint"]

Function = Callable[..., Any]

# Py_TPFLAGS_HEAPTYPE: every class that a class statement makes, and hardly one that is compiled.
_HEAP_TYPE = 1 << 9


class _Absent:
    """What is found where there is nothing yet."""


ABSENT = _Absent()


@dataclass(frozen=True)
class Seam:
    """One name of a library, and what takes the place of the function, class or module behind it.

    Where a library holds one object by several names, each is a seam; those with the same
    ``replacement`` share what it builds.

    Attributes:
        module: the full name of the module where the library looks the name up.
        attribute: the name there; of a method ``"Class.method"``.
        originals: the fingerprints of all that the replacement can stand in for; that of ``ABSENT``
            where the library has no such name.
        replacement: builds it, given the original and the module. It must not import the library.
    """

    module: str
    attribute: str
    originals: tuple[str, ...]
    replacement: Callable[[Any, Any], Any]

    def __str__(self) -> str:
        return f"{self.module}.{self.attribute}"

    def find(self) -> tuple[Any, str, Any]:
        """Find the owner of the attribute, its last name, and what is there now.

        Raises:
            LookupError: it is not there.
        """
        *classes, name = self.attribute.split(".")
        owner: Any = sys.modules[self.module]
        for step in classes:
            owner = vars(owner).get(step)
            if not isinstance(owner, type):
                raise LookupError(f"{self} is not there")
        found = vars(owner).get(name, ABSENT)
        if found is ABSENT and fingerprint(ABSENT) not in self.originals:
            raise LookupError(f"{self} is not there")
        return owner, name, found

    def build(self, found: Any) -> Any:
        """Check what was found, and build what takes its place.

        Raises:
            LookupError: it is not an original that the replacement can stand in for.
        """
        kind = type(found) if isinstance(found, staticmethod | classmethod) else None
        original = found.__func__ if kind else found
        source = fingerprint(original)
        if source not in self.originals:
            raise LookupError(f"{self} is not what wsfast knows ({source})")
        replacement = self.replacement(original, sys.modules[self.module])
        if isinstance(replacement, FunctionType):
            update_wrapper(replacement, original)
        return kind(replacement) if kind else replacement


class _InPlace(NamedTuple):
    owner: Any
    name: str
    original: Any
    replacement: Any

    def put(self) -> None:
        setattr(self.owner, self.name, self.replacement)

    def still(self) -> bool:
        return vars(self.owner).get(self.name) is self.replacement

    def take_back(self) -> None:
        if self.original is ABSENT:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.original)


class Integration:
    """A library that wsfast knows how to speed up: its versions and its seams.

    Args:
        distribution: the name it is installed by.
        versions: every version that the seams were tested with.
        seams: what is replaced.
        gains: what becomes faster, for which traffic, and who else is reached: a sentence.
        deflate: builds, for a module with the interface of ``zlib``, the seams that make the
            library compress with it; None where there is nothing to switch.
    """

    def __init__(
        self,
        distribution: str,
        versions: Sequence[str],
        seams: Sequence[Seam],
        *,
        gains: str = "",
        deflate: Callable[[ModuleType], Sequence[Seam]] | None = None,
    ) -> None:
        self.distribution = distribution
        self.versions = tuple(versions)
        self.gains = gains
        self._core = tuple(seams)
        self._deflate = deflate
        self._zlib: ModuleType = zlib
        self._zlib_seams: tuple[Seam, ...] = ()
        self._in_place: dict[Seam, _InPlace] = {}
        self._patched = False
        self._refusal = ""  # why the library is left as it is, until the program imports it

    @property
    def seams(self) -> tuple[Seam, ...]:
        """What ``patch`` replaces, those of the switch for compression last."""
        return self._core + self._zlib_seams

    @property
    def modules(self) -> set[str]:
        """The modules in which it replaces something."""
        return {seam.module for seam in self.seams}

    @property
    def installed(self) -> str | None:
        """The version that is installed; None if it is not."""
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None

    @property
    def patched(self) -> bool:
        """Whether the library runs on wsfast: what is imported of it, and what will be."""
        overtaken()
        return self._patched and all(change.still() for change in self._in_place.values())

    def in_place(self) -> list[str]:
        """List the seams that run on wsfast now."""
        overtaken()
        return [str(seam) for seam, change in self._in_place.items() if change.still()]

    def patch(self, zlib: ModuleType | None = None) -> bool:
        """Run the library on wsfast: what the program has imported of it, and what it will import.

        Args:
            zlib: what the library should compress with from now on; None leaves that as it is.

        Returns:
            Whether it does; if not, a RuntimeWarning says why as soon as the program imports the
            library.
        """
        patched = self.patch_silently(zlib)
        say_what_runs([self])
        return patched

    def patch_silently(self, zlib: ModuleType | None = None) -> bool:
        """Do the same, and leave it to the caller to say so."""
        version = self.installed
        if version not in self.versions:
            known = ", ".join(self.versions)
            if version is None:
                self._warn(f"it is not installed (known: {known})")
            else:
                self._refuse(f"version {version} is not known (known: {known})")
            return False
        self._refusal = ""
        if zlib is not None and self._deflate is not None:
            self._switch(zlib)
        if not self._apply([seam for seam in self.seams if is_loaded(seam.module)]):
            return False
        self._patched = True
        for module in self.modules:
            if not is_loaded(module):
                wait_for(module, self)
        return True

    def unpatch(self) -> None:
        """Put back all that ``patch`` has replaced, and wait for no further import."""
        forget(self)
        self._restore(list(self._in_place))
        self._patched = False
        self._refusal = ""
        self._zlib, self._zlib_seams = zlib, ()

    def imported(self, module: str) -> None:
        """Put the seams of a module in place that the program has just imported."""
        if self._refusal:
            self._refuse(self._refusal)
        else:
            self._apply([seam for seam in self.seams if seam.module == module])

    def _switch(self, to: ModuleType) -> None:
        if to is not self._zlib and self._deflate is not None:
            self._restore(self._zlib_seams)
            self._zlib = to
            self._zlib_seams = () if to is zlib else tuple(self._deflate(to))

    def _apply(self, seams: Sequence[Seam]) -> bool:
        changes: dict[Seam, _InPlace] = {}
        try:
            for seam in seams:
                owner, name, found = seam.find()
                known = self._in_place.get(seam)
                if known is None or known.replacement is not found:
                    made = self._in_place | changes
                    changes[seam] = _change(seam, owner, name, found, made)
        except LookupError as exc:
            self.unpatch()
            self._warn(str(exc))
            return False
        for change in changes.values():
            change.put()
        self._in_place |= changes
        return True

    def _restore(self, seams: Sequence[Seam]) -> None:
        for seam in seams:
            change = self._in_place.pop(seam, None)
            if change is not None and change.still():
                change.take_back()

    def _refuse(self, why: str) -> None:
        """Warn now if the program has imported the library, else when it does."""
        self.unpatch()
        if any(is_loaded(module) for module in self.modules):
            self._warn(why)
            return
        self._refusal = why
        for module in self.modules:
            wait_for(module, self)

    def _warn(self, why: str) -> None:
        warn_once(self.distribution, f"wsfast leaves {self.distribution} unpatched: {why}")


def _change(seam: Seam, owner: Any, name: str, found: Any, made: dict[Seam, _InPlace]) -> _InPlace:
    for other, change in made.items():
        # The same object by another name, imported before that one was replaced, or after.
        if other.replacement is seam.replacement and (
            found is change.original or found is change.replacement
        ):
            return _InPlace(owner, name, change.original, change.replacement)
    return _InPlace(owner, name, found, seam.build(found))


def fingerprint(found: Any) -> str:
    """Tell one thing from another that a library may have by the same name.

    Of a Python function or class it is a short hash of the source: of the function itself, never of
    one that it wraps, so that a wrapper is not taken for the original. What is compiled goes by its
    full name, which only the library's version can vouch for. It is the reason where there is
    nothing to tell it by.
    """
    match found:
        case FunctionType():
            return _fingerprint_of_source(found)
        case ModuleType():
            return f"module {found.__name__}"
        case type() if found.__flags__ & _HEAP_TYPE:
            return _fingerprint_of_source(found)
        case _Absent():
            return "nothing"
        case _ if hasattr(found, "__module__") and hasattr(found, "__qualname__"):
            return f"built-in {found.__module__}.{found.__qualname__}"
        case _:
            return f"an instance of {type(found).__qualname__}"


def _fingerprint_of_source(found: Any) -> str:
    try:
        lines, _ = source_lines(found)
    except (OSError, SyntaxError):
        return "its source is not at hand"
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]
