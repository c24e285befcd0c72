"""The client: from a URI to an open WebSocket, once or again and again.

Has a transport opened, has the protocol's ``ClientHandshake`` speak over it, follows redirects, and
hands the transport to a ``WebSocket``. What is said in a handshake it does not know.
"""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
import sys
from collections.abc import AsyncIterator, Generator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from socket import socket
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from ..config.proxies import parse_proxy
from ..config.reconnect import Delays, Retry
from ..config.reconnect import backoff as growing
from ..exceptions import HandshakeError
from ..protocol.http import HeaderItems, Headers, HttpLimits
from ..protocol.redirects import redirect_headers, redirect_target
from ..protocol.upgrade_h1 import USER_AGENT, ClientHandshake
from ..protocol.uri import Uri, parse_uri
from ..rfc6455 import Role
from .dialing import Dialer
from .handlers import Callbacks
from .settings import Settings
from .stream import read_buffer
from .websocket import WebSocket

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .settings import SettingsKeywords

__all__ = ["Connector", "connect"]


def connect(
    uri: str,
    callbacks: Callbacks | None = None,
    *,
    subprotocols: Sequence[str] = (),
    origin: str | None = None,
    headers: HeaderItems = (),
    basic_auth: tuple[str, str] | None = None,
    user_agent: str | None = USER_AGENT,
    version: int = 13,
    ssl: tls.SSLContext | bool | None = None,
    server_hostname: str | None = None,
    host: str | None = None,
    port: int | None = None,
    sock: socket | None = None,
    unix: str | PathLike[str] | None = None,
    local_address: tuple[str, int] | None = None,
    proxy: str | bool | None = True,
    proxy_ssl: tls.SSLContext | None = None,
    max_redirects: int = 10,
    limits: HttpLimits = HttpLimits(),  # noqa: B008
    backoff: Delays = growing,
    logger: logging.Logger | None = None,
    **settings: Unpack[SettingsKeywords],
) -> Connector:
    """Connect to a WebSocket server.

    ::

        async with connect("wss://example.com/chat") as ws:    # closes it at the end
            ...
        ws = await connect("wss://example.com/chat")           # you close it
        async for ws in connect("wss://example.com/chat"):     # connects again when the body ends
            try:
                async for message in ws:
                    ...
            except ConnectionClosed:
                continue

    The loop waits before it connects again. It goes on after errors of the network, time-outs, and
    answers of 5xx or 429, whose ``Retry-After`` it heeds; any other error ends it.

    Args:
        uri: ``ws://`` or ``wss://``. User name and password in it go out as basic authentication.
        callbacks: functions to be called with each message; without them the program receives.
        subprotocols: those to offer, the preferred one first (RFC 6455 section 1.9).
        origin: the ``Origin`` header (section 10.2); servers may ask for the one of their pages.
        headers: more headers for the request, ``Authorization`` with a bearer token for example.
        basic_auth: user name and password, instead of those in the URI.
        user_agent: the ``User-Agent`` header; None for none.
        version: of the protocol; 13 is RFC 6455, 8 and 7 are drafts before it.
        ssl: for ``wss://``; None or True trust whom the system trusts.
        server_hostname: the name to ask for in the server's certificate; the URI's if left out.
        host: where to connect to, if not to the host of the URI.
        port: the TCP port, if not the one of the URI.
        sock: a connected socket to use instead. It belongs to the connection from then on.
        unix: the path of a Unix socket to connect to instead.
        local_address: host and port to connect from.
        proxy: the URL of one: http, https, socks4, socks4a, socks5 or socks5h; SOCKS needs
            ``wsfast[proxy]``, and ``wss://`` through https Python 3.11 or uvloop. True for what
            the environment names (``https_proxy``, ``no_proxy`` and so on), None for none.
        proxy_ssl: for an ``https`` proxy; None trusts whom the system trusts.
        max_redirects: most redirects that are followed. They never lead from ``wss`` to ``ws``, and
            ``Authorization``, cookies and passwords never go along to another origin.
        limits: of the server's answer, and the proxy's.
        backoff: seconds to wait before each attempt to connect again: a function that gives them
            anew after each connection that lasted, or an iterable; when they run out, so does the
            loop. The default doubles up to a minute, and leaves some of it to chance.
        logger: instead of "wsfast.client". It tells of attempts that failed and are repeated.
        settings: the fields of ``Settings``. ``open_timeout`` is for everything, from the look-up
            of the name to the last redirect.

    Returns:
        To be awaited, entered or iterated.

    Raises:
        ValueError: a URI that is none, a value that cannot be, or arguments that contradict.
        TypeError: a keyword that is none, or a value of the wrong type.
        OSError: out of awaiting it: the server cannot be reached; a ``TimeoutError``: in time.
        HandshakeError: out of awaiting it: the server refuses, and ``response`` is its answer; or
            what it answers is wrong.
        ImportError: out of awaiting it: the proxy needs a library that is not installed.
    """
    target = parse_uri(uri)
    if not target.secure and (ssl or server_hostname is not None):
        raise ValueError("ssl and server_hostname are for wss://, and the URI begins with ws://")
    if target.secure and ssl is False:
        raise ValueError("ssl is False, and the URI begins with wss://")
    elsewhere = host is not None or port is not None
    if (sock is not None) + (unix is not None) + elsewhere > 1:
        raise ValueError("sock, unix, and host or port are three ways to connect: give one")
    if basic_auth is not None:
        target = replace(target, username=basic_auth[0], password=basic_auth[1])
    if isinstance(proxy, str):
        parse_proxy(proxy)
    made = Settings.from_keywords("connect()", settings)
    context = ssl if isinstance(ssl, tls.SSLContext) else None
    dialer = Dialer(
        context,
        server_hostname,
        host,
        port,
        sock,
        unix,
        local_address,
        proxy,
        proxy_ssl,
        limits,
        made.open_timeout,
    )
    terms = {
        "subprotocols": subprotocols,
        "deflate": made.deflate,
        "origin": origin,
        "version": version,
        "user_agent": user_agent,
        "limits": limits,
    }
    log = logger or logging.getLogger("wsfast.client")
    return Connector(
        target, dialer, terms, Headers(headers), made, callbacks, max_redirects, backoff, log
    )


@dataclass(eq=False)
class Connector:
    """What ``connect()`` gives: to be awaited, entered or iterated, any number of times."""

    _uri: Uri
    _dialer: Dialer
    _terms: dict[str, Any]
    _headers: Headers
    _settings: Settings
    _callbacks: Callbacks | None
    _max_redirects: int
    _backoff: Delays
    _logger: logging.Logger
    _entered: WebSocket | None = None

    def __await__(self) -> Generator[Any, None, WebSocket]:
        return self._open().__await__()

    async def __aenter__(self) -> WebSocket:
        self._entered = await self._open()
        return self._entered

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ws, self._entered = self._entered, None
        if ws is not None:
            await ws.close()

    async def __aiter__(self) -> AsyncIterator[WebSocket]:
        loop = asyncio.get_running_loop()
        retry = Retry(self._backoff)
        while True:
            try:
                ws = await self._open()
            except Exception as exc:
                delay = retry.next_delay(exc)
                if delay is None:
                    raise
                self._logger.warning("%s: %s; again in %.1f s", self._uri, exc, delay)
            else:
                opened = loop.time()
                try:
                    yield ws
                finally:
                    await ws.close()
                if loop.time() - opened >= retry.last:
                    retry.restart()
                delay = retry.next_delay()
                if delay is None:
                    return
            await asyncio.sleep(delay)

    async def _open(self) -> WebSocket:
        try:
            async with timeout(self._settings.open_timeout):
                return await self._follow(self._uri, self._headers)
        except asyncio.TimeoutError as exc:
            if exc.args:  # the kernel's, which names what it was about
                raise
            raise TimeoutError(
                f"{self._uri} was not open within open_timeout, "
                f"which is {self._settings.open_timeout} seconds"
            ) from exc

    async def _follow(self, uri: Uri, headers: Headers) -> WebSocket:
        """Ask at the URI, and then where it redirects to."""
        followed = 0
        while True:
            handshake = ClientHandshake(uri, headers=headers, **self._terms)
            opening = _Opening(handshake, self._settings, self._callbacks)
            try:
                await self._dialer.dial(uri, opening)
                return await opening.opened
            except HandshakeError as exc:
                # A proxy that refuses redirects nobody: its reason is another.
                target = redirect_target(uri, exc.response) if exc.reason == "status" else None
                if target is None:
                    raise
                if followed >= self._max_redirects:
                    text = f"{self._uri} redirects more than {followed} times, to {target} at last"
                    raise HandshakeError("too_many_redirects", text, exc.response) from None
                if not self._dialer.leads_to(target, uri):
                    text = f"{uri} redirects to {target}, and connect() was told where to connect"
                    raise HandshakeError("fixed_address", text, exc.response) from None
            except BaseException:
                opening.abort()
                raise
            uri, headers = target, redirect_headers(headers, uri, target)
            followed += 1


class _Opening(asyncio.BufferedProtocol):
    """A connection until the server has answered; then a ``WebSocket`` has taken it over."""

    _transport: asyncio.Transport | None = None

    def __init__(
        self, handshake: ClientHandshake, settings: Settings, callbacks: Callbacks | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[WebSocket] = loop.create_future()
        self._handshake = handshake
        self._settings = settings
        self._callbacks = callbacks
        self._buffer: memoryview = read_buffer(loop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._handshake.data_to_send())

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.opened.done():
            return
        handshake = self._handshake
        try:
            accepted = handshake.receive_data(self._buffer[:nbytes])
            if accepted is None:
                return
            ws = WebSocket(
                Role.CLIENT, accepted, handshake.request, self._settings, self._callbacks
            )
            ws.start(self._transport, handshake.trailing)
        except Exception as exc:
            self._fail(exc)
        else:
            if not self.opened.done():  # on_open may have cancelled who waits
                self.opened.set_result(ws)

    def eof_received(self) -> None:
        try:
            self._handshake.receive_eof()
        except HandshakeError as exc:
            self._fail(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._fail(exc)
        self.eof_received()

    def abort(self) -> None:
        """End the connection at once, if there is one."""
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, exc: Exception) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc)
            self.opened.exception()  # it may be that nobody waits any more
        self.abort()
