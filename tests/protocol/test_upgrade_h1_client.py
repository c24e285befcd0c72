"""The client's side of the opening handshake: RFC 6455 section 4.1."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import byte_by_byte, whole

from wsfast.exceptions import HandshakeError
from wsfast.protocol.deflate import Deflate
from wsfast.protocol.http import Headers, HttpLimits, Response
from wsfast.protocol.reader_h1 import RequestReader
from wsfast.protocol.upgrade_h1 import USER_AGENT, ClientHandshake, accept, accept_key
from wsfast.protocol.uri import parse_uri

URI = "ws://example.com/chat?room=1"


class FakeDeflate:
    """Settings that offer one extension, and agree to one parameter of it."""

    def offer(self):
        return [("permessage-deflate", [("client_max_window_bits", None)])]

    def accept(self, offers):
        return ("permessage-deflate", [("client_max_window_bits", "12")]), "the server's"

    def agree(self, answer):
        name, params = answer
        if params != [("client_max_window_bits", "12")]:
            raise HandshakeError("deflate", f"{name}: not these parameters")
        return "the client's"


@pytest.fixture(params=[whole, byte_by_byte], ids=lambda way: way.__name__)
def way(request):
    """How a wire is cut into reads."""
    return request.param


def answer_to(handshake, *more, without=(), status=101):
    """The bytes of a good answer, but for what is said."""
    key = handshake.request.headers["Sec-WebSocket-Key"]
    good = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(key)),
    ]
    fields = [(name, value) for name, value in good if name not in without]
    return Response(status, Headers([*fields, *more])).to_bytes()


def receive(handshake, pieces):
    results = [result for piece in pieces if (result := handshake.receive_data(piece))]
    assert len(results) == 1
    return results[0]


def refused(handshake, wire):
    with pytest.raises(HandshakeError) as caught:
        handshake.receive_data(wire)
    assert caught.value.response is not None
    return caught.value


class TestRequest:
    def test_what_is_sent(self):
        handshake = ClientHandshake(URI)
        key = handshake.request.headers["Sec-WebSocket-Key"]
        assert (
            handshake.data_to_send()
            == (
                "GET /chat?room=1 HTTP/1.1\r\n"
                "Host: example.com\r\n"
                "Upgrade: websocket\r\n"
                "Connection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\n"
                "Sec-WebSocket-Version: 13\r\n"
                f"User-Agent: {USER_AGENT}\r\n\r\n"
            ).encode()
        )
        assert handshake.data_to_send() == b""

    def test_a_uri_may_be_taken_apart_before(self):
        assert ClientHandshake(parse_uri(URI)).request.target == "/chat?room=1"

    def test_a_key_is_16_bytes_and_new_each_time(self):
        keys = {ClientHandshake(URI).request.headers["Sec-WebSocket-Key"] for _ in range(10)}
        assert len(keys) == 10
        assert {len(base64.b64decode(key, validate=True)) for key in keys} == {16}

    def test_what_can_be_asked_for(self):
        handshake = ClientHandshake(
            "wss://user:pass@example.com:8443/",
            subprotocols=["chat", "superchat"],
            deflate=FakeDeflate(),
            origin="https://example.com",
            headers=[("Cookie", "a=b"), ("Cookie", "c=d")],
            user_agent="me/1",
        )
        headers = handshake.request.headers
        assert headers["Host"] == "example.com:8443"
        assert headers["Sec-WebSocket-Protocol"] == "chat, superchat"
        assert headers["Sec-WebSocket-Extensions"] == "permessage-deflate; client_max_window_bits"
        assert headers["Origin"] == "https://example.com"
        assert headers["Authorization"] == "Basic dXNlcjpwYXNz"
        assert headers["User-Agent"] == "me/1"
        assert headers.get_all("Cookie") == ["a=b", "c=d"]

    def test_a_password_may_be_missing(self):
        headers = ClientHandshake("ws://user@a").request.headers
        assert headers["Authorization"] == "Basic dXNlcjo="

    def test_no_user_agent(self):
        assert "User-Agent" not in ClientHandshake(URI, user_agent=None).request.headers

    @pytest.mark.parametrize("name", ["Host", "Authorization", "User-Agent", "Origin"])
    def test_what_may_be_given_instead(self, name):
        handshake = ClientHandshake("ws://user:pass@a", headers={name: "given"})
        assert handshake.request.headers.get_all(name) == ["given"]

    @pytest.mark.parametrize(
        "name", ["Upgrade", "connection", "Sec-WebSocket-Key", "Content-Length"]
    )
    def test_what_may_not(self, name):
        with pytest.raises(ValueError, match="belongs to the handshake"):
            ClientHandshake(URI, headers={name: "given"})

    @pytest.mark.parametrize(
        "options",
        [
            {"origin": "a", "headers": {"Origin": "b"}},
            {"headers": [("Host", "a"), ("Host", "b")]},
        ],
    )
    def test_what_may_be_there_once(self, options):
        with pytest.raises(ValueError, match="would be sent more than once"):
            ClientHandshake(URI, **options)

    @pytest.mark.parametrize(
        "options",
        [
            {"origin": "a\r\nb: c"},
            {"user_agent": "a\nb"},
            {"headers": {"a": "b\x00"}},
            {"headers": {"a\r\nb": "c"}},
            {"subprotocols": ["a\r\nb"]},
            {"subprotocols": ["a, b"]},
            {"subprotocols": [""]},
            {"subprotocols": ["é"]},
            {"version": 12},
        ],
    )
    def test_nothing_can_be_injected(self, options):
        with pytest.raises(ValueError, match=r"can carry|token|is not known"):
            ClientHandshake(URI, **options)

    def test_a_string_is_a_mistake(self):
        with pytest.raises(TypeError, match=r"subprotocols is a list, as \['chat'\]"):
            ClientHandshake(URI, subprotocols="chat")

    @pytest.mark.parametrize("version", [7, 8])
    def test_the_drafts_spell_the_origin_otherwise(self, version):
        headers = ClientHandshake(URI, version=version, origin="http://a").request.headers
        assert headers["Sec-WebSocket-Version"] == str(version)
        assert headers["Sec-WebSocket-Origin"] == "http://a"
        assert "Origin" not in headers


class TestAnswer:
    def test_a_good_one(self, way):
        handshake = ClientHandshake(URI)
        accepted = receive(handshake, way(answer_to(handshake)))
        assert accepted.response.status == 101
        assert (accepted.subprotocol, accepted.deflate) == (None, None)
        assert handshake.trailing == b""

    def test_frames_may_follow_at_once(self):
        handshake = ClientHandshake(URI)
        assert handshake.receive_data(answer_to(handshake) + b"frame")
        assert handshake.receive_data(b"s") is None
        assert handshake.trailing == b"frames"
        handshake.receive_eof()

    def test_our_own_server_is_understood(self):
        for version in (13, 8, 7):
            handshake = ClientHandshake(
                URI,
                subprotocols=["a", "b"],
                deflate=FakeDeflate(),
                version=version,
                origin="http://a",
            )
            request = RequestReader().receive_data(handshake.data_to_send())
            theirs = accept(
                request,
                subprotocols=["b"],
                deflate=FakeDeflate(),
                versions=[version],
                origins=["http://a"],
            )
            ours = handshake.receive_data(theirs.response.to_bytes())
            assert ours.subprotocol == theirs.subprotocol == "b"
            assert (ours.deflate, theirs.deflate) == ("the client's", "the server's")
            assert ours.response == theirs.response

    def test_our_own_compression_is_agreed_on(self):
        handshake = ClientHandshake(URI, deflate=Deflate(client_max_window_bits=10))
        request = RequestReader().receive_data(handshake.data_to_send())
        theirs = accept(request, deflate=Deflate(server_no_context_takeover=True))
        ours = handshake.receive_data(theirs.response.to_bytes())
        for agreed in (ours.deflate, theirs.deflate):
            assert agreed.client_max_window_bits == 10
            assert agreed.server_no_context_takeover

    @pytest.mark.parametrize("status", [200, 301, 401, 403, 503, 499])
    def test_a_refusal_carries_the_answer(self, way, status):
        handshake = ClientHandshake(URI)
        wire = Response(status, Headers({"X-Name": "a"}), b"why").to_bytes()
        with pytest.raises(HandshakeError, match=f"the server answered {status}") as caught:
            receive(handshake, way(wire))
        response = caught.value.response
        assert caught.value.reason == "status"
        assert (response.status, response.headers["X-Name"], response.body) == (status, "a", b"why")

    def test_a_refusal_may_end_with_the_connection(self):
        handshake = ClientHandshake(URI)
        assert handshake.receive_data(b"HTTP/1.0 403 Forbidden\r\n\r\nwh") is None
        assert handshake.receive_data(b"y") is None
        with pytest.raises(HandshakeError, match="the server answered 403 Forbidden") as caught:
            handshake.receive_eof()
        assert caught.value.response.body == b"why"

    @pytest.mark.parametrize("wire", [b"", b"HTTP/1.1 101 "])
    def test_there_may_be_none(self, wire):
        handshake = ClientHandshake(URI)
        handshake.receive_data(wire)
        with pytest.raises(HandshakeError) as caught:
            handshake.receive_eof()
        assert caught.value.reason == ("unfinished_response" if wire else "no_response")
        assert caught.value.response is None

    def test_limits(self):
        handshake = ClientHandshake(URI, limits=HttpLimits(headers=2))
        with pytest.raises(HandshakeError) as caught:
            handshake.receive_data(answer_to(handshake))
        assert caught.value.reason == "too_many_headers"

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("Upgrade", None, "no_upgrade"),
            ("Upgrade", "h2c", "no_upgrade"),
            ("Upgrade", "websocket, h2c", "no_upgrade"),
            ("Connection", None, "no_connection_upgrade"),
            ("Connection", "close", "no_connection_upgrade"),
            ("Sec-WebSocket-Accept", None, "missing_header"),
            ("Sec-WebSocket-Accept", "", "accept"),
            ("Sec-WebSocket-Accept", accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "accept"),
        ],
    )
    def test_a_wrong_one(self, name, value, reason):
        handshake = ClientHandshake(URI)
        more = [] if value is None else [(name, value)]
        error = refused(handshake, answer_to(handshake, *more, without=[name]))
        assert error.reason == reason
        assert error.response.status == 101

    @pytest.mark.parametrize(
        ("name", "value"),
        [("Content-Length", "0"), ("Content-Length", "7"), ("Transfer-Encoding", "chunked")],
    )
    def test_one_that_speaks_of_a_body(self, name, value):
        handshake = ClientHandshake(URI)
        error = refused(handshake, answer_to(handshake, (name, value)))
        assert (error.reason, error.response.status) == ("response_body", 101)

    @pytest.mark.parametrize("version", [b"1.0", b"1.2", b"2.0"])
    def test_one_of_another_version_of_http(self, version):
        handshake = ClientHandshake(URI)
        error = refused(handshake, answer_to(handshake).replace(b"1.1", version, 1))
        assert (error.reason, error.response.status) == ("http_version", 101)

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("Upgrade", "websocket", "no_upgrade"),
            ("Sec-WebSocket-Accept", "again", "duplicate_header"),
        ],
    )
    def test_one_too_many(self, name, value, reason):
        handshake = ClientHandshake(URI)
        assert refused(handshake, answer_to(handshake, (name, value))).reason == reason

    @pytest.mark.parametrize(
        ("name", "value"), [("Upgrade", "WebSocket"), ("Connection", "keep-alive, upgrade")]
    )
    def test_the_case_of_tokens_does_not_matter(self, name, value):
        handshake = ClientHandshake(URI)
        wire = answer_to(handshake, (name, value), without=[name])
        assert handshake.receive_data(wire)

    def test_the_case_of_the_accept_does(self):
        handshake = ClientHandshake(URI)
        right = accept_key(handshake.request.headers["Sec-WebSocket-Key"])
        wire = answer_to(
            handshake, ("Sec-WebSocket-Accept", right.swapcase()), without=["Sec-WebSocket-Accept"]
        )
        assert refused(handshake, wire).reason == "accept"

    @given(st.binary(max_size=60))
    def test_any_bytes_are_an_answer_or_an_error(self, tail):
        handshake = ClientHandshake(URI)
        try:
            handshake.receive_data(b"HTTP/1.1 101 \r\n" + tail)
            handshake.receive_eof()
        except HandshakeError:
            pass


class TestWhatIsAgreedOn:
    def test_what_was_offered(self):
        handshake = ClientHandshake(URI, subprotocols=["a", "b"], deflate=FakeDeflate())
        wire = answer_to(
            handshake,
            ("Sec-WebSocket-Protocol", "b"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=12"),
        )
        accepted = handshake.receive_data(wire)
        assert (accepted.subprotocol, accepted.deflate) == ("b", "the client's")

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("Sec-WebSocket-Protocol", "a", "subprotocol"),
            ("Sec-WebSocket-Extensions", "a", "extension"),
        ],
    )
    def test_what_was_not(self, name, value, reason):
        handshake = ClientHandshake(URI)
        assert refused(handshake, answer_to(handshake, (name, value))).reason == reason
