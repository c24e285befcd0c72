"""What both ends agree on, whichever way a WebSocket is opened: RFC 6455 section 4."""

import re

import pytest

from wsfast.exceptions import HandshakeError
from wsfast.protocol.headers import Headers
from wsfast.protocol.http import Request
from wsfast.protocol.negotiation import (
    ClientOffer,
    agree,
    is_upgrade,
    read_offer,
    read_version,
)


class FakeDeflate:
    """Settings that offer one extension, and agree to whatever is offered under its name."""

    def offer(self):
        return [("permessage-deflate", [("client_max_window_bits", None)])]

    def accept(self, offers):
        self.offers = offers
        for name, _ in offers:
            if name == "permessage-deflate":
                return (name, [("server_no_context_takeover", None)]), "the server's"
        return None

    def agree(self, agreed):
        name, params = agreed
        if params != [("client_max_window_bits", "12")]:
            raise HandshakeError("deflate", f"{name}: not these parameters")
        return "the client's"


def negotiate(*headers, version="13", versions=(13,), **terms):
    """What a server agrees to."""
    fields = Headers([("Sec-WebSocket-Version", version), *headers]).by_name()
    return agree(read_offer(fields, read_version(fields, versions)), **terms)


def refused(*headers, **options):
    """The error with which a server refuses."""
    with pytest.raises(HandshakeError) as caught:
        negotiate(*headers, **options)
    assert caught.value.response.body.decode() == f"{caught.value}\n"
    return caught.value


def verdict(*headers, **options):
    error = refused(*headers, **options)
    return error.reason, error.response.status


class TestVersions:
    @pytest.mark.parametrize("version", ["0", "7", "8", "12", "14", "255"])
    def test_another_version_is_told_which_is_spoken(self, version):
        error = refused(version=version)
        assert (error.reason, error.response.status) == ("version", 426)
        assert error.response.headers["Sec-WebSocket-Version"] == "13"

    def test_all_that_are_spoken_are_told(self):
        error = refused(version="9", versions=(7, 8, 13))
        assert error.response.headers["Sec-WebSocket-Version"] == "13, 8, 7"

    @pytest.mark.parametrize("version", ["", "013", "+13", "13.0", "256", "13, 8", "١٣", "-1"])
    def test_what_is_no_version(self, version):
        if not version.isascii():
            version = version.encode().decode("latin-1")
        assert verdict(version=version) == ("malformed_version", 400)

    def test_it_is_named_once(self):
        assert verdict(("sec-websocket-version", "13")) == ("duplicate_header", 400)
        with pytest.raises(HandshakeError) as caught:
            read_version({}, (13,))
        assert caught.value.reason == "missing_header"

    @pytest.mark.parametrize("version", ["7", "8"])
    def test_the_drafts_are_spoken_where_they_are_allowed(self, version):
        assert negotiate(version=version, versions=(13, 8, 7))

    @pytest.mark.parametrize("version", ["7", "8"])
    def test_in_the_drafts_the_origin_stands_elsewhere(self, version):
        options = {"version": version, "versions": (13, 8, 7), "origins": ["http://a"]}
        assert negotiate(("Sec-WebSocket-Origin", "http://a"), **options)
        assert verdict(("Origin", "http://a"), **options) == ("origin", 403)


class TestOrigins:
    @staticmethod
    def let_in(origin, origins):
        headers = [] if origin is None else [("Origin", origin)]
        try:
            negotiate(*headers, origins=origins)
        except HandshakeError:
            return False
        return True

    def test_the_refusal(self):
        assert verdict(origins=["https://a"]) == ("origin", 403)

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
            negotiate(("Origin", "https://a"), origins=let_in)

    def test_a_string_is_a_mistake(self):
        with pytest.raises(TypeError, match=r"origins is a list, as \['https://a'\]"):
            negotiate(("Origin", "https://a"), origins="https://a")

    def test_the_text_of_the_refusal(self):
        assert str(refused(origins=["a"])) == "a request without an origin is not let in"
        error = refused(("Origin", "b" * 1000), origins=["a"])
        assert str(error).startswith("the origin bbb")
        assert len(str(error)) < 250

    @pytest.mark.parametrize(
        ("origin", "draft_origin", "let_in"),
        [
            (None, None, True),
            (None, "https://a", True),
            (None, "https://evil", False),
            ("https://evil", None, False),  # which does not pass for a request without an origin
            ("https://evil", "https://a", False),
            ("https://a", "https://evil", False),
            ("https://a", "https://a", True),
        ],
    )
    @pytest.mark.parametrize("version", ["7", "8"])
    def test_in_the_drafts_either_header_must_be_let_in(
        self, version, origin, draft_origin, let_in
    ):
        named = [("Origin", origin), ("Sec-WebSocket-Origin", draft_origin)]
        headers = [(name, value) for name, value in named if value is not None]
        options = {"version": version, "versions": (13, 8, 7)}
        for origins in ([None, "https://a"], lambda origin: origin in (None, "https://a")):
            if let_in:
                assert negotiate(*headers, origins=origins, **options)
            else:
                assert verdict(*headers, origins=origins, **options) == ("origin", 403)

    def test_it_is_named_once(self):
        headers = ("Origin", "https://a"), ("origin", "https://a")
        assert verdict(*headers) == ("duplicate_header", 400)


class TestSubprotocols:
    @staticmethod
    def chosen(offered, **options):
        headers = [] if offered is None else [("Sec-WebSocket-Protocol", offered)]
        return negotiate(*headers, **options)[0]

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
        headers = ("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")
        assert negotiate(*headers, subprotocols=["b", "a"])[0] == "b"

    def test_one_that_is_not_a_token_is_malformed(self):
        header = ("Sec-WebSocket-Protocol", "chat, super chat")
        assert verdict(header) == ("malformed_subprotocols", 400)

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
        agreed = negotiate(
            ("Sec-WebSocket-Extensions", "foo; bar=1"),
            ("Sec-WebSocket-Extensions", "permessage-deflate"),
            deflate=deflate,
        )
        assert deflate.offers == [("foo", [("bar", "1")]), ("permessage-deflate", [])]
        header = "permessage-deflate; server_no_context_takeover"
        assert agreed == (None, "the server's", header)

    @pytest.mark.parametrize("offered", ["foo", ""])
    def test_what_is_not_agreed_on(self, offered):
        header = ("Sec-WebSocket-Extensions", offered)
        assert negotiate(header, deflate=FakeDeflate()) == (None, None, "")

    def test_what_does_not_follow_the_grammar(self):
        header = ("Sec-WebSocket-Extensions", "permessage-deflate;")
        assert verdict(header) == ("malformed_extensions", 400)

    def test_the_same_again_is_not_agreed_on_anew(self):
        deflate = FakeDeflate()
        header = ("Sec-WebSocket-Extensions", "permessage-deflate")
        first = negotiate(header, deflate=deflate)
        deflate.accept = None
        assert negotiate(header, deflate=deflate) == first
        assert negotiate(header, deflate=FakeDeflate()) == first

    def test_without_settings_nothing_is_agreed_on(self):
        header = ("Sec-WebSocket-Extensions", "permessage-deflate")
        assert negotiate(header) == (None, None, "")


class TestIsUpgrade:
    @pytest.mark.parametrize("value", ["websocket", "WebSocket", "h2c, websocket"])
    def test_what_wants_a_websocket(self, value):
        assert is_upgrade(Request("GET", "/", Headers({"Upgrade": value})))

    @pytest.mark.parametrize("value", ["h2c", "", "websockets"])
    def test_what_does_not(self, value):
        assert not is_upgrade(Request("GET", "/", Headers({"Upgrade": value})))
        assert not is_upgrade(Request("GET", "/", Headers()))


# The client.


class TestClientOffer:
    def test_what_is_offered(self):
        offer = ClientOffer(
            subprotocols=["chat", "superchat"], deflate=FakeDeflate(), origin="https://example.com"
        )
        assert offer.fields() == [
            ("Sec-WebSocket-Version", "13"),
            ("Origin", "https://example.com"),
            ("Sec-WebSocket-Protocol", "chat, superchat"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ]

    def test_nothing_is_offered_but_a_version(self):
        assert ClientOffer().fields() == [("Sec-WebSocket-Version", "13")]

    @pytest.mark.parametrize("version", [7, 8])
    def test_the_drafts_spell_the_origin_otherwise(self, version):
        assert ClientOffer(version=version, origin="http://a").fields() == [
            ("Sec-WebSocket-Version", str(version)),
            ("Sec-WebSocket-Origin", "http://a"),
        ]

    def test_a_version_that_is_not_known(self):
        with pytest.raises(ValueError, match="version 12 of the protocol is not known"):
            ClientOffer(version=12)

    @pytest.mark.parametrize("subprotocol", ["a\r\nb", "a, b", "", "é"])
    def test_a_subprotocol_is_a_token(self, subprotocol):
        with pytest.raises(ValueError, match="is not a token"):
            ClientOffer(subprotocols=[subprotocol])

    @pytest.mark.parametrize(
        ("subprotocols", "error", "text"),
        [
            ("chat", TypeError, r"subprotocols is a list, as \['chat'\]"),
            (b"chat", TypeError, "subprotocols is a list"),
            (None, TypeError, r"must be a list, as \['chat'\], not None"),
            ([b"chat"], TypeError, "must be a str, not b'chat'"),
            (["chat", "chat"], ValueError, "are not all different"),
        ],
    )
    def test_subprotocols_are_a_list_of_different_strings(self, subprotocols, error, text):
        with pytest.raises(error, match=text):
            ClientOffer(subprotocols=subprotocols)

    def test_an_origin_is_a_string(self):
        with pytest.raises(TypeError, match="origin must be a str or None"):
            ClientOffer(origin=1)


def judge(offer, *headers):
    return offer.judge(Headers(headers).by_name())


def reason(offer, *headers):
    with pytest.raises(HandshakeError) as caught:
        judge(offer, *headers)
    return caught.value.reason


class TestTheServersSubprotocol:
    def test_one_of_those_offered(self):
        offer = ClientOffer(subprotocols=["a", "b"])
        assert judge(offer, ("Sec-WebSocket-Protocol", "b")) == ("b", None)

    def test_none(self):
        assert judge(ClientOffer(subprotocols=["a", "b"])) == (None, None)

    def test_none_in_an_empty_header(self):
        offer = ClientOffer(subprotocols=["a", "b"])
        assert judge(offer, ("Sec-WebSocket-Protocol", "")) == (None, None)

    @pytest.mark.parametrize("chosen", ["c", "a, b", "A"])
    @pytest.mark.parametrize("offered", [[], ["a", "b"]])
    def test_one_that_was_not_offered(self, offered, chosen):
        offer = ClientOffer(subprotocols=offered)
        assert reason(offer, ("Sec-WebSocket-Protocol", chosen)) == "subprotocol"

    def test_two(self):
        chosen = ("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")
        assert reason(ClientOffer(subprotocols=["a", "b"]), *chosen) == "duplicate_header"


class TestTheServersExtensions:
    def test_what_was_offered(self):
        header = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=12")
        assert judge(ClientOffer(deflate=FakeDeflate()), header) == (None, "the client's")

    @pytest.mark.parametrize("value", ["", ","])
    @pytest.mark.parametrize("deflate", [None, FakeDeflate()])
    def test_none(self, value, deflate):
        offer = ClientOffer(deflate=deflate)
        assert judge(offer, ("Sec-WebSocket-Extensions", value)) == (None, None)

    @pytest.mark.parametrize(
        ("value", "deflate", "expected"),
        [
            ("permessage-deflate", None, "extension"),
            ("foo", FakeDeflate(), "extension"),
            ("permessage-deflate, foo", FakeDeflate(), "extension"),
            ("permessage-deflate, permessage-deflate", FakeDeflate(), "extension"),
            ("permessage-deflate;", FakeDeflate(), "malformed_extensions"),
            ("permessage-deflate; x", FakeDeflate(), "deflate"),
        ],
    )
    def test_what_is_wrong(self, value, deflate, expected):
        offer = ClientOffer(deflate=deflate)
        assert reason(offer, ("Sec-WebSocket-Extensions", value)) == expected
