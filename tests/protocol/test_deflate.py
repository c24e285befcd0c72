"""permessage-deflate: what is offered, answered and agreed (RFC 7692 section 7.1)."""

import doctest
import sys

import pytest

from wsfast.exceptions import HandshakeError
from wsfast.protocol import deflate as module
from wsfast.protocol.deflate import Deflate, DeflateParameters
from wsfast.protocol.extensions import format_extensions, parse_extensions
from wsfast.rfc6455 import Role

DEFLATE = "permessage-deflate"


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0


def with_name(parameters):
    return f"{DEFLATE}; {parameters}" if parameters else DEFLATE


def answer_to(offers, **settings):
    """The header that a server answers with, and the parameters that it works with."""
    accepted = Deflate(**settings).accept(parse_extensions(offers))
    if accepted is None:
        return None, None
    answer, parameters = accepted
    return format_extensions([answer]).removeprefix(DEFLATE).removeprefix("; "), parameters


def agree_to(parameters, **settings):
    [answer] = parse_extensions(with_name(parameters))
    return Deflate(**settings).agree(answer)


def windows(parameters):
    return parameters.server_max_window_bits, parameters.client_max_window_bits


def takeovers(parameters):
    return not parameters.server_no_context_takeover, not parameters.client_no_context_takeover


class TestOffering:
    @pytest.mark.parametrize(
        ("settings", "offer"),
        [
            ({}, "client_max_window_bits"),
            ({"client_max_window_bits": 10}, "client_max_window_bits=10"),
            ({"client_max_window_bits": 15}, "client_max_window_bits"),
            ({"server_max_window_bits": 15}, "client_max_window_bits"),
            (
                {"server_max_window_bits": 8},
                "server_max_window_bits=8; client_max_window_bits",
            ),
            (
                {"server_no_context_takeover": True, "client_no_context_takeover": True},
                "server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
            ),
        ],
    )
    def test_a_client_offers_what_it_was_told_to(self, settings, offer):
        assert format_extensions(Deflate(**settings).offer()) == with_name(offer)


class TestAccepting:
    @pytest.mark.parametrize(
        ("offer", "settings", "answer", "bits"),
        [
            # The server's own window: never above what is offered.
            ("", {}, "server_max_window_bits=12", (12, 15)),
            ("", {"server_max_window_bits": 15}, "", (15, 15)),
            ("server_max_window_bits=10", {}, "server_max_window_bits=10", (10, 15)),
            ("server_max_window_bits=8", {}, "server_max_window_bits=8", (8, 15)),
            ("server_max_window_bits=15", {}, "server_max_window_bits=12", (12, 15)),
            (
                "server_max_window_bits=15",
                {"server_max_window_bits": 15},
                "server_max_window_bits=15",
                (15, 15),
            ),
            (
                "server_max_window_bits=11",
                {"server_max_window_bits": 9},
                "server_max_window_bits=9",
                (9, 15),
            ),
            # The client's: only where the client lets the server choose.
            ("", {"client_max_window_bits": 9}, "server_max_window_bits=12", (12, 15)),
            (
                "client_max_window_bits",
                {},
                "server_max_window_bits=12; client_max_window_bits=12",
                (12, 12),
            ),
            (
                "client_max_window_bits",
                {"client_max_window_bits": 15},
                "server_max_window_bits=12",
                (12, 15),
            ),
            (
                "client_max_window_bits=15",
                {"client_max_window_bits": 8},
                "server_max_window_bits=12; client_max_window_bits=8",
                (12, 8),
            ),
            (
                "client_max_window_bits=9",
                {},
                "server_max_window_bits=12; client_max_window_bits=9",
                (12, 9),
            ),
            (
                'client_max_window_bits="9"; server_max_window_bits="10"',
                {},
                "server_max_window_bits=10; client_max_window_bits=9",
                (10, 9),
            ),
        ],
    )
    def test_windows(self, offer, settings, answer, bits):
        got, parameters = answer_to(with_name(offer), **settings)
        assert got == answer
        assert windows(parameters) == bits

    @pytest.mark.parametrize("server", ["offered", "wanted", "both", "neither"])
    @pytest.mark.parametrize("client", ["offered", "wanted", "both", "neither"])
    def test_there_is_no_takeover_where_one_end_wants_none(self, server, client):
        names = {"server_no_context_takeover": server, "client_no_context_takeover": client}
        offer = [name for name, who in names.items() if who in ("offered", "both")]
        settings = {name: who in ("wanted", "both") for name, who in names.items()}
        answer, parameters = answer_to(
            with_name("; ".join(offer)), server_max_window_bits=15, **settings
        )
        assert answer == "; ".join(name for name, who in names.items() if who != "neither")
        assert takeovers(parameters) == (server == "neither", client == "neither")

    @pytest.mark.parametrize(
        "bad",
        [
            "unknown",
            "unknown=1",
            "Server_No_Context_Takeover",
            "server_no_context_takeover=1",
            "client_no_context_takeover=true",
            'client_no_context_takeover="8"',
            "server_max_window_bits",
            *(
                f"{end}_max_window_bits={value}"
                for end in ("server", "client")
                for value in ("7", "16", "0", "08", "8.0", "0x8", "+9", "-9", "1e1", "nine", "100")
            ),
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover; client_no_context_takeover",
            "server_max_window_bits=9; server_max_window_bits=9",
            "client_max_window_bits; client_max_window_bits=9",
        ],
    )
    def test_a_bad_offer_is_declined_and_the_next_one_taken(self, bad):
        assert answer_to(with_name(bad)) == (None, None)
        good = with_name("server_max_window_bits=9")
        answer, _ = answer_to(f"{with_name(bad)}, {good}")
        assert answer == "server_max_window_bits=9"

    def test_the_first_good_offer_is_taken(self):
        answer, _ = answer_to(
            f"{DEFLATE}; server_max_window_bits=10, {DEFLATE}; server_max_window_bits=9, {DEFLATE}"
        )
        assert answer == "server_max_window_bits=10"

    @pytest.mark.parametrize("offers", ["", "x-webkit-deflate-frame", "permessage-bzip2; a=1"])
    def test_other_extensions_are_no_concern(self, offers):
        assert Deflate().accept(parse_extensions(offers) if offers else []) is None

    def test_other_extensions_may_stand_before_it(self):
        answer, _ = answer_to(f"foo; unknown, {DEFLATE}")
        assert answer == "server_max_window_bits=12"


class TestAgreeing:
    @pytest.mark.parametrize(
        ("settings", "answer", "bits"),
        [
            # Our own window is 12 bits unless we are told otherwise, by either side.
            ({}, "", (15, 12)),
            ({}, "client_max_window_bits=15", (15, 12)),
            ({}, "client_max_window_bits=9", (15, 9)),
            ({}, "client_max_window_bits=8", (15, 8)),
            ({"client_max_window_bits": 15}, "", (15, 15)),
            ({"client_max_window_bits": 10}, "", (15, 10)),
            ({"client_max_window_bits": 10}, "client_max_window_bits=10", (15, 10)),
            ({"client_max_window_bits": 10}, "client_max_window_bits=9", (15, 9)),
            # "A server may include" it though nobody asked.
            ({}, "server_max_window_bits=9", (9, 12)),
            ({"server_max_window_bits": 10}, "server_max_window_bits=10", (10, 12)),
            ({"server_max_window_bits": 10}, "server_max_window_bits=8", (8, 12)),
            ({"server_max_window_bits": 15}, "", (15, 12)),
        ],
    )
    def test_windows(self, settings, answer, bits):
        assert windows(agree_to(answer, **settings)) == bits

    @pytest.mark.parametrize(
        ("settings", "answer", "both"),
        [
            ({}, "", (True, True)),
            ({}, "server_no_context_takeover", (False, True)),
            ({}, "client_no_context_takeover", (True, False)),
            ({"client_no_context_takeover": True}, "", (True, False)),
            ({"server_no_context_takeover": True}, "server_no_context_takeover", (False, True)),
        ],
    )
    def test_takeovers(self, settings, answer, both):
        assert takeovers(agree_to(answer, **settings)) == both

    @pytest.mark.parametrize(
        ("settings", "answer"),
        [
            ({"server_no_context_takeover": True}, ""),
            ({"server_max_window_bits": 10}, ""),
            ({"server_max_window_bits": 10}, "server_max_window_bits=11"),
            ({"client_max_window_bits": 10}, "client_max_window_bits=11"),
        ],
    )
    def test_a_server_that_does_not_keep_to_the_offer(self, settings, answer):
        with pytest.raises(HandshakeError) as info:
            agree_to(answer, **settings)
        assert info.value.reason == "deflate_terms"

    @pytest.mark.parametrize(
        "answer",
        [
            "unknown",
            "client_max_window_bits",
            "server_max_window_bits",
            "server_max_window_bits=16",
            "client_max_window_bits=010",
            "server_no_context_takeover=0",
            "server_no_context_takeover; server_no_context_takeover",
        ],
    )
    def test_an_answer_that_is_malformed(self, answer):
        with pytest.raises(HandshakeError) as info:
            agree_to(answer)
        assert info.value.reason == "deflate_parameter"

    def test_a_long_name_is_told_in_short(self):
        with pytest.raises(HandshakeError) as info:
            agree_to("a" * 5000)
        assert len(str(info.value)) < 300

    @pytest.mark.parametrize("server", [None, *range(8, 16)])
    @pytest.mark.parametrize("client", [None, *range(8, 16)])
    def test_what_our_server_answers_our_client_agrees_to(self, server, client):
        one = Deflate(server_max_window_bits=server, client_max_window_bits=client)
        other = Deflate(client_max_window_bits=server, server_max_window_bits=client)
        answer, on_server = other.accept(one.offer())
        on_client = one.agree(answer)
        assert on_client.server_max_window_bits == on_server.server_max_window_bits
        assert on_client.client_max_window_bits <= on_server.client_max_window_bits


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "error", "text"),
        [
            ({"server_max_window_bits": 7}, ValueError, "server_max_window_bits must be 8 to 15"),
            ({"client_max_window_bits": 16}, ValueError, "client_max_window_bits must be 8 to 15"),
            ({"client_max_window_bits": "9"}, TypeError, "client_max_window_bits must be an int"),
            ({"mem_level": 0}, ValueError, "mem_level must be 1 to 9: 0"),
            ({"mem_level": 10}, ValueError, "mem_level must be 1 to 9: 10"),
            ({"level": 10}, ValueError, "level must be 0 to 9: 10"),
            ({"level": 4, "backend": "isal"}, ValueError, "level must be 0 to 3: 4"),
            ({"threshold": -1}, ValueError, "threshold must be 0 or more: -1"),
            ({"backend": "gzip"}, ValueError, "backend must be one of zlib, zlib-ng, isal: 'gzip'"),
        ],
    )
    def test_what_cannot_be_is_refused(self, settings, error, text):
        with pytest.raises(error, match=text):
            Deflate(**settings)

    @pytest.mark.parametrize(
        ("backend", "module"), [("zlib-ng", "zlib_ng.zlib_ng"), ("isal", "isal.isal_zlib")]
    )
    def test_a_backend_that_is_not_installed(self, monkeypatch, backend, module):
        monkeypatch.setitem(sys.modules, module.split(".")[0], None)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ImportError, match=f"pip install {backend}"):
            Deflate(backend=backend)

    def test_the_threshold_is_on_the_codec(self):
        _, parameters = Deflate(threshold=100).accept([(DEFLATE, [])])
        assert parameters.codec(Role.SERVER).threshold == 100

    @pytest.mark.parametrize(
        ("settings", "level"), [({}, 6), ({"level": 0}, 0), ({"level": 9, "mem_level": 9}, 9)]
    )
    def test_the_level_is_the_one_given(self, settings, level):
        _, parameters = Deflate(**settings).accept([(DEFLATE, [])])
        assert isinstance(parameters, DeflateParameters)
        assert parameters.level == level
