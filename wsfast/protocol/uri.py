"""WebSocket URIs (RFC 6455 section 3), taken apart and checked; nothing is resolved here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from .hosts import bracketed, parse_host

__all__ = ["Uri", "parse_uri"]

_PORTS = {"ws": 80, "wss": 443}

_parts = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://"
    r"(?:(?P<userinfo>[^/?#]*)@)?"
    r"(?P<host>\[[^\]/?#@]*\]|[^:/?#@\[\]]*)"
    r"(?::(?P<port>[^/?#@\[\]]*))?"
    r"(?P<path>/[^?#]*)?"
    r"(?P<query>\?[^#]*)?"
    r"(?P<fragment>\#.*)?"
).fullmatch
_forbidden = re.compile(r"[\x00-\x20\x7f]").search

# What stays as it is in a target: RFC 3986's characters, what is encoded already, and the brackets
# that many queries use.
_SAFE = "%/?:@!$&'()*+,;=-._~[]"


@dataclass(frozen=True, slots=True)
class Uri:
    """A ``ws`` or ``wss`` URI in its parts.

    Attributes:
        secure: whether the connection is made over TLS.
        host: a name in lower case and ASCII, or an address; IPv6 without brackets.
        port: the TCP port, also where the URI names none.
        target: path and query for the request line, percent-encoded.
        username: decoded; None if the URI has none.
        password: decoded; None if the URI has none.
    """

    secure: bool
    host: str
    port: int
    target: str = "/"
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def host_header(self) -> str:
        """The value of the Host header: without the port where it is the usual one."""
        host = bracketed(self.host)
        usual = _PORTS["wss" if self.secure else "ws"]
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The origin (RFC 6454) of a page at the same place: ``https://...`` for ``wss``."""
        return f"{'https' if self.secure else 'http'}://{self.host_header}"

    def __str__(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://{self.host_header}{self.target}"


def parse_uri(uri: str) -> Uri:
    """Take a WebSocket URI apart (RFC 6455 section 3).

    Characters beyond ASCII are percent-encoded in path and query (RFC 3987 section 3.1), and
    encoded by IDNA in the host (``parse_host``).

    Args:
        uri: as ``"wss://user:password@example.com:8443/path?query"``.

    Raises:
        ValueError: it is not a WebSocket URI; says why.

    >>> parse_uri("wss://example.com/chat?room=1").target
    '/chat?room=1'
    """
    if bad := _forbidden(uri):
        raise ValueError(f"URI {_shown(uri)!r} has {bad[0]!r} in it, which must be percent-encoded")
    match = _parts(uri)
    if match is None:
        raise ValueError(f"URI {_shown(uri)!r} is not of the form ws://host:port/path?query")
    scheme = match["scheme"].lower()
    if scheme not in _PORTS:
        raise ValueError(
            f"URI {_shown(uri)!r} has the scheme {scheme}, and only ws and wss will do"
        )
    if match["fragment"] is not None:
        raise ValueError(
            f"URI {_shown(uri)!r} has a fragment (#...), which RFC 6455 section 3 forbids; "
            "a # in the path is written %23"
        )
    if not match["host"]:
        raise ValueError(f"URI {_shown(uri)!r} is without a host")
    username, password = _userinfo(match["userinfo"])
    return Uri(
        secure=scheme == "wss",
        host=parse_host(match["host"]),
        port=_port(match["port"]) or _PORTS[scheme],
        target=quote((match["path"] or "/") + (match["query"] or ""), safe=_SAFE),
        username=username,
        password=password,
    )


def _userinfo(text: str | None) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    username, colon, password = text.partition(":")
    return unquote(username), unquote(password) if colon else None


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536 and len(text) < 7):
        raise ValueError(f"port {text!r} is not a number from 1 to 65535")
    return int(text)


def _shown(uri: str) -> str:
    """The URI without what is secret in it, for the text of an error."""
    return re.sub(r"//[^/?#]*@", "//...@", uri)
