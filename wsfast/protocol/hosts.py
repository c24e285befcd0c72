"""Names and addresses of hosts: how they are written in URIs, in headers and in TLS.

Nothing is resolved here.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address

__all__ = ["authority", "bracketed", "parse_host", "tls_name"]

_is_label = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?").fullmatch

# RFC 1035 section 2.3.4: 255 bytes on the wire, which are as many characters between dots.
_MAX_NAME = 253


def parse_host(text: str) -> str:
    """Read the name or the address of a host.

    A name beyond ASCII is mapped and encoded by UTS 46, as browsers do, and must be one of IDNA
    2008 (RFC 5891), which has no emoji.

    Args:
        text: a name, an IPv4 address, or an IPv6 address, with or without brackets. A zone stands
            behind a ``%``, which URIs write as ``%25`` (RFC 6874).

    Returns:
        A name in lower case and ASCII, or an address; IPv6 without brackets.

    Raises:
        ValueError: neither a name nor an address.

    >>> parse_host("Faß.example")
    'xn--fa-hia.example'
    >>> parse_host("[fe80::0001%25eth0]")
    'fe80::1%eth0'
    """
    if ":" in text or text[:1] == "[":
        return _address(text)
    if not text:
        raise ValueError("the name of a host is empty")
    host = text.lower() if text.isascii() else _encoded(text)
    name = host.removesuffix(".")
    if len(name) > _MAX_NAME or not all(map(_is_label, name.split("."))):
        raise ValueError(
            f"host {text!r} is not a name or an address (labels of 1 to 63 letters, digits, - or _)"
        )
    return host


def authority(host: str, port: int) -> str:
    """Write a host and a port as URIs do, without a zone (RFC 3986 section 3.2, RFC 6874).

    >>> authority("fe80::1%eth0", 80)
    '[fe80::1]:80'
    """
    return f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """Write a host as URIs do: IPv6 in brackets, and without a zone, which is ours alone."""
    return f"[{host.partition('%')[0]}]" if ":" in host else host


def tls_name(host: str) -> str:
    """The name that TLS asks for, and looks for in the certificate (RFC 6066 section 3).

    It is written "without a trailing dot", and a zone is in no certificate. (Addresses are looked
    for and not asked for, which the library for TLS knows.)

    >>> tls_name("example.com."), tls_name("fe80::1%eth0")
    ('example.com', 'fe80::1')
    """
    return host.partition("%")[0].removesuffix(".")


def _address(text: str) -> str:
    bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    try:
        return str(IPv6Address(bare.replace("%25", "%", 1)))
    except ValueError:
        raise ValueError(f"host {text} is not an IPv6 address") from None


def _encoded(text: str) -> str:
    if len(text) <= _MAX_NAME + 1:
        import idna  # whose tables take milliseconds to load, and few need them

        try:
            return idna.encode(text, uts46=True).decode()
        except UnicodeError as exc:
            reason = str(exc)
    else:
        reason = f"it has {len(text)} characters"
    raise ValueError(f"host {text!r} is not an internationalized name: {reason}")
