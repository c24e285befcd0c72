"""The server's side of the opening handshake: RFC 6455 section 4.2."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsfast.exceptions import HandshakeError
from wsfast.protocol import upgrade_h1 as module
from wsfast.protocol.http import Headers, Request
from wsfast.protocol.upgrade_h1 import accept, accept_key

KEY = "dGhlIHNhbXBsZSBub25jZQ=="

GOOD = [
    ("Host", "server.example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
]


class FakeDeflate:
    """Settings that agree to whatever is offered under their name, and remember it."""

    def accept(self, offers):
        self.offers = offers
        for name, _ in offers:
            if name == "permessage-deflate":
                return (name, [("server_no_context_takeover", None)]), "parameters"
        return None


def asked(*more, without=(), method="GET", version="1.1"):
    """A good request, but for what is said."""
    headers = [(name, value) for name, value in GOOD if name not in without]
    return Request(method, "/chat", Headers([*headers, *more]), version)


def replaced(name, value):
    return asked((name, value), without=[name])


def refused(request, **options):
    """The error with which a request is refused."""
    with pytest.raises(HandshakeError) as caught:
        accept(request, **options)
    response = caught.value.response
    assert response.body.decode() == f"{caught.value}\n"
    assert response.to_bytes().startswith(f"HTTP/1.1 {response.status} ".encode())
    return caught.value


def outcome(request, **options):
    """The reason of a refusal, if it is one, and the status."""
    try:
        return None, accept(request, **options).response.status
    except HandshakeError as exc:
        return exc.reason, exc.response.status


def answer(request, **options):
    """All that is answered."""
    try:
        return accept(request, **options)
    except HandshakeError as exc:
        return exc.reason, str(exc), exc.response


def verdict(request, **options):
    error = refused(request, **options)
    return error.reason, error.response.status


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0


def test_the_key_of_section_1_3():
    assert accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class TestAccept:
    def test_the_answer(self):
        accepted = accept(asked())
        assert accepted.response.to_bytes() == (
            b"HTTP/1.1 101 Switching Protocols\r\n"
            b"Upgrade: websocket\r\n"
            b"Connection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        assert (accepted.subprotocol, accepted.deflate) == (None, None)

    def test_its_headers_can_be_looked_up(self):
        headers = accept(asked()).response.headers
        assert headers["upgrade"] == "websocket"
        assert headers["sec-websocket-accept"] == accept_key(KEY)

    @pytest.mark.parametrize("name", [name for name, _ in GOOD])
    def test_names_in_any_case(self, name):
        value = dict(GOOD)[name]
        for spelling in (name.lower(), name.upper()):
            assert accept(asked((spelling, value), without=[name]))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("Upgrade", "WebSocket"),
            ("Upgrade", "h2c, websocket"),
            ("Connection", "upgrade"),
            ("Connection", "keep-alive, Upgrade"),
            ("Connection", "Upgrade,keep-alive"),
        ],
    )
    def test_ways_to_ask_for_an_upgrade(self, name, value):
        assert accept(replaced(name, value))

    def test_lists_may_be_spread_over_headers(self):
        assert accept(asked(("Upgrade", "h2c"), ("Connection", "keep-alive")))

    def test_an_empty_body_is_no_body(self):
        assert accept(asked(("Content-Length", "0")))

    def test_more_headers(self):
        response = accept(asked(), headers=[("Set-Cookie", "a"), ("Set-Cookie", "b")]).response
        assert response.headers.get_all("Set-Cookie") == ["a", "b"]
        assert accept(asked(), headers={"Server": "wsfast"}).response.headers["server"] == "wsfast"

    @pytest.mark.parametrize(
        "name", ["Upgrade", "connection", "Sec-WebSocket-Accept", "Content-Length"]
    )
    def test_more_headers_are_not_the_handshakes(self, name):
        with pytest.raises(ValueError, match="belongs to the handshake"):
            accept(asked(), headers={name: "1"})

    def test_more_headers_are_checked_once(self, monkeypatch):
        request, headers = asked(), Headers({"Server": "wsfast"})
        monkeypatch.setattr(Headers, "add", None)
        assert accept(request, headers=headers).response.headers["Server"]

    def test_more_headers_cannot_inject(self):
        with pytest.raises(ValueError, match="no header can carry"):
            accept(asked(), headers={"Name": "a\r\nb: c"})


class TestRefusal:
    @pytest.mark.parametrize("method", ["POST", "HEAD", "get", "M" * 5000])
    def test_methods_but_get(self, method):
        error = refused(asked(method=method))
        assert (error.reason, error.response.status) == ("method", 405)
        assert error.response.headers["Allow"] == "GET"
        assert len(error.response.body) < 300

    def test_http_1_0(self):
        assert verdict(asked(version="1.0")) == ("http_version", 400)

    @pytest.mark.parametrize("value", ["h2c", "websockets", "web socket", ""])
    def test_no_upgrade_to_websocket(self, value):
        for request in (asked(without=["Upgrade"]), replaced("Upgrade", value)):
            error = refused(request)
            assert (error.reason, error.response.status) == ("no_upgrade", 426)
            assert error.response.headers["Upgrade"] == "websocket"
            assert error.response.headers["Connection"] == "Upgrade, close"

    @pytest.mark.parametrize("value", ["keep-alive", "close", ""])
    def test_a_connection_header_that_a_proxy_has_changed(self, value):
        for request in (asked(without=["Connection"]), replaced("Connection", value)):
            assert verdict(request) == ("no_connection_upgrade", 400)

    @pytest.mark.parametrize("name", ["Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version"])
    def test_what_is_missing(self, name):
        assert verdict(asked(without=[name])) == ("missing_header", 400)
        assert f"{name} is missing" in str(refused(asked(without=[name])))

    @pytest.mark.parametrize(
        "name", ["Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Origin"]
    )
    def test_what_stands_there_twice(self, name):
        value = dict(GOOD).get(name, "https://example.com")
        request = asked((name, value), (name.lower(), value), without=[name])
        assert verdict(request) == ("duplicate_header", 400)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("Content-Length", "1"), ("Content-Length", "00"), ("Transfer-Encoding", "chunked")],
    )
    def test_a_body(self, name, value):
        assert verdict(asked((name, value))) == ("request_body", 400)

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",  # no padding
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25j",  # 15 bytes
            "dGhlIHNhbXBsZSBub25jZWE=",  # 17 bytes
            "dGhlIHNhbXBsZSBub25j-Q==",
            "dGhlIHNhbXBsZSB ub25jZQ==",
            "é" * 22 + "==",
        ],
    )
    def test_a_key_that_is_not_16_bytes_in_base64(self, key):
        assert verdict(replaced("Sec-WebSocket-Key", key)) == ("malformed_key", 400)

    def test_a_sub_protocol_that_is_not_a_token(self):
        request = asked(("Sec-WebSocket-Protocol", "chat, super chat"))
        assert verdict(request) == ("malformed_subprotocols", 400)

    def test_extensions_that_do_not_follow_the_grammar(self):
        request = asked(("Sec-WebSocket-Extensions", "permessage-deflate;"))
        assert verdict(request) == ("malformed_extensions", 400)

    @given(
        st.lists(
            st.sampled_from(
                [
                    *GOOD,
                    # Spoiled; but a host may have any name.
                    *[(name, value[:-1]) for name, value in GOOD if name != "Host"],
                    ("Sec-WebSocket-Protocol", "chat"),
                    ("Sec-WebSocket-Protocol", "é"),
                    ("Sec-WebSocket-Extensions", "x; y"),
                    ("Sec-WebSocket-Extensions", '"'),
                    ("Origin", "null"),
                    ("Content-Length", "0"),
                ]
            ),
            max_size=10,
        )
    )
    def test_any_request_is_accepted_or_refused(self, fields):
        request = Request("GET", "/", Headers(fields))
        _, status = outcome(request, deflate=FakeDeflate(), subprotocols=["chat"])
        assert status == 101 or 400 <= status < 500
        if status == 101:
            assert set(GOOD) <= set(fields)


SPOILED = st.sampled_from(
    [
        *GOOD,
        ("Connection", "keep-alive, Upgrade"),
        ("connection", "upgrade, close"),
        ("upgrade", "h2c"),
        ("host", "b"),
        ("SEC-WEBSOCKET-KEY", KEY),
        ("Sec-WebSocket-Key", KEY[1:]),
        ("Sec-WebSocket-Key1", "1"),
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Protocol", "a, b "),
        ("sec-websocket-protocol", "c"),
        ("Sec-WebSocket-Protocol", "(a)"),
        ("Sec-WebSocket-Extensions", "permessage-deflate "),
        ("Sec-WebSocket-Extensions", "x; "),
        ("Origin", "http://a"),
        ("Origin", ""),
        ("origin", " http://b "),
        ("Content-Length", "0"),
        ("Content-Length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Hostile", "upgrade: websocket"),
        ("X-Other", "\xe9"),
    ]
)


class TestTheUsualRequest:
    """What is read by one expression gets the verdict that it would get header by header."""

    @given(
        headers=st.lists(SPOILED, max_size=4)
        .map(lambda more: [*GOOD, *more])
        .flatmap(st.permutations),
        left_out=st.integers(0, 2),
        method=st.sampled_from(["GET", "GET", "POST"]),
        version=st.sampled_from(["1.1", "1.1", "1.0"]),
        versions=st.sampled_from([(13,), (13, 8), (8,)]),
    )
    def test_it_gets_the_same_answer(self, headers, left_out, method, version, versions):
        request = Request(method, "/", Headers(headers[left_out:]), version)
        origins = [None, "http://a"]
        options = {"versions": versions, "origins": origins, "subprotocols": ["b", "c"]}
        short = answer(request, **options)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_read_usual", lambda *_: None)
            assert answer(request, **options) == short

    def test_a_good_one_is_read_so(self, monkeypatch):
        monkeypatch.setattr(module, "_read", None)
        assert accept(asked(("Origin", "http://a"), ("Cookie", "a=b"))).response.status == 101


class TestVersions:
    def test_another_version_is_told_which_upgrade_is_required(self):
        error = refused(replaced("Sec-WebSocket-Version", "8"))
        assert (error.reason, error.response.status) == ("version", 426)
        assert error.response.headers["Sec-WebSocket-Version"] == "13"
        assert error.response.headers["Upgrade"] == "websocket"
        assert error.response.headers["Connection"] == "Upgrade, close"

    @pytest.mark.parametrize("version", ["7", "8"])
    def test_the_drafts_are_spoken_where_they_are_allowed(self, version):
        request = replaced("Sec-WebSocket-Version", version)
        assert accept(request, versions=(13, 8, 7)).response.status == 101

    def test_hixie_75_is_refused_by_its_name(self):
        request = asked(
            ("WebSocket-Protocol", "chat"), without=["Sec-WebSocket-Key", "Sec-WebSocket-Version"]
        )
        assert verdict(request) == ("hixie_75", 400)

    def test_hixie_76_is_refused_by_its_name(self):
        request = asked(
            ("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"),
            ("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"),
            without=["Sec-WebSocket-Key", "Sec-WebSocket-Version"],
        )
        assert verdict(request) == ("hixie_76", 400)


class TestWhatIsAgreedOn:
    def test_it_is_told_the_client(self):
        accepted = accept(
            asked(
                ("Origin", "https://a"),
                ("Sec-WebSocket-Protocol", "a, b"),
                ("Sec-WebSocket-Extensions", "permessage-deflate"),
            ),
            origins=["https://a"],
            subprotocols=["b"],
            deflate=FakeDeflate(),
        )
        assert (accepted.subprotocol, accepted.deflate) == ("b", "parameters")
        headers = accepted.response.headers
        assert headers["Sec-WebSocket-Protocol"] == "b"
        assert headers["Sec-WebSocket-Extensions"] == (
            "permessage-deflate; server_no_context_takeover"
        )

    def test_nothing_is_told_of_what_is_not(self):
        headers = accept(
            asked(("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Extensions", "x"))
        ).response.headers
        assert "Sec-WebSocket-Protocol" not in headers
        assert "Sec-WebSocket-Extensions" not in headers

    def test_an_origin_that_is_not_let_in_is_refused(self):
        assert verdict(asked(("Origin", "https://b")), origins=["https://a"]) == ("origin", 403)

    def test_a_function_may_choose_the_sub_protocol(self):
        request = asked(("Sec-WebSocket-Protocol", "a, b"))
        assert accept(request, select_subprotocol=lambda offered: "a").subprotocol == "a"
