"""The server's side of a connection until it is a WebSocket, or has had its answer.

An ``Opening`` is the protocol of the transport meanwhile. It asks the program who is let in, and
``protocol.upgrade_h1`` what is well formed; it knows nothing of frames. No task and no timer of its
own: all openings of a server share one timer, and only what the program itself awaits is a task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ..exceptions import HandshakeError
from ..protocol.auth import basic_challenge, check_basic_auth
from ..protocol.http import Headers, HttpLimits, Request, Response
from ..protocol.reader_h1 import RequestReader
from ..protocol.upgrade_h1 import accept
from ..rfc6455 import Role
from .handlers import Callbacks, Handler
from .routing import Page, Route
from .settings import Settings
from .stream import read_buffer
from .websocket import WebSocket

if TYPE_CHECKING:
    from ..protocol.auth import Credentials

__all__ = ["Opening", "Reception"]

ProcessRequest: TypeAlias = Callable[[Request], "Response | Awaitable[Response | None] | None"]
Opened: TypeAlias = Callable[[WebSocket, Handler, asyncio.Transport], None]
Find: TypeAlias = Callable[[Request], "tuple[Route | Page, dict[str, str]]"]
Result = TypeVar("Result")


class Reception:
    """What the openings of a server have in common; the arguments are those of ``serve()``.

    Args:
        find: gives the route or page of a request.
        terms: what ``protocol.upgrade_h1.accept`` is called with, for each route.
        headers: that go into every plain answer; those of a 101 are in ``terms``.

    Attributes:
        pending: every opening, with the time at which it is given up; the next one first.
        closed: whether nobody is let in any more.
    """

    loop: asyncio.AbstractEventLoop
    buffer: memoryview
    opened: Opened

    def __init__(
        self,
        *,
        find: Find,
        terms: Mapping[Route, Mapping[str, Any]],
        headers: Headers,
        settings: Settings,
        limits: HttpLimits,
        process_request: ProcessRequest | None,
        credentials: Credentials | None,
        realm: str,
        logger: logging.Logger,
    ) -> None:
        self.find = find
        self.terms = terms
        self.headers = headers
        self.settings = settings
        self.limits = limits
        self.process_request = process_request
        self.credentials = credentials
        self.challenge = basic_challenge(realm)
        self.logger = logger
        self.pending: dict[Opening, float] = {}
        self.closed = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop, opened: Opened) -> None:
        """Begin to receive; ``opened`` starts each new WebSocket, and its handler."""
        self.loop, self.buffer, self.opened = loop, read_buffer(loop), opened

    def opening(self) -> Opening:
        """Make the protocol of a new connection."""
        return Opening(self)

    def expect(self, opening: Opening) -> None:
        """Give an opening ``open_timeout`` from now on."""
        timeout = self.settings.open_timeout
        self.pending.pop(opening, None)
        if timeout is None:
            self.pending[opening] = float("inf")
            return
        # All have the same time, so that the last to come is the last to go.
        self.pending[opening] = deadline = self.loop.time() + timeout
        if self._timer is None:
            self._timer = self.loop.call_at(deadline, self._give_up)

    def _give_up(self) -> None:
        """Abort the openings whose time has passed, and sleep until the next one's has."""
        self._timer = None
        now = self.loop.time()
        while self.pending:
            opening, deadline = next(iter(self.pending.items()))
            if deadline > now:
                self._timer = self.loop.call_at(deadline, self._give_up)
                return
            self.logger.debug("opening handshake not completed within open_timeout")
            opening.abort()

    def close(self) -> None:
        """Abort all openings, those included that come late."""
        self.closed = True
        for opening in list(self.pending):
            opening.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Opening(asyncio.BufferedProtocol):
    """One connection, until the upgrade, or until it has had its answer and is gone."""

    __slots__ = (
        "__weakref__",
        "_discardable",
        "_reader",
        "_reception",
        "_request",
        "_task",
        "_trailing",
        "_transport",
        "_username",
        "_with_body",
    )

    _transport: asyncio.Transport
    _request: Request

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._reader: RequestReader | None = RequestReader(reception.limits)
        self._with_body = True  # whether the answer is sent with its body
        self._trailing = b""
        self._username: str | None = None
        self._task: asyncio.Future[Any] | None = None  # what the program awaits
        self._discardable = reception.limits.body  # bytes that are still read, and thrown away

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._reception.expect(self)
        if self._reception.closed:
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reception.buffer

    def buffer_updated(self, count: int) -> None:
        if self._reader is not None:
            self._go_on(self._read, bytes(self._reception.buffer[:count]))
            return
        self._discardable -= count
        if self._discardable < 0:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reception.pending.pop(self, None)
        if self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        """End the connection at once, and whatever the program does for it."""
        self.connection_lost(None)
        self._transport.abort()

    # The steps: read, screen, route; then upgrade or answer.

    def _go_on(self, step: Callable[[Result], None], result: Result) -> None:
        """Take a step. What it raises becomes the answer."""
        try:
            step(result)
        except Exception as exc:
            self._refuse(exc)

    def _go_on_with(
        self, step: Callable[[Result], None], result: Result | Awaitable[Result]
    ) -> None:
        """Take a step with a result: now, or when it has come."""
        if not isawaitable(result):
            step(result)
            return
        # What the peer sends meanwhile waits in the kernel and not here.
        self._transport.pause_reading()
        self._task = asyncio.ensure_future(result, loop=self._reception.loop)
        self._task.add_done_callback(partial(self._resume, step))

    def _resume(self, step: Callable[[Result], None], task: asyncio.Future[Result]) -> None:
        self._task = None
        if task.cancelled():
            self.abort()
            return
        failure = task.exception()
        if self._transport.is_closing():
            return
        self._transport.resume_reading()
        if failure is None:
            self._go_on(step, task.result())
        else:
            self._refuse(failure)

    def _read(self, data: bytes) -> None:
        assert self._reader is not None
        request = self._reader.receive_data(data)
        if request is not None:
            self._request, self._trailing = request, self._reader.trailing
            self._reader = None
            self._with_body = request.method != "HEAD"
            self._screen(request)

    def _screen(self, request: Request) -> None:
        """Ask for the password, and whether the program wants to answer itself."""
        reception = self._reception
        if reception.credentials is not None:
            self._username = check_basic_auth(request, reception.credentials)
            if self._username is None:
                self._answer(reception.challenge)
                return
        if reception.process_request is None:
            self._route(None)
        else:
            self._go_on_with(self._route, reception.process_request(request))

    def _route(self, verdict: Response | None) -> None:
        if verdict is not None:
            self._answer(verdict)
            return
        target, params = self._reception.find(self._request)
        if isinstance(target, Page):
            self._go_on_with(self._answer, target.answer(self._request))
        else:
            self._upgrade(target, params)

    def _upgrade(self, route: Route, params: dict[str, str]) -> None:
        reception = self._reception
        accepted = accept(self._request, **reception.terms[route])
        callbacks = route.handler if isinstance(route.handler, Callbacks) else None
        ws = WebSocket(
            Role.SERVER,
            accepted,
            self._request,
            reception.settings,
            callbacks=callbacks,
            loop=reception.loop,
        )
        if params:
            ws.path_params = params
        ws.username = self._username
        del reception.pending[self]
        self._transport.write(accepted.to_bytes())
        reception.opened(ws, route.handler, self._transport)
        if self._trailing:
            ws.feed(self._trailing)

    def _refuse(self, exc: BaseException) -> None:
        if isinstance(exc, HandshakeError):
            self._reception.logger.debug("opening handshake refused: %s", exc)
            self._answer(exc.response or Response.plain(400, str(exc)))
        else:
            self._reception.logger.error("opening handshake failed", exc_info=exc)
            self._answer(Response.plain(500, "the server failed to answer"))

    def _answer(self, response: Response) -> None:
        """Answer, and see to it that the answer arrives.

        A socket that is closed while bytes of the peer are unread is reset by the kernel, and the
        answer with it. So our side is closed first, and what still comes is thrown away, up to a
        limit, until the peer has closed its side or the time is up.
        """
        if not isinstance(response, Response):
            raise TypeError(f"the answer to a request must be a Response, not {response!r}")
        self._reader = None
        items = [*response.headers.items(), *self._reception.headers.items()]
        headers = Headers([*items, ("Date", formatdate(usegmt=True))])
        answer = Response(response.status, headers, response.body)
        self._transport.write(answer.to_bytes(body=self._with_body))
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()  # which for TLS is the same: it goes on reading, for a while
        self._reception.expect(self)
