"""From a URI to a transport: past names, addresses, proxies and TLS.

What is said over the transport, in HTTP or as a WebSocket, it does not know.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike, fspath
from socket import SOCK_STREAM, socket
from typing import Any, cast

from ..config.arguments import check_int, check_type
from ..config.proxies import Proxy, parse_proxy, proxy_from_environment
from ..exceptions import StateError
from ..protocol.hosts import parse_host, tls_name
from ..protocol.http import HttpLimits
from ..protocol.uri import Uri
from .sockets import open_socket
from .tunnels import open_socks, open_tunnel

__all__ = ["Dialer"]

_NONE = type(None)


@dataclass(eq=False)
class Dialer:
    """Opens transports to servers, in the way that ``connect()`` was told.

    Attributes:
        timeout: seconds for the handshake of TLS.
        used: whether ``sock`` has been used up. The others are keywords of ``connect()``.

    Raises:
        TypeError: one of them has the wrong type.
        ValueError: one of them cannot be, or two contradict each other.
    """

    ssl: tls.SSLContext | bool | None
    server_hostname: str | None
    host: str | None
    port: int | None
    sock: socket | None
    unix: str | PathLike[str] | None
    local_address: tuple[str, int] | None
    proxy: str | bool | None
    proxy_ssl: tls.SSLContext | None
    limits: HttpLimits
    timeout: float | None
    used: bool = False

    def __post_init__(self) -> None:
        self._check_place()
        self._check_proxy()
        self._check_tls()
        check_type("limits", self.limits, HttpLimits, "HttpLimits(...)")

    def _check_place(self) -> None:
        elsewhere = self.host is not None or self.port is not None
        if (self.sock is not None) + (self.unix is not None) + elsewhere > 1:
            raise ValueError("sock, unix, and host or port are three ways to connect: give one")
        if self.host is not None:
            check_type("host", self.host, str, "a name or an address, as '127.0.0.1'")
            self.host = parse_host(self.host)
        if self.port is not None:
            check_int("port", self.port, 1, 65535)
        check_type("unix", self.unix, (str, PathLike, _NONE), "a path, as '/run/server.sock'")
        if self.sock is not None:
            _check_socket(self.sock)
        if self.local_address is None:
            return
        if self.sock is not None or self.unix is not None:
            raise ValueError("local_address is for connections to a host, not for sock or unix")
        wanted = "a tuple of host and port, as ('192.0.2.1', 0)"
        check_type("local_address", self.local_address, tuple, wanted)
        if len(self.local_address) != 2:
            raise ValueError(f"local_address must be {wanted}, not {self.local_address!r}")
        host, port = self.local_address
        check_type("the host of local_address", host, str, "a str")
        check_int("the port of local_address", port, 0, 65535)
        self.local_address = (parse_host(host), port)

    def _check_proxy(self) -> None:
        wanted = "the URL of one, as 'http://proxy.example:3128', True or None"
        check_type("proxy", self.proxy, (str, bool, _NONE), wanted, shown=False)
        if isinstance(self.proxy, str):
            parse_proxy(self.proxy)
            if self.sock is not None or self.unix is not None:
                raise ValueError("a proxy leads to a host, and cannot be given with sock or unix")

    def _check_tls(self) -> None:
        """Find out here what would fail at the first connection.

        And uvloop, where a context fails as early as this, closes the descriptor of a socket that
        takes itself for open.
        """
        for name, context in ("ssl", self.ssl), ("proxy_ssl", self.proxy_ssl):
            if isinstance(context, (str, PathLike)):
                raise TypeError(
                    f"{name} must be an ssl.SSLContext: "
                    f"ssl.create_default_context(cafile={context!r}) makes one"
                )
            kinds = (tls.SSLContext, bool, _NONE) if name == "ssl" else (tls.SSLContext, _NONE)
            check_type(name, context, kinds, "an ssl.SSLContext or None")
        if self.server_hostname is not None:
            check_type("server_hostname", self.server_hostname, str, "a str, as 'example.com'")
            self.server_hostname = tls_name(parse_host(self.server_hostname))
        if isinstance(self.ssl, tls.SSLContext) or self.server_hostname is not None:
            _check_context(self._context, self.server_hostname)
        if self.proxy_ssl is not None:
            _check_context(self.proxy_ssl, None)

    @property
    def _context(self) -> tls.SSLContext:
        return self.ssl if isinstance(self.ssl, tls.SSLContext) else _trusting_the_system()

    async def dial(
        self, uri: Uri, protocol: asyncio.BaseProtocol, deadline: float | None = None
    ) -> None:
        """Connect ``protocol`` to the server of a URI.

        Args:
            uri: whose server; what ``connect()`` was told of another place goes first.
            protocol: what the transport is given to, once it leads to the server.
            deadline: the loop's time at which the caller gives up; None for never.

        Raises:
            OSError: the server, or the proxy, cannot be reached.
            HandshakeError: the proxy refuses.
            ImportError: the proxy needs a library that is not installed.
            StateError: ``sock`` has been used up by an earlier call.
        """
        try:
            await self._dial(uri, protocol, deadline)
        except ConnectionResetError as exc:
            if exc.args:
                raise
            # Loops leave it at that where the peer ends TCP before TLS has begun.
            text = "the peer ended the connection during the handshake of TLS"
            raise ConnectionResetError(text) from exc

    async def _dial(self, uri: Uri, protocol: asyncio.BaseProtocol, deadline: float | None) -> None:
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        if uri.secure:
            options["ssl"] = self._context
            options["server_hostname"] = self.server_hostname or tls_name(uri.host)
            options["ssl_handshake_timeout"] = self.timeout
        if self.unix is not None:
            await loop.create_unix_connection(lambda: protocol, fspath(self.unix), **options)
            return
        host, port = self.host or uri.host, self.port or uri.port
        proxy = self._proxy(uri)
        if self.sock is not None:
            if self.used:
                raise StateError("the socket that connect() was given has been used up")
            self.used = True
            sock = self.sock
        elif proxy is None:
            sock = await open_socket(host, port, self.local_address)
        elif proxy.scheme.startswith("socks"):
            sock = await open_socks(proxy, host, port, self.local_address)
        else:
            await self._dial_through(proxy, host, port, protocol, options, deadline)
            return
        is_unix = sock.family.name == "AF_UNIX"
        create = loop.create_unix_connection if is_unix else loop.create_connection
        try:
            await create(lambda: protocol, sock=sock, **options)
        except BaseException:
            sock.close()
            raise

    async def _dial_through(
        self,
        proxy: Proxy,
        host: str,
        port: int,
        protocol: asyncio.BaseProtocol,
        options: dict[str, Any],
        deadline: float | None,
    ) -> None:
        """Connect ``protocol`` through an HTTP proxy."""
        to_proxy = (self.proxy_ssl or _trusting_the_system()) if proxy.scheme == "https" else None
        transport = await open_tunnel(
            proxy,
            host,
            port,
            ssl=to_proxy,
            local_address=self.local_address,
            limits=self.limits,
            deadline=deadline,
        )
        try:
            if options:
                loop = asyncio.get_running_loop()
                context = options.pop("ssl")
                secured = await loop.start_tls(transport, protocol, context, **options)
                protocol.connection_made(cast(asyncio.Transport, secured))
            else:
                transport.set_protocol(protocol)
                transport.resume_reading()
                protocol.connection_made(transport)
        except BaseException:
            transport.abort()
            raise

    def _proxy(self, uri: Uri) -> Proxy | None:
        if self.proxy is True:
            return proxy_from_environment(uri)
        return parse_proxy(self.proxy) if self.proxy else None

    def leads_to(self, target: Uri, uri: Uri) -> bool:
        """Tell if a redirect can be followed: not when we were told where to connect to."""
        if target.origin == uri.origin:
            return self.sock is None
        told = (self.sock, self.unix, self.host, self.port, self.server_hostname)
        return all(place is None for place in told)


@lru_cache(maxsize=1)
def _trusting_the_system() -> tls.SSLContext:
    """The context where none is given. To read the certificates takes milliseconds."""
    return tls.create_default_context()


def _check_context(context: tls.SSLContext, name: str | None) -> None:
    name = "localhost" if name is None else name
    try:
        context.wrap_bio(tls.MemoryBIO(), tls.MemoryBIO(), server_hostname=name)
    except (ValueError, tls.SSLError) as exc:
        raise ValueError(f"TLS to {name!r} is not possible with this context: {exc}") from exc


def _check_socket(sock: socket) -> None:
    check_type("sock", sock, socket, "a connected socket.socket")
    if isinstance(sock, tls.SSLSocket):
        raise TypeError("sock must be a plain socket: with ssl, connect() makes it one of TLS")
    if sock.type != SOCK_STREAM:
        raise ValueError(f"sock must be a stream (SOCK_STREAM), not {sock!r}")
    try:
        sock.getpeername()
    except OSError as exc:
        raise ValueError(f"sock must be connected, and is not: {exc}") from None
