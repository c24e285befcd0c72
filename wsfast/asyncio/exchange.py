"""One request over HTTP/1.1 and its response, on the client: a handshake, or a proxy's CONNECT.

The head of a response decides. Where it refuses, its body is there for people to read: it is waited
for, but not for long, and what has come of it by then is handed out. What is asked, and what a
response means, is known to the subclasses.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from .stream import read_buffer

__all__ = ["BODY_GRACE", "Exchange"]

# How long the body of a refusal is waited for, in seconds, and never longer than half the time that
# is left, so that a refusal does not end as a time-out. ``HttpLimits.body`` bounds its bytes.
BODY_GRACE = 1.0

Result = TypeVar("Result")


class Exchange(asyncio.BufferedProtocol, Generic[Result]):
    """The protocol of a transport until a response has come.

    Args:
        request: the one to send, as it goes onto the wire.
        deadline: the loop's time at which the caller gives up; None for never.

    Attributes:
        outcome: what the response comes to. An error is an ``OSError`` or a ``HandshakeError``;
            with it the connection has been aborted.
    """

    _transport: asyncio.Transport | None = None

    def __init__(self, request: bytes, deadline: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[Result] = self._loop.create_future()
        self._request = request
        self._deadline = deadline
        self._buffer: memoryview = read_buffer(self._loop)
        self._body_timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def _receive_data(self, data: memoryview) -> Result | None:
        """Take bytes of the response; return what it comes to, once it is whole.

        Raises:
            HandshakeError: it is a whole refusal, or wrong.
        """

    @abstractmethod
    def _receive_eof(self) -> None:
        """Take the end of the response.

        Raises:
            HandshakeError: a refusal that ends with it, or no response at all.
        """

    @property
    @abstractmethod
    def _is_refused(self) -> bool:
        """Whether the head of a response is there that refuses, and its body is not whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._go_on(lambda: self._receive_data(self._buffer[:nbytes]))

    def eof_received(self) -> None:
        self._go_on(self._receive_eof)

    def connection_lost(self, exc: Exception | None) -> None:
        # Servers that do not read a request to its end reset the connection behind the response.
        if exc is not None and not self._is_refused:
            self._fail(exc)
        self.eof_received()

    def abort(self) -> None:
        """End the connection at once, if there is one."""
        if self._body_timer is not None:
            self._body_timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _go_on(self, step: Callable[[], Result | None]) -> None:
        if self.outcome.done():
            return
        try:
            result = step()
        except Exception as exc:
            self._fail(exc)
            return
        if result is not None:
            if not self.outcome.done():  # a callback of the program may have cancelled it
                self.outcome.set_result(result)
        elif self._is_refused and self._body_timer is None:
            grace = BODY_GRACE
            if self._deadline is not None:
                grace = min(grace, max(self._deadline - self._loop.time(), 0.0) / 2)
            self._body_timer = self._loop.call_later(grace, self.eof_received)

    def _fail(self, exc: Exception) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(exc)
            self.outcome.exception()  # it may be that nobody waits any more
        self.abort()
