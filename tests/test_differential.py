"""Any bytes, cut anywhere, through both backends: equal results, equal errors, at the same piece.

The oracle also holds each wire in pieces to the same wire in one read.

``pytest --hypothesis-profile=thorough`` looks for longer.
"""

import pytest
from conftest import PYTHON_ONLY
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import (
    budgets,
    characters,
    cut_wires,
    decoder_options,
    keys,
    limits,
    messages,
    parser_options,
    roles,
    shards,
)
from wires import TEXT, fragments, frame

from wsfast.rfc6455 import Opcode, Role

if PYTHON_ONLY:
    pytest.skip("WSFAST_EXTENSION is 0: there is one backend", allow_module_level=True)

import oracle


@given(st.data(), roles, decoder_options)
def test_messages_are_decoded_alike(data, role, options):
    wire, cuts = data.draw(cut_wires(role, rsv=0x40 if options["compression"] else 0))
    oracle.same_decoding(wire, cuts, role, options)


@given(st.data(), roles, decoder_options)
def test_parts_of_messages_are_taken_alike(data, role, options):
    wire, cuts = data.draw(cut_wires(role, rsv=0x40 if options["compression"] else 0))
    reads = st.integers(0, len(cuts))
    takes = data.draw(st.one_of(st.just(range(len(cuts) + 1)), st.sets(reads, max_size=8)))
    oracle.same_taking(wire, cuts, takes, role, options)


@given(st.data(), roles, decoder_options, budgets)
def test_a_budget_stops_both_at_the_same_places(data, role, options, some_budgets):
    wire, cuts = data.draw(cut_wires(role, rsv=0x40 if options["compression"] else 0))
    oracle.same_within(wire, cuts, some_budgets, role, options)


@given(st.lists(shards, min_size=1, max_size=6), roles, st.booleans())
def test_parts_of_text_in_shards_are_taken_alike(parts, role, decode):
    wire = b"".join(fragments(role is Role.SERVER, TEXT, parts))
    oracle.same_taking(wire, range(len(wire)), range(len(wire)), role, {"decode": decode})


@given(st.data(), roles, parser_options)
def test_frames_are_parsed_alike(data, role, options):
    wire, cuts = data.draw(cut_wires(role, rsv=options["allowed_rsv"]))
    oracle.same_parsing(wire, cuts, role, options)


@given(st.lists(shards, min_size=1, max_size=6), roles)
def test_text_in_shards_is_decoded_alike(parts, role):
    masked = role is Role.SERVER
    oracle.same_decoding(b"".join(fragments(masked, TEXT, parts)), (), role, {})
    wire = frame(masked, TEXT, b"".join(parts))
    oracle.same_decoding(wire, range(len(wire)), role, {})


@given(st.data(), roles, limits)
def test_frames_are_split_off_alike(data, role, max_frame_size):
    wire, _ = data.draw(cut_wires(role))
    oracle.same_splitting(wire, role, max_frame_size)


@given(st.lists(messages, max_size=5), roles, st.one_of(st.none(), st.integers(1, 200)))
def test_messages_are_encoded_alike(sent, role, fragment_size):
    oracle.same_encoding(sent, role, fragment_size)


@given(st.text(st.characters(), max_size=40), roles)
@example("\ud800", Role.SERVER)
def test_text_that_cannot_be_encoded_is_refused_alike(text, role):
    oracle.same_encoding(["before", text], role)


@given(
    st.one_of(st.sampled_from(Opcode), st.integers(-1, 300)),
    messages,
    st.booleans(),
    st.one_of(st.sampled_from([0, 0x10, 0x40, 0x70]), st.integers(-1, 300)),
    st.one_of(st.none(), keys, st.binary(max_size=6)),
)
def test_frames_are_serialised_alike(opcode, payload, fin, rsv, key):
    oracle.same_serialising(opcode, payload, fin, rsv, key)


@given(messages, keys, st.integers(0, 1 << 70))
def test_payloads_are_masked_alike(payload, key, offset):
    data = payload.encode() if isinstance(payload, str) else payload
    oracle.same_masking(data, key, offset)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda text, place, byte: text[:place] + byte + text[place + len(byte) :],
            st.text(characters, max_size=150).map(str.encode),
            st.integers(0, 300),
            st.binary(max_size=2),
        ),
    ),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_utf8_is_judged_alike(data, cuts):
    oracle.same_utf8(data, cuts)
