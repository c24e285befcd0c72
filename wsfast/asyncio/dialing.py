"""From a URI to a transport: past names, addresses, proxies and TLS.

What is said over the transport, in HTTP or as a WebSocket, it does not know.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike, fspath
from socket import socket
from typing import Any, cast

from ..config.proxies import Proxy, parse_proxy, proxy_from_environment
from ..exceptions import StateError
from ..protocol.http import HttpLimits
from ..protocol.uri import Uri
from .sockets import open_socket
from .tunnels import open_socks, open_tunnel

__all__ = ["Dialer"]


@dataclass(eq=False)
class Dialer:
    """Opens transports to servers, in the way that ``connect()`` was told.

    Attributes:
        timeout: seconds for the handshake of TLS.
        used: whether ``sock`` has been used up. The others are keywords of ``connect()``.
    """

    ssl: tls.SSLContext | None
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
        # Here and not at the first connection; and uvloop, where a context fails as early as this,
        # closes the descriptor of a socket that takes itself for open.
        for context, name in (self.ssl, self.server_hostname), (self.proxy_ssl, None):
            if context is not None or name is not None:
                _check(context or _trusting_the_system(), name)

    async def dial(self, uri: Uri, protocol: asyncio.BaseProtocol) -> None:
        """Connect ``protocol`` to the server of a URI.

        Args:
            uri: whose server; what ``connect()`` was told of another place goes first.
            protocol: what the transport is given to, once it leads to the server.

        Raises:
            OSError: the server, or the proxy, cannot be reached.
            HandshakeError: the proxy refuses.
            ImportError: the proxy needs a library that is not installed.
            StateError: ``sock`` has been used up by an earlier call.
        """
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        if uri.secure:
            options["ssl"] = self.ssl or _trusting_the_system()
            options["server_hostname"] = self.server_hostname or uri.host
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
            await self._dial_through(proxy, host, port, protocol, options)
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
    ) -> None:
        """Connect ``protocol`` through an HTTP proxy."""
        to_proxy = (self.proxy_ssl or _trusting_the_system()) if proxy.scheme == "https" else None
        transport = await open_tunnel(
            proxy, host, port, ssl=to_proxy, local_address=self.local_address, limits=self.limits
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
    """The context for those who bring none. To read the certificates takes milliseconds."""
    return tls.create_default_context()


def _check(context: tls.SSLContext, name: str | None) -> None:
    name = "localhost" if name is None else name
    try:
        context.wrap_bio(tls.MemoryBIO(), tls.MemoryBIO(), server_hostname=name)
    except (ValueError, tls.SSLError) as exc:
        raise ValueError(f"TLS to {name!r} is not possible with this context: {exc}") from exc
