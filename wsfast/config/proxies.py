"""Proxies: which one a connection takes.

Knows URLs, hosts and the environment; the way through a proxy is in ``asyncio/tunnels.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..protocol.uri import Uri, authority

__all__ = ["Proxy", "parse_proxy", "proxy_from_environment"]

_PORTS = {
    "http": 80,
    "https": 443,
    "socks4": 1080,
    "socks4a": 1080,
    "socks5": 1080,
    "socks5h": 1080,
}

# RFC 6455 section 4.1 asks to prefer a SOCKS proxy, then the one for HTTPS, to the one for HTTP.
_PREFERRED = {
    False: ("ws", "socks", "https", "http", "all"),
    True: ("wss", "socks", "https", "all"),
}


@dataclass(frozen=True)
class Proxy:
    """Where a proxy is, what it speaks, and who we are to it.

    Attributes:
        scheme: "http", "https", "socks4", "socks4a", "socks5" or "socks5h". The ones with a letter
            behind the number leave the look-up of names to the proxy.
        host: a name or an address.
        port: the TCP port.
        username: None for none; so is the password.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"proxy {self.scheme}://{authority(self.host, self.port)}"


def parse_proxy(url: str) -> Proxy:
    """Take the URL of a proxy apart.

    Args:
        url: as ``"socks5h://user:password@proxy.example:1080"``; one without a scheme is http.

    Raises:
        ValueError: it names no proxy; says why, but not the password.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError as exc:
        # The text quotes what stands for the port, which may be a password cut at a slash.
        text = re.sub(r"(['\"]).*\1", "...", str(exc))
        raise ValueError(f"the URL of the proxy cannot be taken apart: {text}") from None
    if parts.scheme not in _PORTS:
        raise ValueError(f"proxy of the scheme {parts.scheme!r}, and known are {', '.join(_PORTS)}")
    if not parts.hostname:
        raise ValueError("the URL of the proxy has no host in it")
    return Proxy(
        parts.scheme,
        parts.hostname,
        port or _PORTS[parts.scheme],
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
    )


def proxy_from_environment(uri: Uri) -> Proxy | None:
    """The proxy that is set for a URI where urllib looks: the environment, or the system.

    Read are ``ws_proxy`` or ``wss_proxy``, ``socks_proxy``, ``https_proxy``, ``http_proxy`` for
    ``ws`` only, and ``all_proxy``, in this order; none for the hosts in ``no_proxy``.

    Raises:
        ValueError: what is set names no proxy.
    """
    proxies = getproxies()
    if not proxies or proxy_bypass(authority(uri.host, uri.port)):
        return None
    for name in _PREFERRED[uri.secure]:
        if url := proxies.get(name):
            # The system settings of macOS give the SOCKS proxy the scheme http.
            return parse_proxy(url.replace("http:", "socks5h:", 1) if name == "socks" else url)
    return None
