"""The way through a proxy, to a socket or a transport that leads on.

HTTP's CONNECT (RFC 9110 section 9.3.6) is spoken here, SOCKS by python-socks. (It could do CONNECT
too, but takes what one read gives for the whole answer.) Knows hosts and ports, and nothing of what
is spoken behind the proxy.
"""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
from typing import cast

from ..config.proxies import Proxy
from ..exceptions import HandshakeError
from ..protocol.auth import basic_auth
from ..protocol.hosts import authority
from ..protocol.http import Headers, HttpLimits, Request
from ..protocol.reader_h1 import ResponseReader
from .sockets import open_socket
from .stream import read_buffer

__all__ = ["open_socks", "open_tunnel"]

# python-socks has a time-out of its own, a minute; ours is the caller's. Seconds.
_NO_TIMEOUT = 1e6


async def open_socks(
    proxy: Proxy, host: str, port: int, local_address: tuple[str, int] | None = None
) -> socket.socket:
    """Connect through a SOCKS proxy.

    Args:
        proxy: the proxy.
        host: where it is to connect to; a name or an address.
        port: the TCP port there.
        local_address: host and port to connect from.

    Returns:
        A socket that leads to the host and does not block. A cancelled call leaves none open.

    Raises:
        ImportError: python-socks is not installed.
        OSError: the proxy cannot be reached, or does not connect; the text says why.
        HandshakeError: its reply cannot be read (``"proxy"``).
    """
    try:
        from python_socks import ProxyError, ProxyType
        from python_socks.async_.asyncio import Proxy as SocksProxy
    except ImportError as exc:
        raise ImportError(
            f"{proxy} needs python-socks, which is not installed: pip install 'wsfast[proxy]'"
        ) from exc
    socks = SocksProxy(
        ProxyType.SOCKS4 if proxy.scheme.startswith("socks4") else ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        proxy.username,
        proxy.password,
        rdns=proxy.scheme in ("socks4a", "socks5h"),
    )
    failed = f"{proxy} does not connect to {authority(host, port)}"
    try:
        return await socks.connect(host, port, timeout=_NO_TIMEOUT, local_addr=local_address)
    except ProxyError as exc:  # which does not tell a refusal from a proxy that hung up
        raise ConnectionError(f"{failed}: {exc}") from exc
    except ValueError as exc:  # what comes of a reply that is none
        raise HandshakeError("proxy", f"{failed}, its reply is no SOCKS: {exc}") from exc


async def open_tunnel(
    proxy: Proxy,
    host: str,
    port: int,
    *,
    ssl: tls.SSLContext | None = None,
    local_address: tuple[str, int] | None = None,
    limits: HttpLimits,
) -> asyncio.Transport:
    """Connect through an HTTP proxy.

    Args:
        proxy: the proxy.
        host: where it is to connect to; a name or an address.
        port: the TCP port there.
        ssl: for TLS to the proxy itself; None for none.
        local_address: host and port to connect from.
        limits: of the proxy's answer.

    Returns:
        A transport that leads to the host, to be given a protocol. Its reading is paused. A
        cancelled call leaves none open.

    Raises:
        ValueError: a user name or a password that basic authentication cannot carry.
        OSError: the proxy cannot be reached.
        HandshakeError: it refuses (``"proxy"``; ``response`` tells more), or does not speak HTTP.
    """
    loop = asyncio.get_running_loop()
    tunnel = _Tunnel(proxy, authority(host, port), limits, loop)
    sock = await open_socket(proxy.host, proxy.port, local_address)
    name = proxy.host if ssl is not None else None
    try:
        await loop.create_connection(lambda: tunnel, sock=sock, ssl=ssl, server_hostname=name)
        return await tunnel.opened
    except BaseException:
        tunnel.abort()
        raise


class _Tunnel(asyncio.BufferedProtocol):
    """Asks an HTTP proxy for a way, until it has answered."""

    _transport: asyncio.Transport | None = None

    def __init__(
        self, proxy: Proxy, target: str, limits: HttpLimits, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.opened: asyncio.Future[asyncio.Transport] = loop.create_future()
        self._proxy = proxy
        self._target = target
        headers = Headers({"Host": target})
        if proxy.username is not None:
            credentials = basic_auth(proxy.username, proxy.password or "")
            headers.add("Proxy-Authorization", credentials)
        # Here, where an error finds the caller.
        self._request = Request("CONNECT", target, headers).to_bytes()
        self._reader = ResponseReader(limits, "CONNECT")
        self._buffer: memoryview = read_buffer(loop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._answered(self._buffer[:nbytes])

    def eof_received(self) -> None:
        self._answered(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._fail(exc)
        self._answered(None)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _answered(self, data: memoryview | None) -> None:
        """Look at the next bytes of the proxy's answer, or at its end."""
        if self.opened.done():
            return
        reader = self._reader
        try:
            response = reader.receive_eof() if data is None else reader.receive_data(data)
        except HandshakeError as exc:
            self._fail(HandshakeError(exc.reason, f"{self._proxy}: {exc}"))
            return
        if response is None:
            return
        if not 200 <= response.status < 300:
            answer = f"{response.status} {response.phrase}".rstrip()
            text = f"{self._proxy} does not connect to {self._target}: {answer}"
            self._fail(HandshakeError("proxy", text, response))
        elif reader.trailing or self._transport is None:
            # The far end does not speak first, neither in TLS nor in HTTP.
            self._fail(HandshakeError("proxy", f"{self._proxy} sent more than its answer"))
        else:
            self._transport.pause_reading()
            self.opened.set_result(self._transport)

    def _fail(self, exc: Exception) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc)
            self.opened.exception()  # it may be that nobody waits any more
            self.abort()
