"""Heads of requests and of responses, their limits, and what h11 and the short way agree on."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import byte_by_byte, whole

from wsfast.exceptions import HandshakeError
from wsfast.protocol import reader_h1
from wsfast.protocol.http import Headers, HttpLimits, Request, Response
from wsfast.protocol.reader_h1 import RequestReader, ResponseReader

GET = b"GET /chat?room=1 HTTP/1.1\r\n"
HOST = b"Host: example.com\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

BROWSER = (
    b"GET /chat HTTP/1.1\r\n"
    b"Host: server.example.com\r\n"
    b"Connection: Upgrade\r\n"
    b"Pragma: no-cache\r\n"
    b"Cache-Control: no-cache\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Upgrade: websocket\r\n"
    b"Origin: https://example.com\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-US,en;q=0.9\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)


@pytest.fixture(params=[whole, byte_by_byte], ids=lambda way: way.__name__)
def way(request):
    """How a wire is cut into reads."""
    return request.param


def read(reader, pieces):
    """What a reader makes of the pieces: the message it completes, or None."""
    messages = [message for piece in pieces if (message := reader.receive_data(piece))]
    assert len(messages) <= 1
    return messages[0] if messages else None


class TestRequestReader:
    def test_a_request(self, way):
        request = read(RequestReader(), way(GET + HOST + b"X-Name:\xe9 \r\n\r\n"))
        headers = Headers([("Host", "example.com"), ("X-Name", "é")])
        assert request == Request("GET", "/chat?room=1", headers)

    def test_bytes_of_any_kind(self):
        for kind in (bytes, bytearray, memoryview):
            assert RequestReader().receive_data(kind(BROWSER)).path == "/chat"

    def test_nothing_changes_nothing(self):
        reader = RequestReader()
        assert reader.receive_data(b"") is None
        assert read(reader, [b"", BROWSER, b""]).path == "/chat"
        assert reader.trailing == b""

    def test_what_follows_the_head_is_trailing(self):
        reader = RequestReader()
        assert reader.receive_data(BROWSER + b"more") is not None
        assert reader.trailing == b"more"

    def test_what_follows_later_is_trailing_too(self, way):
        reader = RequestReader()
        assert read(reader, way(BROWSER + b"more"))
        assert reader.receive_data(b" and more") is None
        assert reader.trailing == b"more and more"

    def test_what_follows_is_limited(self):
        reader = RequestReader(HttpLimits(body=10))
        reader.receive_data(BROWSER + b"12345")
        reader.receive_data(b"67890")
        with pytest.raises(HandshakeError) as caught:
            reader.receive_data(b"1")
        assert caught.value.reason == "early_data"

    def test_a_body_is_not_read(self, way):
        reader = RequestReader()
        wire = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        request = read(reader, way(wire))
        assert (request.method, request.headers["Content-Length"]) == ("POST", "4")
        assert reader.trailing == b"body"

    def test_http_1_0_is_read(self, way):
        assert read(RequestReader(), way(b"GET / HTTP/1.0\r\n\r\n")).version == "1.0"

    @pytest.mark.parametrize("lines", [b"\r\n", b"\n", b"\r\n\n\r\n\r\n"])
    def test_empty_lines_before_it_are_passed_over(self, way, lines):
        reader = RequestReader()
        assert read(reader, way(lines + BROWSER + b"more")).path == "/chat"
        assert reader.trailing == b"more"

    def test_they_do_not_count_for_the_limits(self, way):
        limits = HttpLimits(line=17, headers=1, head=29)
        request = read(RequestReader(limits), way(b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"))
        assert request.path == "/a"

    def test_lines_may_end_in_line_feeds_alone(self, way):
        reader = RequestReader()
        request = read(reader, way(b"GET / HTTP/1.1\nHost: a\nUpgrade: b\n\nc"))
        assert request.headers == Headers([("Host", "a"), ("Upgrade", "b")])
        assert reader.trailing == b"c"

    @pytest.mark.parametrize(
        ("wire", "status", "text"),
        [
            (GET + b"\r\n", 400, "Missing mandatory Host"),
            (GET + HOST + HOST + b"\r\n", 400, "multiple Host"),
            (GET + HOST + b"Name : a\r\n\r\n", 400, "illegal header line"),
            (GET + HOST + b": a\r\n\r\n", 400, "illegal header line"),
            (GET + HOST + b"no colon\r\n\r\n", 400, "illegal header line"),
            (GET + HOST + b"Nul: a\x00\r\n\r\n", 400, "illegal header line"),
            (GET + HOST + b"Cr: a\rb\r\n\r\n", 400, "illegal header line"),
            (GET + HOST + b"A: b\x01c\r\n\r\n", 400, "header A has the control character 0x01"),
            (GET + HOST + b"A: \x1f\r\n\r\n", 400, "header A has the control character 0x1f"),
            (GET + HOST + b"A: b\x7f\r\n\r\n", 400, "header A has the control character 0x7f"),
            (GET + HOST + b"A: b\r\n c\r\n\r\n", 400, "obsolete line folding"),
            (b"GET / HTTP/1.1\nHost: a\nA: b\n\tc\n\n", 400, "obsolete line folding"),
            (GET + HOST + b"A: b\r\n  \r\n\r\n", 400, "obsolete line folding"),
            (GET + b" folded\r\n" + HOST + b"\r\n", 400, "continuation line at start"),
            (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400, "illegal request line"),
            (b"GET /\r\n" + HOST + b"\r\n", 400, "illegal request line"),
            (b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", 400, "illegal request line"),
            (b"GET /\xe9 HTTP/1.1\r\n" + HOST + b"\r\n", 400, "illegal request line"),
            (b"G(T / HTTP/1.1\r\n" + HOST + b"\r\n", 400, "illegal request line"),
            (GET + HOST + b"Content-Length: -1\r\n\r\n", 400, "bad Content-Length"),
            (
                GET + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
                400,
                "conflicting Content-Length",
            ),
            (
                GET + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                501,
                "multiple Transfer-Encoding",
            ),
            (GET + HOST + b"Transfer-Encoding: x\r\n\r\n", 501, "Only Transfer-Encoding"),
        ],
    )
    def test_what_is_malformed(self, way, wire, status, text):
        with pytest.raises(HandshakeError, match=text) as caught:
            read(RequestReader(), way(wire))
        assert caught.value.reason == "malformed_request"
        assert caught.value.response.status == status
        assert text.encode() in caught.value.response.body

    def test_an_error_quotes_little_of_what_came(self):
        with pytest.raises(HandshakeError) as caught:
            RequestReader().receive_data(GET + HOST + b"(" * 5000 + b"\r\n\r\n")
        assert len(str(caught.value)) < 300

    @pytest.mark.parametrize("version", [b"0.9", b"1.2", b"2.0"])
    def test_other_versions_of_http(self, way, version):
        with pytest.raises(HandshakeError, match=version.decode()) as caught:
            read(RequestReader(), way(b"GET / HTTP/" + version + b"\r\nHost: a\r\n\r\n"))
        assert (caught.value.reason, caught.value.response.status) == ("http_version", 505)

    @pytest.mark.parametrize("byte", [b"\x15", b"\x16"])
    def test_tls_is_told_by_its_first_byte(self, byte):
        with pytest.raises(HandshakeError, match=r"begins with the byte 0x1.*looks like TLS"):
            RequestReader().receive_data(byte)

    @pytest.mark.parametrize("wire", [b"\x00", b" GET", b"\rGET", b"\r\n" * 5, b"\n" * 5, b"\x81"])
    def test_what_begins_otherwise_is_not_http(self, way, wire):
        reader = RequestReader()
        if wire == b"\x81":  # a letter nowhere, but it takes the whole head to say so
            wire += b"\r\n\r\n"
        with pytest.raises(HandshakeError) as caught:
            read(reader, way(wire))
        assert caught.value.reason in ("not_http", "malformed_request")
        assert caught.value.response.status == 400

    def test_the_connection_ends_before_a_request(self):
        with pytest.raises(HandshakeError, match="before any request") as caught:
            RequestReader().receive_eof()
        assert (caught.value.reason, caught.value.response) == ("no_request", None)

    def test_the_connection_ends_inside_a_request(self):
        reader = RequestReader()
        reader.receive_data(BROWSER[:-1])
        with pytest.raises(HandshakeError, match="inside the request") as caught:
            reader.receive_eof()
        assert (caught.value.reason, caught.value.response) == ("unfinished_request", None)

    def test_the_connection_ends_behind_a_request(self):
        reader = RequestReader()
        reader.receive_data(BROWSER)
        reader.receive_eof()

    def test_a_browsers_request_takes_less_than_a_kilobyte(self):
        RequestReader().receive_data(BROWSER)
        wires = [bytes(bytearray(BROWSER)) for _ in range(100)]
        tracemalloc.start()
        requests = [RequestReader().receive_data(wire) for wire in wires]
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 1024 * len(requests)
        assert not hasattr(requests[0], "__dict__")


def head(first, *, lines=1, length=20):
    """A head of a first line and others, of just this many bytes each."""
    first = first.replace(b"*", b"x" * (length - len(first) + 1))
    second = b"Host:".ljust(length - 2, b"x") + b"\r\n"
    others = [b"Name:".ljust(length - 2, b"x") + b"\r\n"] * (lines - 1)
    return b"".join([first, second, *others, b"\r\n"])


REQUEST_LINE = b"GET /* HTTP/1.1\r\n"
STATUS_LINE = b"HTTP/1.1 101 *\r\n"


@pytest.mark.parametrize(
    ("reader_class", "first"), [(RequestReader, REQUEST_LINE), (ResponseReader, STATUS_LINE)]
)
class TestLimits:
    def fails(self, reader, pieces):
        with pytest.raises(HandshakeError) as caught:
            read(reader, pieces)
        response = caught.value.response
        assert (response is None) == isinstance(reader, ResponseReader)
        return caught.value.reason, response and response.status

    def test_the_first_line(self, reader_class, first, way):
        wire = head(first, length=30)
        assert read(reader_class(HttpLimits(line=30)), way(wire))
        reason, status = self.fails(reader_class(HttpLimits(line=29)), way(wire))
        assert reason == "line_too_long"
        assert status in (414, None)

    def test_a_header(self, reader_class, first, way):
        wire = head(first, length=29).replace(b"Host:", b"Host: ")
        assert read(reader_class(HttpLimits(line=30)), way(wire))
        reason, status = self.fails(reader_class(HttpLimits(line=29)), way(wire))
        assert reason == "header_too_long"
        assert status in (431, None)

    def test_the_number_of_headers(self, reader_class, first, way):
        wire = head(first, lines=7)
        assert read(reader_class(HttpLimits(headers=7)), way(wire))
        reason, status = self.fails(reader_class(HttpLimits(headers=6)), way(wire))
        assert reason == "too_many_headers"
        assert status in (431, None)

    def test_the_whole_head(self, reader_class, first, way):
        wire = head(first, lines=7)
        assert read(reader_class(HttpLimits(head=len(wire))), way(wire))
        reason, status = self.fails(reader_class(HttpLimits(head=len(wire) - 1)), way(wire))
        assert reason == "head_too_long"
        assert status in (431, None)

    def test_a_line_without_an_end_is_not_kept(self, reader_class, first):
        reader = reader_class()
        with pytest.raises(HandshakeError, match="passes 8192 bytes"):
            read(reader, [b"x" * 1000] * 9)

    def test_headers_without_an_end_are_not_kept(self, reader_class, first):
        reader = reader_class()
        with pytest.raises(HandshakeError, match="passes 32768 bytes"):
            read(reader, [head(first)[:20], *[b"Name: " + b"x" * 1000 + b"\r\n"] * 33])


class TestResponseReader:
    @pytest.fixture(params=["GET", "CONNECT"])
    def method(self, request):
        return request.param

    def test_a_response(self, way):
        wire = b"HTTP/1.1 403 No\r\nServer: a\r\nContent-Length: 4\r\n\r\nbody"
        headers = Headers([("Server", "a"), ("Content-Length", "4")])
        assert read(ResponseReader(), way(wire)) == Response(403, headers, b"body")

    @pytest.mark.parametrize("more", [b"", b"Folded: a\r\n b\r\n", b"Content-Length: 7\r\n"])
    def test_behind_101_are_frames(self, more):
        reader = ResponseReader()
        wire = SWITCHING[:-2] + more + b"\r\n"
        response = reader.receive_data(wire + b"frames")
        assert (response.status, response.body) == (101, b"")
        assert response.headers["Upgrade"] == "websocket"
        assert reader.receive_data(b" and more") is None
        assert reader.trailing == b"frames and more"

    def test_folded_lines_are_joined_by_a_space(self, way):
        wire = b"HTTP/1.1 204 No\r\nX-Folded: a\r\n  b\r\n\tc\r\n\r\n"
        assert read(ResponseReader(), way(wire)).headers["X-Folded"] == "a b c"

    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    def test_its_version_is_told(self, way, version):
        wire = f"HTTP/{version} 101 Yes\r\nUpgrade: websocket\r\n\r\n".encode()
        assert read(ResponseReader(), way(wire)).version == version

    def test_behind_a_connect_that_succeeds_is_a_tunnel(self):
        reader = ResponseReader(method="CONNECT")
        response = reader.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntunnel")
        assert (response.status, response.body, reader.trailing) == (200, b"", b"tunnel")

    def test_a_connect_that_fails_has_a_body(self, method, way):
        wire = b"HTTP/1.1 407 Auth\r\nContent-Length: 4\r\n\r\nbody"
        assert read(ResponseReader(method=method), way(wire)).body == b"body"

    @pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
    def test_interim_responses_are_passed_over(self, way, interim):
        wire = (b"HTTP/1.1 " + interim + b"\r\nLink: a\r\n\r\n") * 3
        reader = ResponseReader()
        assert read(reader, way(wire + SWITCHING)).status == 101

    def test_interim_responses_are_limited(self, way):
        wire = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
        reader = ResponseReader(HttpLimits(head=10 * len(wire)))
        assert read(reader, way(wire * 10)) is None
        with pytest.raises(HandshakeError, match="interim responses pass"):
            reader.receive_data(wire)

    def test_behind_a_refusal_nothing_is_kept(self, way):
        reader = ResponseReader(HttpLimits(body=4))
        assert read(reader, way(b"HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nbodymore"))
        assert reader.receive_data(b"and more") is None
        assert reader.trailing == b""

    def test_a_body_in_chunks(self, way):
        wire = (
            b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"4\r\nchun\r\n3;ext\r\nked\r\n0\r\nTrailer: a\r\n\r\n"
        )
        assert read(ResponseReader(), way(wire)).body == b"chunked"

    @pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
    def test_some_have_no_body(self, way, status):
        assert read(ResponseReader(), way(b"HTTP/1.1 " + status + b"\r\n\r\n")).body == b""

    @pytest.mark.parametrize("version", [b"1.0", b"1.1"])
    def test_a_body_may_end_with_the_connection(self, way, version):
        reader = ResponseReader()
        assert read(reader, way(b"HTTP/" + version + b" 500 Oh\r\n\r\nbo")) is None
        assert reader.receive_data(b"") is None
        assert reader.receive_data(b"dy") is None
        response = reader.receive_eof()
        assert (response.status, response.body) == (500, b"body")
        assert reader.receive_eof() is None

    @pytest.mark.parametrize("sizes", [[20], [5, 5, 1], [10, 10]])
    def test_of_a_long_body_the_beginning_is_kept(self, sizes):
        reader = ResponseReader(HttpLimits(body=10))
        pieces = [b"HTTP/1.1 400 No\r\n\r\n", *(b"x" * size for size in sizes)]
        assert read(reader, pieces).body == b"x" * 10

    def test_of_a_body_cut_off_the_beginning_is_kept(self):
        reader = ResponseReader()
        reader.receive_data(b"HTTP/1.1 400 No\r\nContent-Length: 10\r\n\r\nbegin")
        assert reader.receive_eof().body == b"begin"

    def test_of_a_malformed_body_the_beginning_is_kept(self, way):
        wire = b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n"
        assert read(ResponseReader(), way(wire)).body == b"abc"

    @pytest.mark.parametrize(
        "wire",
        [
            b"HTTP/1.1 200OK\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nControl: a\x01b\r\n\r\n",
            b"HTTP/1.1 101 OK\r\nControl: \x7f\r\n\r\n",
            b"HTTP/1.1 101 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: a\r\n\r\n",
        ],
    )
    def test_what_is_malformed(self, way, wire):
        with pytest.raises(HandshakeError, match=r"^response: ") as caught:
            read(ResponseReader(), way(wire))
        assert (caught.value.reason, caught.value.response) == ("malformed_response", None)

    def test_what_is_not_http_is_told_by_its_first_byte(self):
        with pytest.raises(HandshakeError, match="response begins with the byte 0x15"):
            ResponseReader().receive_data(b"\x15")

    def test_the_connection_ends_before_a_response(self):
        with pytest.raises(HandshakeError, match="before any response") as caught:
            ResponseReader().receive_eof()
        assert caught.value.reason == "no_response"

    def test_the_connection_ends_inside_a_head(self):
        reader = ResponseReader()
        reader.receive_data(b"HTTP/1.1 400 No\r\n")
        with pytest.raises(HandshakeError, match="inside the response") as caught:
            reader.receive_eof()
        assert caught.value.reason == "unfinished_response"


# What goes wrong with heads, in the smallest of pieces.
SHARDS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"\x00",
        b"\x01",
        b"\x0b",
        b"\x7f",
        b"\xe9",
        b"a",
        b"\r\n\r\n",
    ),
    *(b"Host: b\r\n", b"Content-Length: 0\r\n", b"transfer-encoding:chunked\r\n", b" fold\r\n"),
    *(b"HTTP/1.1", b"HTTP/1.0", b"GET", b"POST", b"/", b"?", b"101", b"200", b"103", b"2.0"),
]
REQUEST = b"GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nX: \xe9 y\r\n\r\ntrail"
RESPONSE = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nX: \xe9 y\r\n\r\ntrail"
RESPONSES = [
    RESPONSE,
    b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" + RESPONSE,
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nbodytrail",
    b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo..2\r\ndy\r\n0\r\n\r\n",
    b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\ntrail",
]

LIMITS = st.builds(
    HttpLimits,
    line=st.sampled_from([15, 20, 24, 40, 8192]),
    headers=st.sampled_from([2, 3, 100]),
    head=st.sampled_from([50, 60, 70, 32768]),
)


@st.composite
def spoiled(draw, wire):
    """A good wire in which some places are exchanged for others."""
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(wire)))
        lost = draw(st.sampled_from([0, 0, 1, 2, 10]))
        wire = wire[:start] + draw(st.sampled_from(SHARDS)) + wire[start + lost :]
    return wire


def outcome(reader, pieces):
    """All that a reader tells: the message and what follows it, or the error."""
    try:
        message = read(reader, pieces)
        if message is None:
            message = reader.receive_eof()
    except HandshakeError as exc:
        return exc.reason, str(exc), exc.response
    return message, reader.trailing


class TestTheShortWay:
    """Whatever is short about it, it says what h11 says, however the wire is cut."""

    @given(wire=st.sampled_from([REQUEST, b"\r\n" + REQUEST]).flatmap(spoiled), limits=LIMITS)
    def test_requests(self, wire, limits):
        self.check(RequestReader, wire, limits)

    @given(wire=st.sampled_from(RESPONSES).flatmap(spoiled), limits=LIMITS)
    def test_responses(self, wire, limits):
        self.check(ResponseReader, wire, limits)

    def check(self, reader_class, wire, limits):
        short = outcome(reader_class(limits), [wire])
        assert outcome(reader_class(limits), byte_by_byte(wire)) == short
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader_h1, "_plain_request", lambda data: None)
            patch.setattr(reader_h1, "_plain_101", lambda data: None)
            assert outcome(reader_class(limits), [wire]) == short

    @given(text=st.text(st.characters(max_codepoint=0xFF), max_size=3))
    def test_every_character_in_a_value(self, text):
        wire = REQUEST.replace(b"\xe9 y", text.encode("latin-1"))
        self.check(RequestReader, wire, HttpLimits())

    def test_a_browsers_request_takes_it(self, monkeypatch):
        monkeypatch.setattr(reader_h1, "h11", None)
        assert RequestReader().receive_data(BROWSER)
        assert ResponseReader().receive_data(SWITCHING)

    def test_so_does_a_long_one_in_pieces(self, monkeypatch, way):
        monkeypatch.setattr(reader_h1, "h11", None)
        long = BROWSER[:-2] + (b"X-Cookie: " + b"a" * 5000 + b"\r\n") * 3 + b"\r\n"
        assert read(RequestReader(), way(long))
