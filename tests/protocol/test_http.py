"""Requests and responses, and how HTTP/1.1 writes them."""

import pytest

from wsfast.protocol.http import Headers, Request, Response


class TestRequest:
    @pytest.mark.parametrize(
        ("target", "path", "query"),
        [
            ("/", "/", ""),
            ("/chat?a=b?c", "/chat", "a=b?c"),
            ("/a%2Fb/?", "/a%2Fb/", ""),
            ("*", "*", ""),
            ("//host/path", "//host/path", ""),
            ("/redirect?to=http://host", "/redirect", "to=http://host"),
            ("http://example.com/chat?a", "/chat", "a"),
            ("http://example.com", "/", ""),
            ("http://example.com?a", "/", "a"),
        ],
    )
    def test_path_and_query(self, target, path, query):
        request = Request("GET", target, Headers())
        assert (request.path, request.query) == (path, query)

    @pytest.mark.parametrize(
        ("target", "host"),
        [
            ("/", "example.com:81"),
            ("/?to=http://a/", "example.com:81"),
            ("*", "example.com:81"),
            ("http://Other.example", "other.example"),
            ("http://other.example?a", "other.example"),
            ("ws://other.example:82/chat", "other.example:82"),
            ("http://[::1]:82/", "[::1]:82"),
            ("http://example.com@other.example/", "other.example"),
            ("http:///chat", ""),
        ],
    )
    def test_the_target_goes_before_the_host_header(self, target, host):
        request = Request("GET", target, Headers({"Host": "Example.com:81"}))
        assert request.host == host

    def test_without_either_there_is_no_host(self):
        assert Request("GET", "/", Headers()).host == ""

    @pytest.mark.parametrize(
        ("values", "upgrades"),
        [
            ([], []),
            ([""], []),
            (["WebSocket"], ["websocket"]),
            (["h2c , a", "b"], ["h2c", "a", "b"]),
        ],
    )
    def test_upgrades(self, values, upgrades):
        request = Request("GET", "/", Headers([("Upgrade", value) for value in values]))
        assert request.upgrades == upgrades

    def test_on_the_wire(self):
        request = Request("GET", "/chat", Headers([("Host", "a"), ("X-Name", "é")]))
        assert request.to_bytes() == b"GET /chat HTTP/1.1\r\nHost: a\r\nX-Name: \xe9\r\n\r\n"

    @pytest.mark.parametrize("target", ["", "/a b", "/a\r\nHost: b", "/\n", "/\x00", "/é", "/\x7f"])
    def test_nothing_can_be_injected_by_a_target(self, target):
        with pytest.raises(ValueError, match="must be percent-encoded"):
            Request("GET", target, Headers()).to_bytes()

    @pytest.mark.parametrize("method", ["", "GET /", "G\r\nET"])
    def test_a_method_is_a_token(self, method):
        with pytest.raises(ValueError, match="is not a token"):
            Request(method, "/", Headers()).to_bytes()


class TestResponse:
    @pytest.mark.parametrize(
        ("response", "wire"),
        [
            (Response(101), b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            (
                Response(200, body=b"ok"),
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            ),
            (
                Response(302, Headers({"Location": "/", "Connection": "keep-alive"})),
                b"HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: keep-alive\r\n"
                b"Content-Length: 0\r\n\r\n",
            ),
            (Response(204, body=b"a"), b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
            (
                Response(499, Headers({"content-length": "1"}), b"a"),
                b"HTTP/1.1 499 \r\ncontent-length: 1\r\nConnection: close\r\n\r\na",
            ),
        ],
    )
    def test_on_the_wire(self, response, wire):
        assert response.to_bytes() == wire

    def test_the_answer_to_head_has_no_body_but_its_length(self):
        wire = Response(200, body=b"ok").to_bytes(body=False)
        assert wire == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"

    def test_plain_text(self):
        response = Response.plain(403, "who is ó?", {"X-Name": "value"})
        assert response.body == "who is ó?\n".encode()
        assert response.headers.items() == [
            ("X-Name", "value"),
            ("Content-Type", "text/plain; charset=utf-8"),
        ]

    def test_the_phrase_is_the_usual_one(self):
        assert Response(403).phrase == "Forbidden"
        assert Response(799).phrase == ""

    @pytest.mark.parametrize("status", [0, 99, 1000, -200])
    def test_a_status_has_three_digits(self, status):
        with pytest.raises(ValueError, match="three digits"):
            Response(status).to_bytes()
