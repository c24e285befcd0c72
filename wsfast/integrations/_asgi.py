"""The opening handshake in the terms of ASGI: the scope of a request, and the answers to it.

Knows what the ASGI specification (2.4, WebSocket) and uvicorn say about them; no sockets, no tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate
from typing import Any, TypeAlias
from urllib.parse import unquote

from ..exceptions import HandshakeError
from ..protocol.http import Headers, Request, Response
from ..protocol.upgrade_h1 import Accepted

__all__ = [
    "Event",
    "RawHeaders",
    "accepting",
    "dated",
    "denying",
    "judged",
    "read_request",
    "refusing",
    "scope_of",
]

# What receive() answers and send() takes.
Event: TypeAlias = dict[str, Any]
RawHeaders: TypeAlias = Iterable[tuple[bytes, bytes]]


def read_request(data: bytes) -> tuple[Request, bytes]:
    """Read a request that uvicorn has read, checked and put together again.

    Returns:
        The request, and the bytes behind it.

    Raises:
        HandshakeError: the target is not ASCII, which no scope can carry.
    """
    head, _, trailing = data.partition(b"\r\n\r\n")
    line, _, fields = head.decode("latin-1").partition("\r\n")
    method, target, version = line.split(" ")
    if not target.isascii():
        text = "the target has a character that must be percent-encoded"
        raise HandshakeError("target", text, Response.plain(400, text))
    headers = Headers.from_lines(f"\r\n{fields}\r\n")
    return Request(method, target, headers, version.removeprefix("HTTP/")), trailing


def judged(request: Request) -> Request:
    """What ``protocol.upgrade_h1`` shall judge: a request without a Host was let in by uvicorn."""
    if "Host" in request.headers:
        return request
    lines = f"{request.headers.lines}Host: \r\n"
    return Request(request.method, request.target, Headers.from_lines(lines), request.version)


def scope_of(request: Request, root_path: str) -> Event:
    """What the request itself says of a WebSocket's scope."""
    raw_path, _, query = request.target.partition("?")
    offered = request.headers.get_all("Sec-WebSocket-Protocol")
    return {
        "type": "websocket",
        "http_version": "1.1",
        "root_path": root_path,
        "path": root_path + unquote(raw_path),
        "raw_path": (root_path + raw_path).encode("ascii"),
        "query_string": query.encode("ascii"),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers.items()
        ],
        "subprotocols": [token.strip() for value in offered for token in value.split(",")],
        "extensions": {"websocket.http.response": {}},
    }


def accepting(accepted: Accepted, event: Event, default_headers: RawHeaders) -> bytes:
    """The 101 that ``websocket.accept`` asks for.

    Raises:
        ValueError: a header that no response can carry.
    """
    headers = Headers()
    for name, value in (*default_headers, *event.get("headers", [])):
        headers.add(name.decode("latin-1").lower(), value.decode("latin-1"))
    subprotocol = event.get("subprotocol")
    if subprotocol:
        headers.add("Sec-WebSocket-Protocol", subprotocol)
    return Accepted(accepted.lines + headers.lines[2:]).to_bytes()


def refusing(status: int, text: str = "") -> Response:
    """A refusal of the server's own."""
    return denying(status, [], text.encode())


def denying(status: int, headers: RawHeaders, body: bytes) -> Response:
    """The response of an application that denies a WebSocket.

    Raises:
        ValueError: a header that no response can carry.
    """
    fields = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])
    if "Content-Type" not in fields:
        fields.add("Content-Type", "text/plain; charset=utf-8")
    return Response(status, fields, body)


def dated(response: Response) -> bytes:
    """A response that ends the connection, whole and with the date."""
    if "Date" not in response.headers:
        response.headers.add("Date", formatdate(usegmt=True))
    return response.to_bytes()
