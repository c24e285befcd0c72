"""Requests and responses of HTTP, their headers, and how HTTP/1.1 writes them (RFC 9110, RFC 9112).

What it must not know: what a WebSocket is. How HTTP/1.1 is read is in ``reader_h1.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from http import HTTPStatus

from .headers import HeaderItems, Headers, is_token

__all__ = ["HeaderItems", "Headers", "HttpLimits", "Request", "Response"]

_PHRASES = {status.value: status.phrase for status in HTTPStatus}

# RFC 9112 section 3.2.2: the absolute form of a target, its authority without user information.
_absolute = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://(?:[^/?]*@)?([^/?]*)").match

_is_target = re.compile(r"[!-~]+").fullmatch


@dataclass(slots=True)
class Request:
    """The head of a request.

    Attributes:
        method: as ``"GET"``.
        target: the path and the query as they stand in the request line, percent-encoded.
        headers: the header fields.
        version: of HTTP, as ``"1.1"``.
    """

    method: str
    target: str
    headers: Headers
    version: str = "1.1"

    @property
    def path(self) -> str:
        """The target up to the query, percent-encoded; without scheme and host."""
        target = self.target.partition("?")[0]
        absolute = _absolute(target)
        return (target[absolute.end() :] or "/") if absolute else target

    @property
    def host(self) -> str:
        """The host that the request is for, in lower case, with the port where it names one.

        A target in absolute form says which, and otherwise Host does (RFC 9112 section 3.2.2).
        """
        absolute = _absolute(self.target)
        return (absolute[1] if absolute else self.headers.get("Host") or "").lower()

    @property
    def query(self) -> str:
        """What follows the first ``?`` of the target, percent-encoded; empty if nothing does."""
        return self.target.partition("?")[2]

    @property
    def upgrades(self) -> list[str]:
        """The protocols that the client wants to upgrade to, in lower case (RFC 9110 section 7.8).

        An extended CONNECT (RFC 8441 section 4) names its one protocol instead.
        """
        values = ",".join(self.headers.get_all("Upgrade")).lower().split(",")
        return [name for value in values if (name := value.strip(" \t"))]

    def to_bytes(self) -> bytes:
        """The head as it goes onto the wire.

        Raises:
            ValueError: a method that is no token, or a target with a space, a control character
                or one beyond ASCII.
        """
        if not is_token(self.method):
            raise ValueError(f"method {self.method!r} is not a token (RFC 9110 section 9.1)")
        if not _is_target(self.target):
            raise ValueError(f"target {self.target!r} has a character that must be percent-encoded")
        head = f"{self.method} {self.target} HTTP/{self.version}{self.headers.lines}\r\n"
        return head.encode("latin-1")


@dataclass(slots=True)
class Response:
    """A response, whole.

    Attributes:
        status: the status code, as 403.
        headers: the header fields.
        body: bytes, without a transfer coding.
        version: of HTTP, as ``"1.1"``, in one that was received.
    """

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    version: str = "1.1"

    @classmethod
    def plain(cls, status: int, text: str, headers: HeaderItems = ()) -> Response:
        """A response for people to read: ``text`` as UTF-8, and a line break."""
        fields = Headers(headers)
        fields.add("Content-Type", "text/plain; charset=utf-8")
        return cls(status, fields, text.encode() + b"\n")

    @property
    def phrase(self) -> str:
        """The usual reason phrase of the status, as ``"Forbidden"``; empty if it has none."""
        return _PHRASES.get(self.status, "")

    def to_bytes(self, *, body: bool = True) -> bytes:
        """The response as it goes onto the wire.

        Where it is final it declares its length, and that the connection ends with it, unless
        its headers say something about that already.

        Args:
            body: False leaves the body out, as in the response to a HEAD request.

        Raises:
            ValueError: a status that is not one of three digits.
        """
        status = int(self.status)
        if not 100 <= status <= 999:
            raise ValueError(f"status {status} is not one of three digits (RFC 9110 section 15)")
        lines = self.headers.lines
        has_body = status >= 200 and status not in (204, 304)
        if has_body and "Content-Length" not in self.headers:
            lines += f"Content-Length: {len(self.body)}\r\n"
        if status >= 200 and "Connection" not in self.headers:
            lines += "Connection: close\r\n"
        head = f"HTTP/1.1 {status} {self.phrase}{lines}\r\n".encode("latin-1")
        return head + self.body if body and has_body else head


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How much of a message is read before it is refused.

    Attributes:
        line: bytes of one line of the head, its line break included.
        headers: how many header fields.
        head: bytes of the whole head.
        body: bytes of a body that are kept, and of what may wait behind a head.

    Raises:
        TypeError: one of them is no int.
        ValueError: one of them is negative.
    """

    line: int = 8192
    headers: int = 100
    head: int = 32768
    body: int = 1 << 20

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"HttpLimits: {limit.name} must be an int, not {value!r}")
            if value < 0:
                raise ValueError(f"HttpLimits: {limit.name} is {value}, and must be 0 or more")
