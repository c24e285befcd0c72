"""When a program imports a module: listeners are told as soon as its import has ended.

- Nothing is imported here, and no import is made to take place.
- One import hook does it, which is there only as long as somebody waits.
- A module counts as loaded when its import has ended. While it lasts, names are missing from the
  module, or will be bound once more.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Protocol

__all__ = ["forget", "is_loaded", "overtaken", "wait_for"]


class Listener(Protocol):
    """Whoever waits for modules."""

    def imported(self, module: str) -> None:
        """Take note that a module is loaded now."""


def is_loaded(module: str) -> bool:
    """Tell whether a module has been imported, to the end."""
    found = sys.modules.get(module)
    # None stands there for a module whose import somebody has forbidden.
    return found is not None and not _is_being_imported(found)


def wait_for(module: str, listener: Listener) -> None:
    """Tell a listener when a module, which is not loaded yet, has been imported."""
    _hook.wait_for(module, listener)


def forget(listener: Listener) -> None:
    """Let a listener wait no longer, for whatever it was."""
    _hook.forget(listener)


def overtaken() -> None:
    """Tell listeners of modules whose import had begun, unseen, before they asked."""
    _hook.catch_up()


def _spec_of(module: ModuleType) -> Any:
    # Any other access would wake a module that loads lazily.
    try:
        return object.__getattribute__(module, "__spec__")
    except AttributeError:
        return None


def _is_being_imported(module: ModuleType) -> bool:
    # The flag by which the import system itself keeps other threads waiting.
    return bool(getattr(_spec_of(module), "_initializing", False))


class _ImportHook(MetaPathFinder):
    """Lends the specs of modules that are waited for a loader that tells when it is done.

    It finds nothing itself: it asks the other finders.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[Listener]] = {}

    def wait_for(self, module: str, listener: Listener) -> None:
        waiting = self._waiting.setdefault(module, [])
        if listener not in waiting:
            waiting.append(listener)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        self._watch(module)

    def forget(self, listener: Listener) -> None:
        for module in list(self._waiting):
            if listener in self._waiting[module]:
                self._waiting[module].remove(listener)
            if not self._waiting[module]:
                del self._waiting[module]
        self._leave_if_idle()

    def imported(self, module: str) -> None:
        listeners = self._waiting.pop(module, [])
        self._leave_if_idle()
        for listener in listeners:
            listener.imported(module)

    def catch_up(self) -> None:
        # A finder may have been at work on a module when this hook came.
        for module in list(self._waiting):
            if is_loaded(module):
                self.imported(module)
            else:
                self._watch(module)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        self.catch_up()
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

    def _watch(self, module: str) -> None:
        """Have the spec of a module that is just being imported tell when that has ended."""
        found = sys.modules.get(module)
        if found is not None and _is_being_imported(found):
            spec = _spec_of(found)
            if type(spec) is ModuleSpec and type(spec.loader) is not _LentLoader:
                spec.__class__ = _WatchedSpec

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
        _hook.imported(module.__name__)


class _WatchedSpec(ModuleSpec):
    """The spec of a module whose import had begun when somebody began to wait for it.

    The import system unsets ``_initializing`` as the last step of every import, successful or not.
    """

    @property
    def _initializing(self) -> bool:
        return bool(vars(self)["_initializing"])

    @_initializing.setter
    def _initializing(self, value: bool) -> None:
        self.__class__ = ModuleSpec  # type: ignore[assignment]
        vars(self)["_initializing"] = value
        if not value and is_loaded(self.name):  # else it has failed
            _hook.imported(self.name)


_hook = _ImportHook()
