"""How HTTP/1.1 opens a WebSocket: the upgrade of RFC 6455 section 4, in both roles.

Knows Upgrade, Connection, the key and the 101 that accepts it. What is agreed on with it is known
to ``negotiation.py``, and how HTTP is read and written to ``reader_h1.py`` and ``http.py``. It
knows no sockets.

Each refusal is a ``HandshakeError`` whose ``reason`` keeps its spelling. On the server its
``response`` is the one to send.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import TYPE_CHECKING

from .._version import __version__
from ..exceptions import HandshakeError
from .auth import basic_auth
from .headers import HeaderItems, Headers, short
from .http import HttpLimits, Request, Response
from .negotiation import (
    ClientOffer,
    Fields,
    Offer,
    Origins,
    SelectSubprotocol,
    agree,
    extra_lines,
    is_listed,
    only_value,
    read_offer,
    read_version,
    refusal,
)
from .reader_h1 import ResponseReader
from .redirects import is_redirect
from .uri import Uri, parse_uri

if TYPE_CHECKING:
    from .deflate import Deflate, DeflateParameters

__all__ = ["USER_AGENT", "Accepted", "ClientHandshake", "accept", "accept_key"]

USER_AGENT = f"wsfast/{__version__}"

# Section 1.3: what is hashed along with the key.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# Section 4.1: 16 bytes in base64.
_is_key = re.compile(r"[A-Za-z0-9+/]{22}==").fullmatch


@dataclass(slots=True)
class Accepted:
    """A handshake that was accepted, and what both ends agreed on.

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
        """The 101: on the server the one to send, on the client the one that came."""
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
    """Accept a client's handshake (section 4.2).

    Args:
        request: of the client.
        subprotocols: those of the server, the preferred one first; the first that the client offers
            is taken, and none where it offers none of them.
        select_subprotocol: chooses instead: takes those that the client offers, returns one of them
            or None.
        origins: those that may connect; None lets anyone in. Strings (``"https://example.com"``)
            are compared as they are, patterns with the whole origin; None among them stands for
            requests without an origin, which browsers do not send. Or a function of the origin.
        versions: of the protocol, some of 13, 8 and 7; they differ in the handshake only.
        deflate: what the server is ready to compress with.
        headers: more headers for the response; as ``Headers`` they are not checked each time.

    Returns:
        The response to send, and what was agreed on.

    Raises:
        HandshakeError: refused; ``response`` is the one to send.
        ValueError: ``headers`` has one that belongs to the handshake, or ``select_subprotocol``
            chose what was not offered.
        TypeError: the function of the origin is async.
    """
    key, offer = _read_usual(request, versions) or _read(request, versions)
    subprotocol, parameters, extensions = agree(
        offer,
        subprotocols=subprotocols,
        select_subprotocol=select_subprotocol,
        origins=origins,
        deflate=deflate,
    )
    lines = (
        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n"
    )
    if subprotocol is not None:
        lines += f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
    if extensions:
        lines += f"Sec-WebSocket-Extensions: {extensions}\r\n"
    if headers:
        lines += extra_lines(headers)
    return Accepted(lines, subprotocol, parameters)


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


def _read_usual(request: Request, versions: Collection[int]) -> tuple[str, Offer] | None:
    """Read the key and the offer of a request of the usual kind; None where ``_read`` has to."""
    match = _usual_lines(request.headers.lines)
    if match is None or request.method != "GET" or request.version != "1.1" or 13 not in versions:
        return None
    key, subprotocols, extensions, origin = match.group(5, 6, 7, 8)
    return key, Offer((origin,), subprotocols or "", extensions or "")


def _read(request: Request, versions: Collection[int]) -> tuple[str, Offer]:
    """Read the key and the offer of a request, or what is wrong with it (section 4.2.1)."""
    fields = request.headers.by_name()
    _check_upgrade(request, fields)
    version = _read_version(fields, versions)
    key = only_value(fields, "Sec-WebSocket-Key")
    if not _is_key(key):
        raise refusal("malformed_key", "Sec-WebSocket-Key is not 16 bytes in base64")
    return key, read_offer(fields, version)


def _check_upgrade(request: Request, fields: Fields) -> None:
    if request.method != "GET":
        raise refusal(
            "method",
            f"a WebSocket is asked for by GET, not {short(request.method)}",
            405,
            {"Allow": "GET"},
        )
    if request.version != "1.1":
        raise refusal("http_version", f"HTTP/1.1 is needed, and this is HTTP/{request.version}")
    if not is_listed(fields.get("upgrade", []), "websocket"):
        text = "this is a WebSocket server: Upgrade: websocket is needed"
        raise _upgrade_required(refusal("no_upgrade", text, 426))
    if not is_listed(fields.get("connection", []), "upgrade"):
        raise refusal(
            "no_connection_upgrade",
            "Connection: Upgrade is needed (a proxy in between must pass it on)",
        )
    if "transfer-encoding" in fields or fields.get("content-length", ["0"]) != ["0"]:
        raise refusal("request_body", "a request for a WebSocket must not have a body")
    only_value(fields, "Host")
    if "sec-websocket-key1" in fields or "sec-websocket-key2" in fields:
        raise refusal("hixie_76", "the protocol hixie-76 is not spoken here, but RFC 6455 is")
    if "sec-websocket-version" not in fields and "sec-websocket-key" not in fields:
        raise refusal(
            "hixie_75", "no Sec-WebSocket-Version: the protocol hixie-75 is not spoken here"
        )


def _read_version(fields: Fields, versions: Collection[int]) -> int:
    try:
        return read_version(fields, versions)
    except HandshakeError as exc:
        raise _upgrade_required(exc) from None


def _upgrade_required(error: HandshakeError) -> HandshakeError:
    """Have a 426 say which upgrade is required (RFC 9110 section 15.5.22)."""
    if error.response.status == 426:
        error.response.headers.add("Upgrade", "websocket")
        error.response.headers.add("Connection", "Upgrade, close")
    return error


# The client.


class ClientHandshake:
    """Ask a server for a WebSocket, and judge its response (section 4.1).

    Args:
        uri: where; a user name in it becomes an Authorization header.
        subprotocols: those that the client speaks, the preferred one first.
        deflate: the compression to offer.
        origin: of the page or program that connects, as ``"https://example.com"``.
        headers: more headers for the request. A Host, User-Agent or Authorization among them is
            sent in place of our own.
        version: of the protocol: 13, or the drafts' 8 or 7.
        user_agent: the User-Agent header; None for none.
        limits: of the response.

    Attributes:
        request: the one that is sent.

    Raises:
        ValueError: a URI, sub-protocol, origin or header that cannot be sent.
        TypeError: a string where a list of sub-protocols is wanted.
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
        self.uri = parse_uri(uri) if isinstance(uri, str) else uri
        self._offer = ClientOffer(
            subprotocols=subprotocols, deflate=deflate, origin=origin, version=version
        )
        self._key = b64encode(os.urandom(16)).decode()
        self._reader = ResponseReader(limits)
        self.request = self._request(user_agent, Headers(headers))
        self._to_send = self.request.to_bytes()

    def _request(self, user_agent: str | None, more: Headers) -> Request:
        uri = self.uri
        headers = Headers()
        if "Host" not in more:
            headers.add("Host", uri.host_header)
        headers.add("Upgrade", "websocket")
        headers.add("Connection", "Upgrade")
        headers.add("Sec-WebSocket-Key", self._key)
        for name, value in self._offer.fields():
            headers.add(name, value)
        if uri.username is not None and "Authorization" not in more:
            headers.add("Authorization", basic_auth(uri.username, uri.password or ""))
        if user_agent is not None and "User-Agent" not in more:
            headers.add("User-Agent", user_agent)
        headers.lines += extra_lines(more)
        for name in ("Host", "Origin"):
            if len(headers.get_all(name)) > 1:
                raise ValueError(f"{name} would be sent more than once")
        return Request("GET", uri.target, headers)

    @property
    def trailing(self) -> bytes:
        """The bytes that came behind the response: the first frames."""
        return self._reader.trailing

    @property
    def refusal(self) -> Response | None:
        """The response whose head refuses, while its body is still to come.

        Call ``receive_eof`` where the body is not to be waited for any longer.
        """
        return self._reader.unfinished

    def data_to_send(self) -> bytes:
        """The request as it goes onto the wire; once, then nothing."""
        data, self._to_send = self._to_send, b""
        return data

    def receive_data(self, data: bytes | bytearray | memoryview) -> Accepted | None:
        """Take bytes off the wire.

        Returns:
            What was agreed on, once the response is whole; None before. A redirect is judged
            without waiting for its body.

        Raises:
            HandshakeError: the server refused, or its response is wrong; ``response`` is that
                response, or None where it is not HTTP. End the connection.
        """
        response = self._reader.receive_data(data)
        if response is None and self.refusal is not None and is_redirect(self.refusal):
            response = self._reader.receive_eof()
        return None if response is None else self._judge(response)

    def receive_eof(self) -> None:
        """Note that no more bytes will come, or that no more of a refusal is wanted.

        Raises:
            HandshakeError: there was no response, or a refusal, with what came of its body.
        """
        response = self._reader.receive_eof()
        if response is not None:
            self._judge(response)

    def _judge(self, response: Response) -> Accepted:
        if response.status != 101:
            status = f"{response.status} {response.phrase}".rstrip()
            raise HandshakeError("status", f"the server answered {status}, not 101", response)
        fields = response.headers.by_name()
        try:
            self._check_upgrade(response, fields)
            subprotocol, deflate = self._offer.judge(fields)
        except HandshakeError as exc:
            exc.response = response
            raise
        return Accepted(response.headers.lines, subprotocol, deflate)

    def _check_upgrade(self, response: Response, fields: Fields) -> None:
        """Section 4.1, steps 2 to 4 of what a client must validate, and what HTTP says of a 101."""
        if response.version != "1.1":
            text = f"the 101 is of HTTP/{response.version}, which has none (RFC 9110 section 15.2)"
            raise HandshakeError("http_version", text)
        for name in ("Content-Length", "Transfer-Encoding"):  # RFC 9110 8.6, RFC 9112 6.1
            if name.lower() in fields:
                raise HandshakeError(
                    "response_body", f"the 101 has a {name}, and cannot have a body"
                )
        if [value.lower() for value in fields.get("upgrade", [])] != ["websocket"]:
            raise HandshakeError("no_upgrade", "the 101 is without Upgrade: websocket")
        if not is_listed(fields.get("connection", []), "upgrade"):
            raise HandshakeError("no_connection_upgrade", "the 101 is without Connection: Upgrade")
        if only_value(fields, "Sec-WebSocket-Accept") != accept_key(self._key):
            raise HandshakeError("accept", "Sec-WebSocket-Accept does not belong to our key")
