"""Proxies: which one a connection takes.

Knows URLs, hosts and the environment; the way through a proxy is in ``asyncio/tunnels.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TypeAlias
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from ..protocol.auth import basic_auth
from ..protocol.hosts import authority, parse_host
from ..protocol.uri import Uri

__all__ = ["Proxy", "is_exempt", "parse_proxy", "proxy_from_environment"]

_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network

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
        ValueError: it names no proxy, or credentials that cannot be sent; says why, but not the
            password.
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
    username = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    _check_credentials(parts.scheme, username or "", password or "")
    host = parse_host(parts.hostname)
    return Proxy(parts.scheme, host, port or _PORTS[parts.scheme], username, password)


def _check_credentials(scheme: str, username: str, password: str) -> None:
    """Find out now what could not be sent later."""
    if not scheme.startswith("socks"):
        basic_auth(username, password)
        return
    for what, text in ("user name", username), ("password", password):
        if not text.isascii() or "\0" in text or len(text) > 255:
            raise ValueError(
                f"the {what} for a SOCKS proxy can have up to 255 characters, all of ASCII"
            )


def proxy_from_environment(uri: Uri) -> Proxy | None:
    """The proxy that is set for a URI where urllib looks: the environment, or the system.

    Read are ``ws_proxy`` or ``wss_proxy``, ``socks_proxy``, ``https_proxy``, ``http_proxy`` for
    ``ws`` only, and ``all_proxy``, in this order; none for the hosts in ``no_proxy``, which is read
    by ``is_exempt``. A name in lower case goes before the same in upper case.

    Raises:
        ValueError: what is set names no proxy.
    """
    proxies = getproxies_environment()
    if proxies:
        exempt = is_exempt(uri.host, uri.port, proxies.get("no", ""))
    else:
        proxies = getproxies()  # macOS and Windows have settings, with exceptions of their own
        exempt = not proxies or bool(proxy_bypass(authority(uri.host, uri.port)))
    if exempt:
        return None
    for name in _PREFERRED[uri.secure]:
        if url := proxies.get(name):
            # The system settings of macOS give the SOCKS proxy the scheme http.
            return parse_proxy(url.replace("http:", "socks5h:", 1) if name == "socks" else url)
    return None


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Tell if a list of exceptions names a host, as curl (from 7.86) and requests read it.

    Its elements are separated by commas or blanks, and their case and a dot at their end do not
    matter. Where curl and requests differ:

    - ``example.com`` and ``.example.com`` are for this name and those below it, as in curl. (In
      requests the former is for ``badexample.com``, too.)
    - ``10.0.0.0/8`` and ``fd00::/8`` are for the addresses in them, as in curl. (requests knows
      those of IPv4.) An address may be in brackets, and one of IPv4 be written as one of IPv6.
    - ``example.com:8080`` and ``[::1]:8080`` are for this port only, as in requests. (curl knows no
      ports here.)
    - ``*`` is for all hosts, also among others. (In curl and requests it must be alone.)
    - ``*.example.com`` is for the names below, as in Go. (curl and requests know no such pattern.)

    What is none of these is passed over.

    Args:
        host: a name or an address, as ``parse_host`` returns it.
        port: the TCP port.
        no_proxy: the list.
    """
    address = _address(host)
    name = host.removesuffix(".")
    return any(
        _is_for(element, name, address, port)
        for element in re.split(r"[,\s]+", no_proxy)
        if element
    )


def _is_for(element: str, name: str, address: _Address | None, port: int) -> bool:
    pattern, only_port = _split_port(element)
    if only_port is not None and only_port != str(port):
        return False
    if pattern == "*":
        return True
    network = _network(pattern)
    if network is not None:
        return address is not None and address in network
    if address is not None:
        return False
    below_only = pattern.startswith("*.")
    try:
        pattern = parse_host(pattern[2:] if below_only else pattern.lstrip(".")).removesuffix(".")
    except ValueError:
        return False
    return name.endswith(f".{pattern}") or (name == pattern and not below_only)


def _split_port(element: str) -> tuple[str, str | None]:
    """Take the port off an element; an address of IPv6 has one only behind its brackets."""
    match = re.fullmatch(r"(\[.*\]|[^:]*):([0-9]+)", element)
    return (match[1], match[2]) if match else (element, None)


def _address(host: str) -> _Address | None:
    try:
        return _unmapped(ip_network(host.partition("%")[0])).network_address
    except ValueError:
        return None


def _network(pattern: str) -> _Network | None:
    try:
        # The address may be any of the network.
        return _unmapped(ip_network(re.sub(r"[\[\]]|%[^/]*", "", pattern), strict=False))
    except ValueError:
        return None


def _unmapped(network: _Network) -> _Network:
    """Write a network of IPv4 as such where it is written as one of IPv6 (RFC 4291 2.5.5.2)."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network
