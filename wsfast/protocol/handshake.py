"""The opening handshake of RFC 6455 section 4, both roles: what is asked, answered and refused.

It turns requests into answers and answers into a verdict. It knows no sockets; how HTTP is read and
written is the matter of ``http.py``, and what the parameters of compression mean that of
``deflate.py``.

Each refusal is a ``HandshakeError`` whose ``reason`` keeps its spelling. On the server its
``response`` is the answer to send.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha1
from typing import TYPE_CHECKING, TypeAlias

from .._version import __version__
from ..exceptions import HandshakeError
from .auth import basic_auth, decided
from .extensions import format_extensions, parse_extensions, parse_tokens
from .headers import HeaderItems, Headers, short
from .http import HttpLimits, Request, Response, ResponseReader
from .uri import Uri, parse_uri

if TYPE_CHECKING:
    from .deflate import Deflate, DeflateParameters

__all__ = [
    "USER_AGENT",
    "Accepted",
    "ClientHandshake",
    "Origins",
    "SelectSubprotocol",
    "accept",
    "accept_key",
    "is_upgrade",
]

USER_AGENT = f"wsfast/{__version__}"

# Section 1.3: what is hashed along with the key.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# Which origins a server lets in. None among them is a request without an Origin header.
Origins: TypeAlias = (
    Collection["str | re.Pattern[str] | None"] | re.Pattern[str] | Callable[["str | None"], bool]
)

# Takes the sub-protocols that a client offers and chooses one of them, or None.
SelectSubprotocol: TypeAlias = Callable[[list[str]], "str | None"]

# Values by the name of their header, in lower case.
_Fields: TypeAlias = dict[str, list[str]]

# What a good request asks for: the key, the origin, the sub-protocols and the extensions, as their
# headers have it; empty where they say nothing.
_Asked: TypeAlias = "tuple[str, str | None, str, str]"

# Section 4.1: 16 bytes in base64.
_is_key = re.compile(r"[A-Za-z0-9+/]{22}==").fullmatch

# ABNF of section 4.3: 0 to 255, without leading zeros.
_is_version = re.compile(r"0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5]").fullmatch

# These make the handshake, and are nobody else's to set.
_OURS = frozenset(
    {
        "upgrade",
        "connection",
        "content-length",
        "transfer-encoding",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
    }
)


@dataclass(slots=True)
class Accepted:
    """What both ends agreed on.

    Attributes:
        lines: the header fields of the 101, as ``Headers`` keeps them.
        subprotocol: the sub-protocol in use; None without one.
        deflate: the parameters of permessage-deflate; None where it is not in use.
    """

    lines: str
    subprotocol: str | None = None
    deflate: DeflateParameters | None = None

    @property
    def response(self) -> Response:
        """The 101: on the server to be sent, on the client what came."""
        return Response(101, Headers.from_lines(self.lines))

    def to_bytes(self) -> bytes:
        """The 101 as it goes onto the wire."""
        return f"HTTP/1.1 101 Switching Protocols{self.lines}\r\n".encode("latin-1")


def accept_key(key: str) -> str:
    """Compute Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2, step 5.4).

    >>> accept_key("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    digest = sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return b2a_base64(digest, newline=False).decode()


# The server.


def is_upgrade(request: Request) -> bool:
    """Tell whether a request wants a WebSocket at all, well or badly: it is one for ``accept``."""
    return _lists(request.headers.get_all("Upgrade"), "websocket")


def accept(
    request: Request,
    *,
    subprotocols: Sequence[str] = (),
    select_subprotocol: SelectSubprotocol | None = None,
    origins: Origins | None = None,
    versions: Collection[int] = (13,),
    deflate: Deflate | None = None,
    headers: HeaderItems = (),
) -> Accepted:
    """Answer a client's handshake (section 4.2).

    Args:
        request: what the client asks.
        subprotocols: those of the server, the best first; the first that the client offers is
            taken, and none where it offers none of them.
        select_subprotocol: chooses in their stead: takes what the client offers, returns one of
            that or None.
        origins: who may connect; None lets anyone in. Strings (``"https://example.com"``) are
            compared as they are, patterns with the whole origin; None among them stands for
            requests without an origin, which browsers do not send. Or a function of the origin.
        versions: of the protocol, some of 13, 8 and 7; they differ in the handshake only.
        deflate: what the server is ready to compress with.
        headers: more headers for the answer; as ``Headers`` they are not checked each time.

    Returns:
        The answer to send, and what was agreed on.

    Raises:
        HandshakeError: refused; ``response`` is the answer to send.
        ValueError: ``headers`` has one that belongs to the handshake, or ``select_subprotocol``
            chose what was not offered.
        TypeError: the function of the origin is async.
    """
    key, origin, offered, offers = _read_usual(request, versions) or _read(request, versions)
    _check_origin(origin, origins)
    subprotocol = _choose_subprotocol(offered, subprotocols, select_subprotocol)
    extensions, parameters = _choose_deflate(offers, deflate)

    text = (
        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n"
    )
    if subprotocol is not None:
        text += f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
    if extensions:
        text += f"Sec-WebSocket-Extensions: {extensions}\r\n"
    if headers:
        text += _checked(headers)
    return Accepted(text, subprotocol, parameters)


# What most clients send: all that a good request has to say, in the usual words, among headers of
# other names. ``(?(3)(?!))`` fails where what the third group stands for has been there before, and
# ``(?(3)|(?!))`` where it has not.
_usual_lines = re.compile(
    r"""
    \r\n (?: (?:
        Upgrade:\ ()websocket
      | Connection:\ ()(?:keep-alive,\ )?Upgrade
      | Host:(?(3)(?!))()[^\r]*
      | Sec-WebSocket-(?:
          Version:\ (?(4)(?!))()13
        | Key:\ (?(5)(?!))([A-Za-z0-9+/]{22}==)
        | Protocol:\ (?(6)(?!))([!-~](?:[ -~]*[!-~])?)
        | Extensions:\ (?(7)(?!))([!-~](?:[ -~]*[!-~])?)
        )
      | Origin:\ (?(8)(?!))([!-~]+)
      | (?!(?i:upgrade|connection|host|origin|sec-websocket-|content-length|transfer-encoding))
        [^\r]*
    ) \r\n )+
    (?(1)|(?!)) (?(2)|(?!)) (?(3)|(?!)) (?(4)|(?!)) (?(5)|(?!))
    """,
    re.VERBOSE,
).fullmatch


def _read_usual(request: Request, versions: Collection[int]) -> _Asked | None:
    """What a request of the usual kind asks for; None where ``_read`` has to judge."""
    match = _usual_lines(request.headers.lines)
    if match is None or request.method != "GET" or request.version != "1.1" or 13 not in versions:
        return None
    key, subprotocols, extensions, origin = match.group(5, 6, 7, 8)
    return key, origin, subprotocols or "", extensions or ""


def _read(request: Request, versions: Collection[int]) -> _Asked:
    """What a request asks for, or what is wrong with it."""
    fields = request.headers.by_name()
    version = _check_version(request, fields, versions)
    key = _only(fields, "Sec-WebSocket-Key")
    if not _is_key(key):
        raise _refused("malformed_key", "Sec-WebSocket-Key is not 16 bytes in base64")
    return (
        key,
        # Drafts before RFC 6455 gave the header another name: versions 7 and 8.
        _at_most_one(fields, "Origin" if version == 13 else "Sec-WebSocket-Origin"),
        ", ".join(fields.get("sec-websocket-protocol", [])),
        ", ".join(fields.get("sec-websocket-extensions", [])),
    )


def _check_version(request: Request, fields: _Fields, versions: Collection[int]) -> int:
    """Section 4.2.1, up to the version: is this a WebSocket that we speak?"""
    if request.method != "GET":
        raise _refused(
            "method",
            f"a WebSocket is asked for by GET, not {short(request.method)}",
            405,
            Allow="GET",
        )
    if request.version != "1.1":
        raise _refused("http_version", f"HTTP/1.1 is needed, and this is HTTP/{request.version}")
    if not _lists(fields.get("upgrade", []), "websocket"):
        raise _refused(
            "no_upgrade", "this is a WebSocket server: Upgrade: websocket is needed", 426
        )
    if not _lists(fields.get("connection", []), "upgrade"):
        raise _refused(
            "no_connection_upgrade",
            "Connection: Upgrade is needed (a proxy in between must pass it on)",
        )
    if "transfer-encoding" in fields or fields.get("content-length", ["0"]) != ["0"]:
        raise _refused("request_body", "a request for a WebSocket must not have a body")
    _only(fields, "Host")
    if "sec-websocket-key1" in fields or "sec-websocket-key2" in fields:
        raise _refused("hixie_76", "the protocol hixie-76 is not spoken here, but RFC 6455 is")
    if "sec-websocket-version" not in fields and "sec-websocket-key" not in fields:
        raise _refused(
            "hixie_75", "no Sec-WebSocket-Version: the protocol hixie-75 is not spoken here"
        )
    version = _only(fields, "Sec-WebSocket-Version")
    if not _is_version(version):
        raise _refused("malformed_version", "Sec-WebSocket-Version is not a number from 0 to 255")
    if int(version) not in versions:
        spoken = ", ".join(str(version) for version in sorted(versions, reverse=True))
        raise _refused(
            "version",
            f"version {version} of the protocol is not spoken here, but {spoken}",
            426,
            Sec_WebSocket_Version=spoken,
        )
    return int(version)


def _check_origin(origin: str | None, origins: Origins | None) -> None:
    if origins is not None and not _is_let_in(origin, origins):
        told = "a request without an origin" if origin is None else f"the origin {short(origin)}"
        raise _refused("origin", f"{told} is not let in", 403)


def _is_let_in(origin: str | None, origins: Origins) -> bool:
    if isinstance(origins, str):
        raise TypeError(f"origins is a list, as [{origins!r}], and not a string")
    if callable(origins):
        return decided(origins(origin))
    if isinstance(origins, re.Pattern):
        origins = (origins,)
    return origin in origins or (
        origin is not None
        and any(isinstance(one, re.Pattern) and one.fullmatch(origin) for one in origins)
    )


def _choose_subprotocol(
    value: str, subprotocols: Sequence[str], select: SelectSubprotocol | None
) -> str | None:
    if isinstance(subprotocols, str):
        raise TypeError(f"subprotocols is a list, as [{subprotocols!r}], and not a string")
    try:
        offered = parse_tokens(value) if value else []
    except ValueError as exc:
        text = f"Sec-WebSocket-Protocol: {short(str(exc))}"
        raise _refused("malformed_subprotocols", text) from None
    if select is not None:
        chosen = select(offered)
        if chosen is not None and chosen not in offered:
            raise ValueError(f"select_subprotocol chose {chosen!r}, which was not offered")
        return chosen
    for subprotocol in subprotocols:
        if subprotocol in offered:
            return subprotocol
    return None


# Most clients offer the same few things, and agreeing on them anew takes half as long as all else.
@lru_cache(maxsize=32)
def _choose_deflate(value: str, deflate: Deflate | None) -> tuple[str, DeflateParameters | None]:
    """The header that answers an offer, empty for none, and what is agreed on."""
    try:
        offers = parse_extensions(value)
    except ValueError as exc:
        text = f"Sec-WebSocket-Extensions: {short(str(exc))}"
        raise _refused("malformed_extensions", text) from None
    agreed = deflate.accept(offers) if deflate is not None else None
    if agreed is None:
        return "", None
    answer, parameters = agreed
    return format_extensions([answer]), parameters


def _refused(reason: str, text: str, status: int = 400, **headers: str) -> HandshakeError:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if status == 426:  # RFC 9110 section 15.5.22: it must say to what
        fields = {"Upgrade": "websocket", "Connection": "Upgrade, close", **fields}
    return HandshakeError(reason, text, Response.plain(status, text, fields))


# The client.


class ClientHandshake:
    """Ask a server for a WebSocket, and judge its answer (section 4.1).

    Args:
        uri: where; a user name in it becomes an Authorization header.
        subprotocols: those that the client speaks, the best first.
        deflate: the compression to offer.
        origin: of the page or program that connects, as ``"https://example.com"``.
        headers: more headers for the request. A Host, User-Agent or Authorization among them is
            sent in place of our own.
        version: of the protocol: 13, or the drafts' 8 or 7.
        user_agent: the User-Agent header; None for none.
        limits: of the answer.

    Attributes:
        request: what is sent.

    Raises:
        ValueError: a URI, sub-protocol, origin or header that cannot be sent.
    """

    def __init__(
        self,
        uri: Uri | str,
        *,
        subprotocols: Sequence[str] = (),
        deflate: Deflate | None = None,
        origin: str | None = None,
        headers: HeaderItems = (),
        version: int = 13,
        user_agent: str | None = USER_AGENT,
        limits: HttpLimits = HttpLimits(),  # noqa: B008
    ) -> None:
        if isinstance(subprotocols, str):
            raise TypeError(f"subprotocols is a list, as [{subprotocols!r}], and not a string")
        if version not in (13, 8, 7):
            raise ValueError(f"version {version} of the protocol is not known, but 13, 8 and 7 are")
        self.uri = parse_uri(uri) if isinstance(uri, str) else uri
        self._subprotocols = list(subprotocols)
        self._deflate = deflate
        self._key = b64encode(os.urandom(16)).decode()
        self._reader = ResponseReader(limits)
        self.request = self._request(version, origin, user_agent, Headers(headers))
        self._to_send = self.request.to_bytes()

    def _request(
        self, version: int, origin: str | None, user_agent: str | None, more: Headers
    ) -> Request:
        uri = self.uri
        headers = Headers()
        if "Host" not in more:
            headers.add("Host", uri.host_header)
        headers.add("Upgrade", "websocket")
        headers.add("Connection", "Upgrade")
        headers.add("Sec-WebSocket-Key", self._key)
        headers.add("Sec-WebSocket-Version", str(version))
        if origin is not None:
            headers.add("Origin" if version == 13 else "Sec-WebSocket-Origin", origin)
        if self._subprotocols:
            value = ", ".join(self._subprotocols)
            if parse_tokens(value) != self._subprotocols:
                raise ValueError(f"sub-protocols {self._subprotocols!r} are not all tokens")
            headers.add("Sec-WebSocket-Protocol", value)
        if self._deflate is not None:
            value = format_extensions(self._deflate.offer())
            headers.add("Sec-WebSocket-Extensions", value)
        if uri.username is not None and "Authorization" not in more:
            headers.add("Authorization", basic_auth(uri.username, uri.password or ""))
        if user_agent is not None and "User-Agent" not in more:
            headers.add("User-Agent", user_agent)
        headers.lines += _checked(more)
        for name in ("Host", "Origin"):
            if len(headers.get_all(name)) > 1:
                raise ValueError(f"{name} would be sent more than once")
        return Request("GET", uri.target, headers)

    @property
    def trailing(self) -> bytes:
        """The bytes that came behind the answer: the first frames."""
        return self._reader.trailing

    def data_to_send(self) -> bytes:
        """The request as it goes onto the wire; once, then nothing."""
        data, self._to_send = self._to_send, b""
        return data

    def receive_data(self, data: bytes | bytearray | memoryview) -> Accepted | None:
        """Take bytes off the wire.

        Returns:
            What was agreed on, once the answer is whole; None before.

        Raises:
            HandshakeError: the server refused, or its answer is wrong; ``response`` is the
                answer, or None where it is not HTTP. End the connection.
        """
        response = self._reader.receive_data(data)
        return None if response is None else self._judge(response)

    def receive_eof(self) -> None:
        """Note that no more bytes will come.

        Raises:
            HandshakeError: there was no answer, or a refusal that ends with the connection.
        """
        response = self._reader.receive_eof()
        if response is not None:
            self._judge(response)

    def _judge(self, response: Response) -> Accepted:
        if response.status != 101:
            told = f"{response.status} {response.phrase}".rstrip()
            raise HandshakeError("status", f"the server answered {told}, not 101", response)
        fields = response.headers.by_name()
        try:
            if [value.lower() for value in fields.get("upgrade", [])] != ["websocket"]:
                raise HandshakeError("no_upgrade", "the 101 is without Upgrade: websocket")
            if not _lists(fields.get("connection", []), "upgrade"):
                raise HandshakeError(
                    "no_connection_upgrade", "the 101 is without Connection: Upgrade"
                )
            if _only(fields, "Sec-WebSocket-Accept") != accept_key(self._key):
                raise HandshakeError("accept", "Sec-WebSocket-Accept does not belong to our key")
            subprotocol = self._agreed_subprotocol(fields)
            deflate = self._agreed_deflate(fields)
        except HandshakeError as exc:
            exc.response = response
            raise
        return Accepted(response.headers.lines, subprotocol, deflate)

    def _agreed_subprotocol(self, fields: _Fields) -> str | None:
        subprotocol = _at_most_one(fields, "Sec-WebSocket-Protocol")
        if subprotocol is not None and subprotocol not in self._subprotocols:
            raise HandshakeError(
                "subprotocol",
                f"the server chose the sub-protocol {short(subprotocol)}, which was not offered",
            )
        return subprotocol

    def _agreed_deflate(self, fields: _Fields) -> DeflateParameters | None:
        try:
            answers = parse_extensions(", ".join(fields.get("sec-websocket-extensions", [])))
        except ValueError as exc:
            text = f"Sec-WebSocket-Extensions: {short(str(exc))}"
            raise HandshakeError("malformed_extensions", text) from None
        offers = self._deflate.offer() if self._deflate is not None else []
        offered = {name for name, _ in offers}
        for name, _ in answers:
            if name not in offered:
                text = f"the server chose the extension {short(name)}, which was not offered"
                raise HandshakeError("extension", text)
        if len(answers) > 1:
            raise HandshakeError("extension", f"the server chose {answers[0][0]} more than once")
        return self._deflate.agree(answers[0]) if answers and self._deflate is not None else None


def _lists(values: list[str], token: str) -> bool:
    """Whether a header that is a list has a token in it, in any case."""
    return token in [element.strip(" \t") for element in ",".join(values).lower().split(",")]


def _at_most_one(fields: _Fields, name: str) -> str | None:
    values = fields.get(name.lower())
    if values is None:
        return None
    if len(values) > 1:
        raise _refused("duplicate_header", f"{name} stands there more than once")
    return values[0]


def _only(fields: _Fields, name: str) -> str:
    value = _at_most_one(fields, name)
    if value is None:
        raise _refused("missing_header", f"{name} is missing")
    return value


def _checked(headers: HeaderItems) -> str:
    """The lines of headers of the user's."""
    return _checked_lines((headers if isinstance(headers, Headers) else Headers(headers)).lines)


# Of a server they always are the same.
@lru_cache(maxsize=32)
def _checked_lines(lines: str) -> str:
    headers = Headers.from_lines(lines)
    if not _OURS.isdisjoint(headers.by_name()):
        name = next(name for name in headers if name.lower() in _OURS)
        raise ValueError(f"header {name} belongs to the handshake and cannot be given")
    return lines[2:]
