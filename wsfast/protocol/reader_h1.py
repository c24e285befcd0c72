"""Reads HTTP/1.1 as far as an opening handshake needs it: one request, or one response (RFC 9112).

What it knows: heads of messages, their limits, the body of a response. What it must not know: what
a WebSocket is; ``upgrade_h1.py`` judges that.

A head that is plain and good is taken by one regular expression, which accepts less than RFC 9112
allows. All others are parsed by h11 instead, and get its verdict and its texts. (On a browser's
request: the expression 1.7 microseconds, h11 35; httptools 1.5 where it may call nothing, 4.8 where
it hands out headers.)
"""

from __future__ import annotations

import re

import h11

from ..exceptions import HandshakeError
from .headers import TOKEN, Headers, short
from .http import HttpLimits, Request, Response

__all__ = ["RequestReader", "ResponseReader"]

_FIELDS = rf"(\r\n(?:{TOKEN}:[\t -~\x80-\xff]*\r\n)+)\r\n"
_plain_request = re.compile(rf"GET ([!-~]+) HTTP/1\.1{_FIELDS}".encode()).match
_plain_101 = re.compile(rf"HTTP/1\.1 101(?: [\t -~]*)?{_FIELDS}".encode()).match

# RFC 9110 section 5.5: they are invalid in a value. h11 refuses CR, LF and NUL only.
_control = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search

# RFC 9112 section 5.2.
_folding = re.compile(rb"\n[ \t]").search

_empty_line = re.compile(rb"\r?\n").match

# How many are passed over: RFC 9112 section 2.2 asks for "at least one".
_MAX_EMPTY_LINES = 4

# RFC 8446 section 5.1: an alert or a handshake, from a peer that takes the port for one of TLS.
_TLS = (0x15, 0x16)


class _HeadReader:
    """Finds the end of a head. What is wrong depends on the bytes, not on how they are cut."""

    __slots__ = ("_buffer", "_done", "_empty", "_limits", "_line", "_line_start", "trailing")

    _what: str
    _max_empty = 0  # empty lines that may come before the head

    def __init__(self, limits: HttpLimits = HttpLimits()) -> None:  # noqa: B008
        self._limits = limits
        self._buffer = bytearray()
        self._line = 0  # how many lines are whole
        self._line_start = 0
        self._empty = 0  # how many empty lines came before
        self._done = False
        self.trailing = b""

    def _take_head(self) -> bytes | None:
        """Take the head out of the buffer, once its blank line is there."""
        buffer, limits = self._buffer, self._limits
        while self._empty < self._max_empty and (line := _empty_line(buffer)):
            del buffer[: line.end()]
            self._empty += 1
        if buffer == b"\r" and self._empty < self._max_empty:
            return None
        if buffer and buffer[0] <= 0x20:
            raise self._refused(
                "not_http",
                f"{self._what} begins with the byte {buffer[0]:#04x}: this is not HTTP"
                + (", it looks like TLS" if buffer[0] in _TLS else ""),
            )
        while True:
            start = self._line_start
            room = min(start + limits.line, limits.head)
            end = buffer.find(b"\n", start, room) + 1
            if not end:
                if len(buffer) < room:
                    return None
                raise self._too_long(start, room)
            if end - start < 3 and not buffer[start:end].strip(b"\r\n"):
                break
            self._line_start = end
            self._line += 1
            if self._line - 1 > limits.headers:
                raise self._refused(
                    "too_many_headers",
                    f"{self._what} has more than {limits.headers} header fields",
                    431,
                )
        head = bytes(buffer[:end])
        del buffer[:end]
        self._line = self._line_start = 0
        return head

    def _too_long(self, start: int, room: int) -> HandshakeError:
        limits = self._limits
        if room < start + limits.line:
            return self._refused(
                "head_too_long", f"the head of the {self._what} passes {limits.head} bytes", 431
            )
        if self._line:
            return self._refused(
                "header_too_long", f"{self._what} has a header of over {limits.line} bytes", 431
            )
        return self._refused(
            "line_too_long", f"first line of the {self._what} passes {limits.line} bytes", 414
        )

    def _refused(self, reason: str, text: str, status: int = 400) -> HandshakeError:
        return HandshakeError(reason, text)

    def _malformed(self, text: str, status: int = 400) -> HandshakeError:
        return self._refused(f"malformed_{self._what}", f"{self._what}: {short(text)}", status)

    def _headers(self, event: h11.Request | h11.Response | h11.InformationalResponse) -> Headers:
        """The headers as they are spelled; line folding is a space (RFC 9112 section 5.2)."""
        fields = []
        for name, value in event.headers.raw_items():
            if bad := _control(value):
                raise self._malformed(
                    f"header {name.decode()} has the control character {bad[0][0]:#04x} in it "
                    "(RFC 9110 section 5.5)"
                )
            fields.append(name + b": " + value + b"\r\n")
        return Headers.from_lines("\r\n" + b"".join(fields).decode("latin-1"))

    def _keep(self, data: bytes) -> None:
        """Keep what comes behind the head; whoever feeds the reader should pause reading."""
        self.trailing += data
        if len(self.trailing) > self._limits.body:
            raise self._refused(
                "early_data", f"over {self._limits.body} bytes came during the handshake"
            )


class RequestReader(_HeadReader):
    """Reads the head of one request; on the server.

    A body is not read: what follows the head is ``trailing``.

    Args:
        limits: of the head; ``body`` limits what may follow it.

    Attributes:
        trailing: the bytes that came behind the head.
    """

    __slots__ = ()

    _what = "request"
    _max_empty = _MAX_EMPTY_LINES

    def receive_data(self, data: bytes | bytearray | memoryview) -> Request | None:
        """Take bytes off the wire.

        Returns:
            The request, once its head is whole; None before, and after.

        Raises:
            HandshakeError: a limit was passed, or this is no HTTP/1 request; its ``response`` is
                the one to send: 400, 414 (RFC 9110 section 15.5.15), 431 (RFC 6585 section 5), 501
                or 505. The connection can then only be closed.
        """
        data = bytes(data)
        if self._done:
            self._keep(data)
            return None
        if not self._buffer and (request := self._usual(data)):
            return request
        self._buffer += data
        head = self._take_head()
        if head is None:
            return None
        self._done = True
        request = self._plain(head) or self._request(head)
        self.trailing = bytes(self._buffer)
        self._buffer.clear()
        return request

    def receive_eof(self) -> None:
        """Note that no more bytes will come.

        Raises:
            HandshakeError: the request is not whole. There is nobody to respond to.
        """
        if self._done:
            return
        if self._buffer:
            raise HandshakeError("unfinished_request", "connection ended inside the request")
        raise HandshakeError("no_request", "connection ended before any request")

    def _usual(self, data: bytes) -> Request | None:
        """The usual case: a plain request in one read, too short for any line to be too long."""
        limits = self._limits
        if len(data) > limits.line or len(data) > limits.head:
            return None
        if data.count(b"\r\n") - 2 > limits.headers:
            return None
        request = self._plain(data)
        self._done = request is not None
        return request

    def _plain(self, data: bytes) -> Request | None:
        """Take a plain request, and what is behind it."""
        match = _plain_request(data)
        if match is None:
            return None
        text = match[2].decode("latin-1")
        lowered = text.lower()
        if lowered.count("\r\nhost:") != 1 or _has_framing(lowered):
            return None
        self.trailing = data[match.end() :]
        return Request("GET", match[1].decode(), Headers.from_lines(text))

    def _request(self, head: bytes) -> Request:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(head)
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as exc:
            raise self._malformed(str(exc), exc.error_status_hint) from None
        assert isinstance(event, h11.Request)
        if _folding(head):
            raise self._malformed("obsolete line folding (RFC 9112 section 5.2)")
        version = event.http_version.decode()
        if version not in ("1.1", "1.0"):
            raise self._refused("http_version", f"request in HTTP/{version}, not 1.1", 505)
        headers = self._headers(event)
        return Request(event.method.decode(), event.target.decode(), headers, version)

    def _refused(self, reason: str, text: str, status: int = 400) -> HandshakeError:
        return HandshakeError(reason, text, Response.plain(status, text))


class ResponseReader(_HeadReader):
    """Reads one response; on the client.

    Interim responses (1xx except 101) are passed over. The body of a refusal is there for people
    to read: where it is too long, malformed or cut off, what came of it is handed out.

    Args:
        limits: of the head, and of the body that is kept.
        method: of the request: the response to a CONNECT that succeeds has no body.

    Attributes:
        trailing: the bytes that came behind a 101, or through the tunnel; behind a refusal nothing
            is kept.
    """

    __slots__ = ("_body", "_connection", "_interim", "_method", "_response")

    _what = "response"

    def __init__(
        self,
        limits: HttpLimits = HttpLimits(),  # noqa: B008
        method: str = "GET",
    ) -> None:
        super().__init__(limits)
        self._method = method
        self._connection: h11.Connection | None = None
        self._interim = 0  # bytes of interim responses
        self._response: Response | None = None  # whose body is being read
        self._body = bytearray()

    def receive_data(self, data: bytes | bytearray | memoryview) -> Response | None:
        """Take bytes off the wire.

        Returns:
            The response, once it is whole; None before, and after.

        Raises:
            HandshakeError: a limit was passed, or this is no HTTP/1 response. The connection can
                then only be closed.
        """
        if self._done:
            if self._response is None:
                self._keep(bytes(data))
            return None
        if self._response:
            return self._read_body(bytes(data)) if data else None
        self._buffer += data
        while head := self._take_head():
            response = self._plain(head) or self._judged(head)
            if response:
                return self._begin(response)
            self._interim += len(head)
            if self._interim > self._limits.head:
                raise self._refused(
                    "head_too_long", f"interim responses pass {self._limits.head} bytes"
                )
        return None

    def receive_eof(self) -> Response | None:
        """Note that no more bytes will come, or that no more of a body is wanted.

        Returns:
            The response that ends with the connection, or whose body was cut off; None where it
            had been handed out before.

        Raises:
            HandshakeError: there is no response, or not its whole head.
        """
        if self._done:
            return None
        if self._response:
            return self._read_body(b"")
        if self._buffer:
            raise HandshakeError("unfinished_response", "connection ended inside the response")
        raise HandshakeError("no_response", "connection ended before any response")

    @property
    def unfinished(self) -> Response | None:
        """The response whose head is there, and whose body is still to come."""
        return None if self._done else self._response

    def _plain(self, head: bytes) -> Response | None:
        match = _plain_101(head)
        if match is None:
            return None
        text = match[1].decode("latin-1")
        if _has_framing(text.lower()):
            return None
        return Response(101, Headers.from_lines(text))

    def _judged(self, head: bytes) -> Response | None:
        """What h11 makes of a head; None for an interim response."""
        if self._connection is None:
            self._connection = _after_request(self._method)
        self._connection.receive_data(head)
        try:
            event = self._connection.next_event()
        except h11.RemoteProtocolError as exc:
            raise self._malformed(str(exc)) from None
        assert isinstance(event, h11.Response | h11.InformationalResponse)
        if event.status_code < 200 and event.status_code != 101:
            return None
        version = event.http_version.decode()
        return Response(event.status_code, self._headers(event), version=version)

    def _begin(self, response: Response) -> Response | None:
        """Go on to the body, where there is one."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        connection = self._connection
        tunnel = connection is not None and connection.their_state is h11.SWITCHED_PROTOCOL
        if response.status == 101 or tunnel:
            self._done = True
            self.trailing = rest
            return response
        self._response = response
        return self._read_body(rest) if rest else self._next_events()

    def _read_body(self, data: bytes) -> Response | None:
        assert self._connection is not None
        self._connection.receive_data(data)  # nothing means the end to h11
        return self._next_events()

    def _next_events(self) -> Response | None:
        assert self._connection is not None
        assert self._response is not None
        try:
            while isinstance(event := self._connection.next_event(), h11.Data):
                self._body += event.data
                if len(self._body) > self._limits.body:
                    break
            else:
                if event is h11.NEED_DATA:
                    return None
        except h11.RemoteProtocolError:
            pass  # what came of the body is what there is
        self._done = True
        self._response.body = bytes(self._body[: self._limits.body])
        return self._response


def _after_request(method: str) -> h11.Connection:
    """A connection of h11 on which a request has gone out, so that it can judge the response."""
    connection = h11.Connection(h11.CLIENT)
    headers = [("Host", "-"), ("Upgrade", "-")]  # without an Upgrade, 101 is no answer
    connection.send(h11.Request(method=method, target="-", headers=headers))
    connection.send(h11.EndOfMessage())
    return connection


def _has_framing(lowered: str) -> bool:
    """Whether headers speak of a body (RFC 9112 section 6): for h11 to judge."""
    return "\r\ncontent-length:" in lowered or "\r\ntransfer-encoding:" in lowered
