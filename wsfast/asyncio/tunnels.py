"""The way through a proxy, to a socket or a transport that leads on.

HTTP's CONNECT (RFC 9110 section 9.3.6) is spoken here, SOCKS by python-socks. (That could do
CONNECT, too, but takes the bytes of one read for the whole response.) Knows hosts and ports, and
nothing of what is spoken behind the proxy.
"""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
from collections.abc import Callable

from ..config.proxies import Proxy
from ..exceptions import HandshakeError
from ..protocol.auth import basic_auth
from ..protocol.hosts import authority, tls_name
from ..protocol.http import Headers, HttpLimits, Request, Response
from ..protocol.reader_h1 import ResponseReader
from .exchange import Exchange
from .sockets import open_socket

__all__ = ["open_socks", "open_tunnel"]

# python-socks has a time-out of its own, a minute; ours is the caller's. Seconds.
_NO_TIMEOUT = 1e6

# Replies that tell of the network behind the proxy, which another attempt may find in order: of
# SOCKS 5 (RFC 1928 section 6) a failure of the server, network or host unreachable, connection
# refused and TTL expired; of SOCKS 4 the one for whatever failed. All others are refusals.
_UNREACHABLE = frozenset({0x01, 0x03, 0x04, 0x05, 0x06, 0x5B})


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
        OSError: the proxy cannot be reached, or hangs up, or cannot reach the host.
        HandshakeError: it refuses, or its reply cannot be read (``"proxy"``).
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
    except ProxyError as exc:
        text = f"{failed}: {exc}"
        # It wraps the error of a reply, which has a code, or tells that the proxy hung up.
        if exc.error_code in _UNREACHABLE or not hasattr(exc.args[0], "error_code"):
            raise ConnectionError(text) from exc
        raise HandshakeError("proxy", text) from exc
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
    deadline: float | None = None,
) -> asyncio.Transport:
    """Connect through an HTTP proxy.

    Args:
        proxy: the proxy.
        host: where it is to connect to; a name or an address.
        port: the TCP port there.
        ssl: for TLS to the proxy itself; None for none.
        local_address: host and port to connect from.
        limits: of the proxy's response.
        deadline: the loop's time at which the caller gives up; None for never.

    Returns:
        A transport that leads to the host, to be given a protocol. Its reading is paused. A
        cancelled call leaves none open.

    Raises:
        ValueError: a user name or a password that basic authentication cannot carry.
        OSError: the proxy cannot be reached.
        HandshakeError: it refuses (``"proxy"``; ``response`` tells more), or does not speak HTTP.
    """
    loop = asyncio.get_running_loop()
    tunnel = _Tunnel(proxy, authority(host, port), limits, deadline)
    sock = await open_socket(proxy.host, proxy.port, local_address)
    name = tls_name(proxy.host) if ssl is not None else None
    try:
        await loop.create_connection(lambda: tunnel, sock=sock, ssl=ssl, server_hostname=name)
        return await tunnel.outcome
    except BaseException:
        tunnel.abort()
        raise


class _Tunnel(Exchange[asyncio.Transport]):
    """Asks an HTTP proxy for a way through."""

    def __init__(
        self, proxy: Proxy, target: str, limits: HttpLimits, deadline: float | None
    ) -> None:
        headers = Headers({"Host": target})
        if proxy.username is not None:
            credentials = basic_auth(proxy.username, proxy.password or "")
            headers.add("Proxy-Authorization", credentials)
        super().__init__(Request("CONNECT", target, headers).to_bytes(), deadline)
        self._proxy = proxy
        self._target = target
        self._reader = ResponseReader(limits, "CONNECT")

    @property
    def _is_refused(self) -> bool:
        return self._reader.unfinished is not None

    def _receive_data(self, data: memoryview) -> asyncio.Transport | None:
        return self._judge(lambda: self._reader.receive_data(data))

    def _receive_eof(self) -> None:
        self._judge(self._reader.receive_eof)

    def _judge(self, read: Callable[[], Response | None]) -> asyncio.Transport | None:
        try:
            response = read()
        except HandshakeError as exc:
            raise HandshakeError(exc.reason, f"{self._proxy}: {exc}") from None
        if response is None:
            return None
        if not 200 <= response.status < 300:
            status = f"{response.status} {response.phrase}".rstrip()
            text = f"{self._proxy} does not connect to {self._target}: {status}"
            raise HandshakeError("proxy", text, response)
        if self._reader.trailing or self._transport is None:
            # The far end does not speak first, neither in TLS nor in HTTP.
            raise HandshakeError("proxy", f"{self._proxy} sent more than its response")
        self._transport.pause_reading()
        return self._transport
