"""What ``send`` and ``close`` answer: something to wait for, for those who want to wait.

Small awaitables that are no coroutines, so that a program that does not await them is told
nothing, and that ``asyncio.create_task`` takes all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, NoReturn

__all__ = ["SENT", "Later", "Sent", "Turn"]


class Sent(Coroutine[Any, Any, None]):
    """Nothing to wait for. It keeps no state: one object, ``SENT``, serves all."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return self

    def __iter__(self) -> Sent:
        return self

    def __next__(self) -> NoReturn:
        raise StopIteration

    def send(self, value: Any) -> NoReturn:
        raise StopIteration

    def throw(
        self,
        error: Any,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
    ) -> NoReturn:
        raise thrown(error, value)

    def close(self) -> None:
        pass


SENT = Sent()


class Turn(Sent):
    """Let the loop turn once, so that a program that sends without end starves nobody."""

    __slots__ = ("_turned",)

    def __init__(self) -> None:
        self._turned = False

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        if self._turned:
            raise StopIteration
        self._turned = True


class Later(Coroutine[Any, Any, None]):
    """A coroutine that is made when somebody waits for it."""

    __slots__ = ("_coroutine", "_function")

    def __init__(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._function = function
        self._coroutine: Coroutine[Any, Any, None] | None = None

    def __await__(self) -> Generator[Any, Any, None]:
        return self._function().__await__()

    def send(self, value: Any) -> Any:
        if self._coroutine is None:
            self._coroutine = self._function()
        return self._coroutine.send(value)

    def throw(
        self,
        error: Any,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
    ) -> Any:
        if self._coroutine is None:
            self._coroutine = self._function()
        return self._coroutine.throw(thrown(error, value))

    def close(self) -> None:
        if self._coroutine is not None:
            self._coroutine.close()


def thrown(error: Any, value: BaseException | object = None) -> BaseException:
    """The exception that ``throw(error, value)`` means, with one argument or the old way."""
    if isinstance(value, BaseException):
        return value
    if isinstance(error, BaseException):
        return error
    made: BaseException = error() if value is None else error(value)
    return made
