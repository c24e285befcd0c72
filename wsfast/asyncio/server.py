"""The server: listens, keeps account of its connections, and ends them in good order.

What happens on a connection before it is a WebSocket is in ``opening.py``, and what happens on it
then in ``websocket.py``; here is who runs the program's handler, and who is still there when the
server closes.
"""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
import sys
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import suppress
from os import PathLike
from socket import socket
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..exceptions import ConnectionClosed, HandshakeError, StateError
from ..frames import Close
from ..protocol.connection import State
from ..protocol.http import HeaderItems, Headers, HttpLimits, Request
from ..protocol.upgrade_h1 import accept
from ..rfc6455 import CloseCode
from .handlers import Callbacks, Handler
from .opening import ProcessRequest, Reception
from .routing import Route, Router
from .settings import Settings
from .websocket import WebSocket

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ..protocol.auth import Credentials
    from ..protocol.negotiation import Origins
    from .settings import SettingsKeywords

__all__ = ["Server", "serve"]

# The one of RFC 6455 section 1.3.
_GOOD_REQUEST = Request(
    "GET",
    "/",
    Headers(
        {
            "Host": "server.example.com",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        }
    ),
)


def serve(
    handler: Handler | Router,
    host: str | Sequence[str] | None = None,
    port: int | None = None,
    *,
    sock: socket | None = None,
    unix: str | PathLike[str] | None = None,
    ssl: tls.SSLContext | None = None,
    reuse_port: bool | None = None,
    backlog: int = 1024,
    subprotocols: Sequence[str] = (),
    select_subprotocol: Callable[[list[str]], str | None] | None = None,
    origins: Origins | None = None,
    versions: Collection[int] = (13,),
    headers: HeaderItems = (),
    server_header: str | None = f"wsfast/{__version__}",
    process_request: ProcessRequest | None = None,
    basic_auth: Credentials | None = None,
    realm: str = "wsfast",
    limits: HttpLimits = HttpLimits(),  # noqa: B008
    logger: logging.Logger | None = None,
    **settings: Unpack[SettingsKeywords],
) -> Server:
    """Serve WebSockets.

    ::

        async def echo(ws):
            async for message in ws:
                await ws.send(message)

        async with serve(echo, "localhost", 8765) as server:    # closes it at the end
            await server.serve_forever()
        server = await serve(echo, "localhost", 8765)           # you close it

    Args:
        handler: a coroutine function that is called with each ``WebSocket`` and runs in a task of
            its own: the connection is closed with 1000 when it returns, with 1011 when it raises.
            Or ``Callbacks``, or a ``Router``.
        host: what to listen at: a name, an address, several, or None for all interfaces, by
            IPv4 and IPv6.
        port: the TCP port; 0 for any that is free, which ``Server.port`` then tells.
        sock: a bound socket to listen at instead. It belongs to the server from then on.
        unix: the path of a Unix socket to listen at instead.
        ssl: the context that makes this ``wss://``.
        reuse_port: whether other processes may listen at the same port.
        backlog: how many connections may wait to be accepted.
        subprotocols: the sub-protocols spoken, the preferred one first (RFC 6455 section 1.9).
        select_subprotocol: picks one of those that a client offers, instead.
        origins: the origins whose scripts are let in (RFC 6455 section 10.2); None for all.
        versions: of the protocol; 13 is RFC 6455, 8 and 7 are drafts before it.
        headers: more headers for every response.
        server_header: the ``Server`` header; None for none.
        process_request: called with each ``Request`` before anything else is looked at, but for
            ``basic_auth``. A function, plain or async. A ``Response`` refuses the connection.
        basic_auth: the passwords by user name, or a function that is called with both. Who does not
            know one is answered with 401; ``ws.username`` is who did.
        realm: what the passwords are for, as a person is told who is asked.
        limits: of the request.
        logger: instead of "wsfast.server". It tells errors of the program, and as debugging
            messages what peers did wrong.
        settings: the fields of ``Settings``. ``open_timeout`` is for the handshake of TLS, and then
            for that of the WebSocket.

    Returns:
        The server; await it, or enter it, and it listens.

    Raises:
        TypeError: a keyword that is none, or a value of the wrong type.
        ValueError: a value that cannot be, or arguments that contradict each other.
        OSError: out of awaiting the server: it cannot listen there.
    """
    if sum((sock is not None, unix is not None, port is not None)) != 1:
        raise ValueError("serve() needs one of port (with or without host), sock and unix")
    made = Settings.from_keywords("serve()", settings)
    extra = Headers(headers)
    if server_header is not None:
        extra.add("Server", server_header)
    if isinstance(handler, Router):
        routes, find = handler.routes, handler.find
    else:
        only = Route("/", handler)
        routes, find = [only], lambda request: (only, {})
    common: dict[str, Any] = {
        "subprotocols": subprotocols,
        "select_subprotocol": select_subprotocol,
        "origins": origins,
        "versions": versions,
        "deflate": made.deflate,
        "headers": extra,
    }
    terms = {route: common | route.terms for route in routes}
    for each in terms.values():
        _try_out(each)
    reception = Reception(
        find=find,
        terms=terms,
        headers=extra,
        settings=made,
        limits=limits,
        process_request=process_request,
        credentials=basic_auth,
        realm=realm,
        logger=logger or logging.getLogger("wsfast.server"),
    )
    options: dict[str, Any] = {"sock": sock, "backlog": backlog, "ssl": ssl}
    if ssl is not None:
        options["ssl_handshake_timeout"] = made.open_timeout
        if sys.version_info >= (3, 11):
            options["ssl_shutdown_timeout"] = made.close_timeout
    if unix is not None or (sock is not None and sock.family.name == "AF_UNIX"):
        options["path"] = unix
    else:
        options |= {"host": host, "port": port, "reuse_port": reuse_port}
    return Server(reception, options)


def _try_out(terms: dict[str, Any]) -> None:
    """Fail now on what every handshake would fail on, without calling the program's functions."""
    quiet = {name: None for name in ("origins", "select_subprotocol") if callable(terms[name])}
    with suppress(HandshakeError):
        accept(_GOOD_REQUEST, **terms | quiet | {"versions": (13,)})


class Server:
    """A server that ``serve()`` has made. Awaited or entered, it listens.

    Attributes:
        connections: the WebSockets that are open or closing.
    """

    def __init__(self, reception: Reception, options: dict[str, Any]) -> None:
        self.connections: set[WebSocket] = set()
        self._reception = reception
        self._options = options
        self._listener: asyncio.AbstractServer | None = None
        self._tasks: dict[asyncio.Task[object], WebSocket] = {}  # the handlers that run
        self._closer: asyncio.Task[Any] | None = None  # who has called close()
        self._empty = asyncio.Event()  # set while the server closes and nobody is left
        self._closed = asyncio.Event()
        # Bound once, since every connection keeps them.
        self._on_gone, self._on_handled = self._gone, self._handled

    @property
    def sockets(self) -> tuple[socket, ...]:
        """What the server listens at; nothing before and after."""
        return tuple(getattr(self._listener, "sockets", None) or ())

    @property
    def port(self) -> int:
        """The TCP port of the first socket.

        Raises:
            StateError: the server does not listen, or listens at a Unix socket.
        """
        address = self.sockets[0].getsockname() if self.sockets else None
        if not isinstance(address, tuple):
            raise StateError("the server has no port: it does not listen, or at a Unix socket")
        return int(address[1])

    def is_serving(self) -> bool:
        """Tell if the server accepts connections."""
        return self._listener is not None and not self._reception.closed

    def __await__(self) -> Generator[Any, None, Self]:
        return self._start().__await__()

    async def __aenter__(self) -> Self:
        return await self._start()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def serve_forever(self) -> None:
        """Serve until ``close()`` is called, or this is cancelled; then the server is closed."""
        await self._start()
        try:
            await self.wait_closed()
        finally:
            await self.close()

    async def close(
        self, code: int = CloseCode.GOING_AWAY, reason: str = "", *, timeout: float | None = None
    ) -> None:
        """Close the server and all its connections, in bounded time.

        It stops to listen, drops who has not finished the opening handshake, sends everybody else a
        close frame, and waits for their closing handshakes and for the handlers to return. Then it
        aborts the connections and cancels the handlers that are left. Who is in the middle of the
        handshake of TLS has ``open_timeout`` for it even so, before Python 3.13 and with uvloop.
        Called once more, it waits for the first call to be done.

        Args:
            code: the close code that the peers are told; the default is 1001, "going away".
            reason: and the text with it, of up to 123 bytes as UTF-8.
            timeout: seconds to wait; ``close_timeout`` if left out. Handlers that do not end when
                they are cancelled are waited for as long once more, and then left to themselves.

        Raises:
            ValueError: a code or a reason that no close frame can carry.
        """
        Close(code, reason).to_payload()
        if self._reception.closed:
            await self.wait_closed()
            return
        self._closer = asyncio.current_task()
        if self._listener is not None:
            self._listener.close()
        self._reception.close()
        for ws in tuple(self.connections):
            ws.close(code, reason)
        if timeout is None:
            timeout = self._reception.settings.close_timeout
        try:
            if not await self._emptied(timeout):
                self._abort()
                await self._emptied(timeout)
        finally:
            self._abort()
            # It knows those, too, who are in the middle of the handshake of TLS.
            if sys.version_info >= (3, 13) and isinstance(self._listener, asyncio.Server):
                self._listener.abort_clients()
            self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until ``close()`` is done."""
        await self._closed.wait()

    async def _start(self) -> Self:
        if self._reception.closed:
            raise StateError("the server is closed: make another with serve()")
        if self._listener is None:
            loop = asyncio.get_running_loop()
            self._reception.start(loop, self._opened)
            listen = loop.create_unix_server if "path" in self._options else loop.create_server
            self._listener = await listen(self._reception.opening, **self._options)
        return self

    # The account of connections and handlers.

    def _opened(self, ws: WebSocket, handler: Handler, transport: asyncio.Transport) -> None:
        """A connection begins: run its handler, which may use it from its first step on."""
        self.connections.add(ws)
        ws.on_closed = self._on_gone
        ws.start(transport)
        if isinstance(handler, Callbacks):
            return
        try:
            task = self._reception.loop.create_task(handler(ws))
        except Exception as exc:
            self._failed(ws, exc)
            return
        self._tasks[task] = ws
        task.add_done_callback(self._on_handled)

    def _handled(self, task: asyncio.Task[object]) -> None:
        """A handler has ended, and with it goes its connection."""
        ws = self._tasks.pop(task)
        exc = None if task.cancelled() else task.exception()
        if task.cancelled():
            ws.close(CloseCode.GOING_AWAY)
        elif exc is None:
            if ws.transport is not None and not ws.transport.is_closing():
                ws.close()
        # That its own connection has ended is nothing wrong with a handler.
        elif not isinstance(exc, ConnectionClosed) or ws.state is State.OPEN:
            self._failed(ws, exc)
        self._check_empty()

    def _failed(self, ws: WebSocket, exc: BaseException) -> None:
        self._reception.logger.error("handler of a connection failed", exc_info=exc)
        ws.close(CloseCode.INTERNAL_ERROR)

    def _gone(self, ws: WebSocket) -> None:
        self.connections.discard(ws)
        if self._reception.closed:
            self._check_empty()

    # The end.

    def _check_empty(self) -> None:
        # A handler that closes its own server cannot be waited for.
        others = len(self._tasks) - (self._closer in self._tasks)
        if self._reception.closed and not self.connections and not others:
            self._empty.set()

    async def _emptied(self, timeout: float | None) -> bool:
        """Wait until nobody is left; tell if so."""
        self._check_empty()
        # What was aborted is gone one turn of the loop later.
        await asyncio.sleep(0)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._empty.wait(), timeout)
        return self._empty.is_set()

    def _abort(self) -> None:
        for ws in tuple(self.connections):
            ws.abort()
        for task in tuple(self._tasks.keys() - {self._closer}):
            task.cancel()
