"""The server's side of the opening handshake: RFC 6455 section 4.2."""

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsfast.exceptions import HandshakeError
from wsfast.protocol import handshake as module
from wsfast.protocol.handshake import accept, accept_key, is_upgrade
from wsfast.protocol.http import Headers, Request

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
    @pytest.mark.parametrize("version", ["0", "7", "8", "12", "14", "255"])
    def test_another_version_is_told_which_is_spoken(self, version):
        error = refused(replaced("Sec-WebSocket-Version", version))
        assert (error.reason, error.response.status) == ("version", 426)
        assert error.response.headers["Sec-WebSocket-Version"] == "13"
        assert error.response.headers["Upgrade"] == "websocket"

    def test_all_that_are_spoken_are_told(self):
        error = refused(replaced("Sec-WebSocket-Version", "9"), versions=(7, 8, 13))
        assert error.response.headers["Sec-WebSocket-Version"] == "13, 8, 7"

    @pytest.mark.parametrize("version", ["", "013", "+13", "13.0", "256", "13, 8", "١٣", "-1"])
    def test_what_is_no_version(self, version):
        if not version.isascii():
            version = version.encode().decode("latin-1")
        request = replaced("Sec-WebSocket-Version", version)
        assert verdict(request) == ("malformed_version", 400)

    @pytest.mark.parametrize("version", ["7", "8"])
    def test_the_drafts_are_spoken_where_they_are_allowed(self, version):
        request = replaced("Sec-WebSocket-Version", version)
        assert accept(request, versions=(13, 8, 7)).response.status == 101

    @pytest.mark.parametrize("version", ["7", "8"])
    def test_in_the_drafts_the_origin_stands_elsewhere(self, version):
        options = {"versions": (13, 8, 7), "origins": ["http://a"]}
        request = replaced("Sec-WebSocket-Version", version)
        request.headers.add("Sec-WebSocket-Origin", "http://a")
        assert accept(request, **options)
        request = replaced("Sec-WebSocket-Version", version)
        request.headers.add("Origin", "http://a")
        assert verdict(request, **options) == ("origin", 403)

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


class TestOrigins:
    @staticmethod
    def let_in(origin, origins):
        request = asked() if origin is None else asked(("Origin", origin))
        reason, status = outcome(request, origins=origins)
        assert (reason, status) in ((None, 101), ("origin", 403))
        return status == 101

    @pytest.mark.parametrize("origin", [None, "null", "https://example.com"])
    def test_anyone_where_nobody_asks(self, origin):
        assert self.let_in(origin, None)

    @pytest.mark.parametrize("origin", [None, "null", "https://example.com"])
    def test_nobody_where_the_list_is_empty(self, origin):
        assert not self.let_in(origin, [])

    @pytest.mark.parametrize(
        ("origin", "let_in"),
        [
            ("https://example.com", True),
            ("https://other.example", True),
            ("http://example.com", False),
            ("https://example.com.evil", False),
            ("https://example.com:8443", False),
            ("null", False),
            ("", False),
            (None, False),
        ],
    )
    def test_a_list(self, origin, let_in):
        origins = ["https://example.com", "https://other.example"]
        assert self.let_in(origin, origins) == let_in
        assert self.let_in(origin, set(origins)) == let_in

    def test_none_in_the_list_is_a_request_without_an_origin(self):
        assert self.let_in(None, [None, "https://a"])
        assert self.let_in("https://a", [None, "https://a"])
        assert not self.let_in("null", [None, "https://a"])

    @pytest.mark.parametrize(
        ("origin", "let_in"),
        [
            ("https://a.example.com", True),
            ("https://example.com", False),
            ("https://a.example.com.evil", False),
            ("evil https://a.example.com", False),
            (None, False),
        ],
    )
    def test_a_pattern_is_for_the_whole_origin(self, origin, let_in):
        pattern = re.compile(r"https://[a-z]+\.example\.com")
        assert self.let_in(origin, pattern) == let_in
        assert self.let_in(origin, ["https://other", pattern]) == let_in

    @pytest.mark.parametrize("origin", [None, "https://a"])
    def test_a_function(self, origin):
        asked_for = []
        assert self.let_in(origin, lambda origin: asked_for.append(origin) or True)
        assert not self.let_in(origin, lambda origin: False)
        assert asked_for == [origin]

    def test_a_function_that_is_async_lets_in_nobody(self):
        async def let_in(origin):
            return False

        with pytest.raises(TypeError, match="is async"):
            accept(asked(("Origin", "https://a")), origins=let_in)

    def test_a_string_is_a_mistake(self):
        with pytest.raises(TypeError, match=r"origins is a list, as \['https://a'\]"):
            accept(asked(("Origin", "https://a")), origins="https://a")

    def test_the_text_of_the_refusal(self):
        assert str(refused(asked(), origins=["a"])) == "a request without an origin is not let in"
        error = refused(asked(("Origin", "b" * 1000)), origins=["a"])
        assert str(error).startswith("the origin bbb")
        assert len(str(error)) < 250


class TestSubprotocols:
    @staticmethod
    def chosen(offered, **options):
        more = [] if offered is None else [("Sec-WebSocket-Protocol", offered)]
        accepted = accept(asked(*more), **options)
        assert accepted.response.headers.get("Sec-WebSocket-Protocol") == accepted.subprotocol
        return accepted.subprotocol

    @pytest.mark.parametrize(
        ("offered", "spoken", "chosen"),
        [
            ("chat", ["chat"], "chat"),
            ("a, b, c", ["c", "b"], "c"),  # what the server likes best
            ("a,b", ["b"], "b"),
            ("a", ["b"], None),
            ("Chat", ["chat"], None),  # in this case only
            ("a", [], None),
            (None, ["a"], None),
            ("", ["a"], None),
        ],
    )
    def test_the_servers_best_of_what_is_offered(self, offered, spoken, chosen):
        assert self.chosen(offered, subprotocols=spoken) == chosen

    def test_they_may_be_offered_in_several_headers(self):
        request = asked(("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b"))
        assert accept(request, subprotocols=["b", "a"]).subprotocol == "b"

    def test_a_function_chooses_in_their_stead(self):
        offers = []

        def last(offered):
            offers.append(offered)
            return offered[-1] if offered else None

        assert self.chosen("a, b", subprotocols=["a"], select_subprotocol=last) == "b"
        assert self.chosen(None, subprotocols=["a"], select_subprotocol=last) is None
        assert offers == [["a", "b"], []]

    def test_a_function_chooses_what_was_offered(self):
        with pytest.raises(ValueError, match="chose 'c', which was not offered"):
            self.chosen("a, b", select_subprotocol=lambda offered: "c")

    def test_a_function_may_refuse(self):
        def none_will_do(offered):
            raise HandshakeError("subprotocol", "none of these will do")

        with pytest.raises(HandshakeError, match="none of these"):
            self.chosen("a, b", select_subprotocol=none_will_do)

    def test_a_string_is_a_mistake(self):
        with pytest.raises(TypeError, match=r"subprotocols is a list, as \['chat'\]"):
            self.chosen("chat", subprotocols="chat")


class TestExtensions:
    def test_what_is_agreed_on(self):
        deflate = FakeDeflate()
        accepted = accept(
            asked(
                ("Sec-WebSocket-Extensions", "foo; bar=1"),
                ("Sec-WebSocket-Extensions", "permessage-deflate"),
            ),
            deflate=deflate,
        )
        assert deflate.offers == [("foo", [("bar", "1")]), ("permessage-deflate", [])]
        assert accepted.deflate == "parameters"
        assert accepted.response.headers["Sec-WebSocket-Extensions"] == (
            "permessage-deflate; server_no_context_takeover"
        )

    @pytest.mark.parametrize("offered", ["foo", ""])
    def test_what_is_not_agreed_on(self, offered):
        accepted = accept(asked(("Sec-WebSocket-Extensions", offered)), deflate=FakeDeflate())
        assert accepted.deflate is None
        assert "Sec-WebSocket-Extensions" not in accepted.response.headers

    def test_the_same_again_is_not_agreed_on_anew(self):
        deflate = FakeDeflate()
        request = asked(("Sec-WebSocket-Extensions", "permessage-deflate"))
        first = accept(request, deflate=deflate)
        deflate.accept = None
        assert accept(request, deflate=deflate) == first
        assert accept(request, deflate=FakeDeflate()) == first

    def test_without_settings_nothing_is_agreed_on(self):
        accepted = accept(asked(("Sec-WebSocket-Extensions", "permessage-deflate")))
        assert accepted.deflate is None
        assert "Sec-WebSocket-Extensions" not in accepted.response.headers


class TestIsUpgrade:
    @pytest.mark.parametrize("value", ["websocket", "WebSocket", "h2c, websocket"])
    def test_what_wants_a_websocket(self, value):
        assert is_upgrade(Request("GET", "/", Headers({"Upgrade": value})))

    @pytest.mark.parametrize("value", ["h2c", "", "websockets"])
    def test_what_does_not(self, value):
        assert not is_upgrade(Request("GET", "/", Headers({"Upgrade": value})))
        assert not is_upgrade(Request("GET", "/", Headers()))
