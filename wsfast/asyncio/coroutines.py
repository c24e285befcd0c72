"""Calls that begin when somebody waits for them: what ``connect()`` and ``serve()`` return.

Usable wherever a coroutine is. It knows tasks, and nothing of what is called.
"""

from __future__ import annotations

import asyncio
import warnings
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

__all__ = ["LazyCoroutine"]

Result_co = TypeVar("Result_co", covariant=True)


class LazyCoroutine(Coroutine[Any, Any, Result_co], Generic[Result_co]):
    """A coroutine that can be awaited, or run by a task, any number of times, each time anew.

    A subclass says in ``_run`` what is done then. To be entered or iterated it awaits itself, and
    may be so by any number of tasks at a time.

    Like a coroutine it warns when it is deleted and nobody has awaited, run or closed it.

    Args:
        name: of the function that returns it, for the warning and for the names of tasks.
        advice: what to write, for the warning.
    """

    _forgotten = False  # where ``__init__`` fails there is nothing to await

    def __init__(self, name: str, advice: str) -> None:
        self.__name__ = self.__qualname__ = name
        self._advice = advice
        self._forgotten = True
        # What each task that runs this has begun. A task calls send(), throw() and close(), and
        # cannot be given an object of its own; whatever awaits gets one by __await__().
        self._begun: dict[asyncio.Task[Any] | None, Coroutine[Any, Any, Result_co]] = {}

    @abstractmethod
    def _run(self) -> Coroutine[Any, Any, Result_co]:
        """Make the coroutine that does it, once more."""

    def __await__(self) -> Generator[Any, None, Result_co]:
        return self._begin().__await__()

    def send(self, value: Any) -> Any:
        """Begin, or go on, as the running task; see ``collections.abc.Coroutine``."""
        return self._go_on("send", value)

    def throw(self, *error: Any) -> Any:
        """Raise an error where the running task waits; see ``collections.abc.Coroutine``."""
        return self._go_on("throw", *error)

    def close(self) -> None:
        """Give up what tasks have begun; see ``collections.abc.Coroutine``."""
        self._forgotten = False
        begun, self._begun = self._begun, {}
        for coroutine in begun.values():
            coroutine.close()

    def _begin(self) -> Coroutine[Any, Any, Result_co]:
        self._forgotten = False
        return self._run()

    def _go_on(self, method: str, *arguments: Any) -> Any:
        task = _running_task()
        coroutine = self._begun.get(task)
        if coroutine is None:
            coroutine = self._begun[task] = self._begin()
        try:
            return getattr(coroutine, method)(*arguments)
        except BaseException:  # it has returned, too, when it raises StopIteration
            self._begun.pop(task, None)
            raise

    # The default argument is still there when the interpreter exits.
    def __del__(self, warn: Callable[..., None] = warnings.warn) -> None:
        if self._forgotten:
            text = f"{self.__name__}() was never awaited: {self._advice}"
            warn(text, RuntimeWarning, stacklevel=2, source=self)


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # whoever calls is not in an event loop
        return None
