"""The client: from a URI to an open WebSocket, once or again and again.

It opens a transport (``dialing.py``), lets the protocol's ``ClientHandshake`` speak over it,
follows redirects, and hands the transport to a ``WebSocket``. It does not know what a handshake
says.
"""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from os import PathLike
from socket import socket
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..config.arguments import check_int, check_type
from ..config.reconnect import Delays, Retry, check_delays
from ..config.reconnect import backoff as growing
from ..exceptions import HandshakeError
from ..protocol.http import HeaderItems, Headers, HttpLimits
from ..protocol.negotiation import check_subprotocols
from ..protocol.redirects import redirect_headers, redirect_target
from ..protocol.upgrade_h1 import USER_AGENT, ClientHandshake
from ..protocol.uri import Uri, parse_uri
from ..rfc6455 import CloseCode, Role
from .coroutines import LazyCoroutine
from .dialing import Dialer
from .exchange import Exchange
from .handlers import Callbacks
from .settings import Settings
from .websocket import WebSocket

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .settings import SettingsKeywords

__all__ = ["Connector", "connect"]

LoggerLike: TypeAlias = "logging.Logger | logging.LoggerAdapter[logging.Logger]"

_NONE = type(None)


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
    logger: LoggerLike | None = None,
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

    A block closes its connection with 1000 (normal closure), where an exception leaves it with 1011
    (internal error), and where it is cancelled with 1001 (going away). So does the body of a loop
    with 1000 when it ends; where the loop is left within it, by ``break``, ``return`` or an error,
    the code is 1001, since Python does not tell a loop's iterator which it was. After
    ``ws.abort()`` nothing is sent.

    The loop waits before it connects again. It goes on after errors of the network, time-outs, and
    responses of 5xx or 429, whose ``Retry-After`` it heeds, up to 300 seconds; any other error ends
    it, a refusal by the server or a proxy above all.

    Args:
        uri: ``ws://`` or ``wss://``. User name and password in it go out as basic authentication.
        callbacks: functions to be called with each message; without them the program receives.
        subprotocols: those to offer, the preferred one first (RFC 6455 section 1.9).
        origin: the ``Origin`` header (section 10.2); servers may ask for the one of their pages.
        headers: more headers for the request, ``Authorization`` with a bearer token for example.
        basic_auth: user name and password, instead of those in the URI.
        user_agent: the ``User-Agent`` header; None for none.
        version: of the protocol; 13 is RFC 6455, 8 and 7 are drafts before it.
        ssl: the context for ``wss://``; None or True for the certificate authorities of the system.
        server_hostname: the name to ask for in the server's certificate, instead of the URI's.
        host: where to connect to, instead of the host of the URI.
        port: the TCP port, instead of the one of the URI.
        sock: a connected socket to use instead. It belongs to the connection once that is awaited.
        unix: the path of a Unix socket to connect to instead.
        local_address: host and port to connect from.
        proxy: the URL of one: http, https, socks4, socks4a, socks5 or socks5h; SOCKS needs
            ``wsfast[proxy]``, and ``wss://`` through https Python 3.11 or uvloop. True for the one
            that the environment names (``https_proxy``, ``no_proxy`` and so on), None for none.
        proxy_ssl: the context for an ``https`` proxy, as ``ssl``.
        max_redirects: most redirects that are followed. They never lead from ``wss`` to ``ws``, and
            ``Authorization``, cookies and passwords never go along to another origin.
        limits: of the server's response, and the proxy's.
        backoff: seconds to wait before each attempt to connect again: an iterable of them, or a
            function that returns one and is called anew after each connection that lasted; when
            they run out, so does the loop. The default doubles up to a minute, and leaves some of
            it to chance.
        logger: instead of "wsfast.client". It tells of attempts that failed and are repeated.
        settings: the fields of ``Settings``. ``open_timeout`` is for everything, from the look-up
            of the name to the last redirect.

    Returns:
        To be awaited, entered or iterated, or run as a coroutine is, and any number of times.

    Raises:
        ValueError: a URI that is none, a value that cannot be, or arguments that contradict.
        TypeError: a keyword that is none, or a value of the wrong type.
        OSError: out of awaiting it: the server cannot be reached; a ``TimeoutError``: in time.
        HandshakeError: out of awaiting it: the server or a proxy refuses, and ``response`` is how;
            or its response is wrong. The head of a response decides; its body is waited for up to
            a second, and never longer than half of the time that is left.
        ImportError: out of awaiting it: the proxy needs a library that is not installed.
        StateError: out of awaiting it: ``sock`` has been used up.
    """
    check_type("uri", uri, str, "a str, as 'wss://example.com/chat'", shown=False)
    check_type(
        "callbacks", callbacks, (Callbacks, _NONE), "Callbacks, as Callbacks(on_message=function)"
    )
    check_type("logger", logger, (logging.Logger, logging.LoggerAdapter, _NONE), "a logging.Logger")
    check_int("max_redirects", max_redirects, 0)
    target = parse_uri(uri)
    if not target.secure and (ssl or server_hostname is not None):
        raise ValueError("ssl and server_hostname are for wss://, and the URI begins with ws://")
    if target.secure and ssl is False:
        raise ValueError("ssl is False, and the URI begins with wss://")
    if basic_auth is not None:
        username, password = _credentials(basic_auth)
        target = replace(target, username=username, password=password)
    made = Settings.from_keywords("connect()", settings)
    dialer = Dialer(
        ssl,
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

    offered = check_subprotocols(subprotocols)

    def new_handshake(uri: Uri, headers: Headers) -> ClientHandshake:
        return ClientHandshake(
            uri,
            subprotocols=offered,
            deflate=made.deflate,
            origin=origin,
            headers=headers,
            version=version,
            user_agent=user_agent,
            limits=limits,
        )

    more = Headers(headers)
    new_handshake(target, more)  # which fails now on what every handshake would fail on
    return Connector(
        target,
        more,
        new_handshake,
        dialer,
        made,
        callbacks,
        max_redirects,
        check_delays(backoff),
        logger or logging.getLogger("wsfast.client"),
    )


class Connector(LazyCoroutine[WebSocket]):
    """What ``connect()`` returns: to be awaited, entered or iterated, any number of times.

    Each time it makes a connection of its own, for any number of tasks side by side. It is a
    coroutine: for ``asyncio.run``, ``create_task``, ``gather`` and whatever else takes one. Where
    one task enters it again before it has left it, it leaves the later connection first.
    """

    def __init__(
        self,
        uri: Uri,
        headers: Headers,
        new_handshake: Callable[[Uri, Headers], ClientHandshake],
        dialer: Dialer,
        settings: Settings,
        callbacks: Callbacks | None,
        max_redirects: int,
        delays: Delays,
        logger: LoggerLike,
    ) -> None:
        super().__init__(
            "connect",
            "write `ws = await connect(...)`, `async with connect(...) as ws:`, "
            "or `async for ws in connect(...):`",
        )
        self._uri = uri
        self._headers = headers
        self._new_handshake = new_handshake
        self._dialer = dialer
        self._settings = settings
        self._callbacks = callbacks
        self._max_redirects = max_redirects
        self._delays = delays
        self._logger = logger
        # The connections of the blocks that are entered, with the tasks that entered them.
        self._entered: list[tuple[asyncio.Task[Any] | None, WebSocket]] = []

    async def __aenter__(self) -> WebSocket:
        ws = await self
        self._entered.append((asyncio.current_task(), ws))
        return ws

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        code = CloseCode.NORMAL_CLOSURE
        if exc is not None:
            failed = isinstance(exc, Exception)
            code = CloseCode.INTERNAL_ERROR if failed else CloseCode.GOING_AWAY
        await _leave(self._last_entered(), code)

    def _last_entered(self) -> WebSocket:
        """Take out the connection that the running task has entered last.

        An asynchronous generator may be left in another task than it was entered in: then there is
        none of this task, and the last one of all is taken.
        """
        task = asyncio.current_task()
        own = [place for place, (owner, _) in enumerate(self._entered) if owner is task]
        return self._entered.pop(own[-1] if own else -1)[1]

    async def __aiter__(self) -> AsyncIterator[WebSocket]:
        loop = asyncio.get_running_loop()
        retry = Retry(self._delays)
        while True:
            try:
                ws = await self
            except Exception as exc:
                delay = retry.next_delay(exc)
                if delay is None:
                    raise
                self._logger.warning("%s: %s; again in %.1f s", self._uri, exc, delay)
            else:
                opened = loop.time()
                code = CloseCode.GOING_AWAY
                try:
                    yield ws
                    code = CloseCode.NORMAL_CLOSURE
                finally:
                    await _leave(ws, code)
                if loop.time() - opened >= retry.last:
                    retry.restart()
                delay = retry.next_delay()
                if delay is None:
                    return
            await asyncio.sleep(delay)

    async def _run(self) -> WebSocket:
        seconds = self._settings.open_timeout
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        try:
            async with timeout(seconds):
                return await self._follow(deadline)
        except asyncio.TimeoutError as exc:
            if exc.args:  # the kernel's, which names what it was about
                raise
            raise TimeoutError(
                f"{self._uri} was not open within open_timeout, which is {seconds} seconds"
            ) from exc

    async def _follow(self, deadline: float | None) -> WebSocket:
        """Ask for a WebSocket at the URI, and then where it redirects to."""
        uri, headers = self._uri, self._headers
        followed = 0
        while True:
            handshake = self._new_handshake(uri, headers)
            upgrade = ClientUpgrade(handshake, self._settings, self._callbacks, deadline)
            try:
                await self._dialer.dial(uri, upgrade, deadline)
                return await upgrade.outcome
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
                upgrade.abort()
                raise
            uri, headers = target, redirect_headers(headers, uri, target)
            followed += 1


class ClientUpgrade(Exchange[WebSocket]):
    """A connection until the server has answered; then a ``WebSocket`` has taken it over."""

    def __init__(
        self,
        handshake: ClientHandshake,
        settings: Settings,
        callbacks: Callbacks | None,
        deadline: float | None,
    ) -> None:
        super().__init__(handshake.data_to_send(), deadline)
        self._handshake = handshake
        self._settings = settings
        self._callbacks = callbacks

    @property
    def _is_refused(self) -> bool:
        return self._handshake.refusal is not None

    def _receive_data(self, data: memoryview) -> WebSocket | None:
        handshake = self._handshake
        accepted = handshake.receive_data(data)
        if accepted is None:
            return None
        ws = WebSocket(Role.CLIENT, accepted, handshake.request, self._settings, self._callbacks)
        ws.start(self._transport, handshake.trailing)
        return ws

    def _receive_eof(self) -> None:
        self._handshake.receive_eof()


def _credentials(basic_auth: object) -> tuple[str, str]:
    wanted = "a tuple of user name and password, as ('me', 'secret')"
    check_type("basic_auth", basic_auth, tuple, wanted, shown=False)
    credentials = cast("tuple[str, ...]", basic_auth)
    if len(credentials) != 2:
        raise ValueError(f"basic_auth must be {wanted}, and has {len(credentials)} elements")
    for name, value in zip(("user name", "password"), credentials, strict=True):
        check_type(f"the {name} of basic_auth", value, str, "a str", shown=False)
    return credentials[0], credentials[1]


async def _leave(ws: WebSocket, code: int) -> None:
    """Close a connection, and wait for its end."""
    if ws.transport is None or ws.transport.is_closing():
        await ws.wait_closed()  # it was aborted, or the peer has ended it: nothing more is sent
        return
    try:
        await ws.close(code)
    except BaseException:  # the closing handshake is not to be waited for
        ws.abort()
        raise
