"""Seams: what wsfast replaces in another library, checked and reversible.

The rules:

- Only a version that is known is touched, and in it only a function or class whose source is known:
  a newer release, or another tool's wrapper, is refused with one RuntimeWarning, and the library
  runs as it was.
- All seams of a library are in place, or none.
- Nothing is imported that the program does not import itself. Modules that are loaded are patched
  at once, the others when the program loads them, by one import hook that is there only as long as
  something waits for it.
- ``unpatch`` puts the very objects back that were found, and leaves alone what somebody else has
  replaced in the meantime.

A replacement handles what is well-formed and common, and hands everything else, with nothing
consumed, to the original that it was built around.
"""

from __future__ import annotations

import hashlib
import sys
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from importlib import metadata
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from ._source import source_lines

__all__ = ["Integration", "Seam", "fingerprint"]

Function = Callable[..., Any]

# Py_TPFLAGS_HEAPTYPE: every class that a class statement makes, and hardly one that is compiled.
_HEAP_TYPE = 1 << 9


@dataclass(frozen=True)
class Seam:
    """One name of a library, and what takes the place of the function, class or module behind it.

    Where a library holds one object by several names, each is a seam; those with the same
    ``replacement`` share what it builds.

    Attributes:
        module: the full name of the module where the library looks the name up.
        attribute: the name there; of a method ``"Class.method"``.
        originals: the fingerprints of all that the replacement can stand in for.
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
        if name not in vars(owner):
            raise LookupError(f"{self} is not there")
        return owner, name, vars(owner)[name]

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

    def still(self) -> bool:
        return vars(self.owner).get(self.name) is self.replacement


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

    @property
    def seams(self) -> tuple[Seam, ...]:
        """What ``patch`` replaces, those of the switch for compression last."""
        return self._core + self._zlib_seams

    @property
    def installed(self) -> str | None:
        """The version that is installed; None if it is not."""
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None

    def in_place(self) -> list[str]:
        """List the seams that run on wsfast now."""
        return [str(seam) for seam, change in self._in_place.items() if change.still()]

    def patch(self, zlib: ModuleType | None = None) -> bool:
        """Put all seams in place, now or when their modules are imported.

        Args:
            zlib: what the library should compress with from now on; None leaves that as it is.

        Returns:
            Whether the library runs on wsfast; if not, a RuntimeWarning has said why.
        """
        version = self.installed
        if version not in self.versions:
            what = f"version {version} is not known" if version else "it is not installed"
            known = ", ".join(self.versions)
            self._refuse(f"{what} (known: {known})")
            return False
        if zlib is not None and self._deflate is not None:
            self._switch(zlib)
        if not self._apply([seam for seam in self.seams if _is_loaded(seam.module)]):
            return False
        for seam in self.seams:
            if not _is_loaded(seam.module):
                _import_hook.wait_for(seam.module, self)
        return True

    def unpatch(self) -> None:
        """Put the originals back, and wait for no further import."""
        _import_hook.forget(self)
        self._restore(list(self._in_place))
        self._zlib, self._zlib_seams = zlib, ()

    def imported(self, module: str) -> None:
        """Put the seams of a module in place that the program has just imported."""
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
            self._refuse(str(exc))
            return False
        for change in changes.values():
            setattr(change.owner, change.name, change.replacement)
        self._in_place |= changes
        return True

    def _restore(self, seams: Sequence[Seam]) -> None:
        for seam in seams:
            change = self._in_place.pop(seam, None)
            if change is not None and change.still():
                setattr(change.owner, change.name, change.original)

    def _refuse(self, why: str) -> None:
        warnings.warn(
            f"wsfast leaves {self.distribution} unpatched: {why}", RuntimeWarning, stacklevel=4
        )


def _change(seam: Seam, owner: Any, name: str, found: Any, made: dict[Seam, _InPlace]) -> _InPlace:
    for other, change in made.items():
        # The same object by another name, imported before that one was replaced, or after.
        if other.replacement is seam.replacement and (
            found is change.original or found is change.replacement
        ):
            return _InPlace(owner, name, change.original, change.replacement)
    return _InPlace(owner, name, found, seam.build(found))


def _is_loaded(module: str) -> bool:
    # None stands there for a module whose import somebody has forbidden.
    return sys.modules.get(module) is not None


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


class _ImportHook(MetaPathFinder):
    """Tells integrations when a module that they wait for has been imported.

    It finds nothing itself: it asks the other finders, and lends the spec a loader for as long as
    the import takes.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[Integration]] = {}

    def wait_for(self, module: str, integration: Integration) -> None:
        waiting = self._waiting.setdefault(module, [])
        if integration not in waiting:
            waiting.append(integration)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def forget(self, integration: Integration) -> None:
        for module in list(self._waiting):
            if integration in self._waiting[module]:
                self._waiting[module].remove(integration)
            if not self._waiting[module]:
                del self._waiting[module]
        self._leave_if_idle()

    def imported(self, module: str) -> None:
        integrations = self._waiting.pop(module, [])
        self._leave_if_idle()
        for integration in integrations:
            integration.imported(module)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._waiting:
            return None
        for finder in sys.meta_path:
            # Up to Python 3.11, one may be there that only knows find_module.
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(fullname, path, target)
                if spec is not None:
                    # Without exec_module, the loader puts what it likes into sys.modules by itself.
                    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                        spec.loader = _LentLoader(spec.loader)
                    return spec
        return None

    def _leave_if_idle(self) -> None:
        if not self._waiting and self in sys.meta_path:
            sys.meta_path.remove(self)


class _LentLoader(Loader):
    """Executes a module with its own loader, which it gives back first, and then says so."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        if name == "_loader":  # of a copy that is being made
            raise AttributeError(name)
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _import_hook.imported(module.__name__)


_import_hook = _ImportHook()
