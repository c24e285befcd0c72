"""What arrives: mostly what a correct peer sends, so that the deep states are reached, with a fault
here and there."""

from itertools import pairwise

from hypothesis import strategies as st
from wires import BINARY, CLOSE, PING, PONG, TEXT, fragments, frame

from wsfast.rfc6455 import Role

roles = st.sampled_from(Role)


def chosen(strategy):
    return strategy


def mostly(usual, seldom):
    """Nine times out of ten the usual."""
    return st.sampled_from([usual] * 9 + [seldom]).flatmap(chosen)


# Where the length of a header changes its form, and where vector code changes its stride.
SIZES = [0, 1, 2, 15, 16, 17, 63, 64, 65, 124, 125, 126, 127, 128, 2047, 2048, 2049]
BIG_SIZES = [4095, 4096, 4097, 65535, 65536, 65537]

characters = st.one_of(
    st.characters(max_codepoint=0x7F),
    st.sampled_from("éßŠжק水の한€�😀𝄞\x00\x7f\x80ÿĀ߿ࠀ￿\U00010000\U0010ffff"),
    st.characters(exclude_categories=["Cs"]),
)
texts = st.one_of(
    st.text(characters, max_size=40),
    st.builds(
        lambda character, size, tail: (character * size)[:size] + tail,
        characters,
        st.sampled_from([*SIZES, 4095, 4096, 4097]),
        st.text(characters, max_size=4),
    ),
)
binaries = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda byte, size: byte * size,
        st.binary(min_size=1, max_size=1),
        st.sampled_from(SIZES + BIG_SIZES),
    ),
)
bad_utf8 = st.builds(
    lambda before, bad, after: before.encode() + bytes.fromhex(bad) + after,
    texts,
    st.sampled_from(["80", "c0 80", "c3", "e0 80", "e2 82", "ed a0 80", "f0 9f", "f4 90", "ff"]),
    st.sampled_from([b"", b"a", b"\x80"]),
)
# What text is made of, and what may go wrong with it, in the smallest of pieces.
shards = st.one_of(
    st.sampled_from([b"", b"a", b"a" * 70, "é".encode(), "水".encode(), "𝄞".encode() * 20]),
    st.sampled_from(
        [b"\xc3", b"\xe2", b"\xf0", b"\xed", b"\x82", b"\xac", b"\x9d\x84\x9e", b"\xff"]
    ),
)
messages = st.one_of(texts, binaries)
keys = st.one_of(st.just(bytes(4)), st.binary(min_size=4, max_size=4))

control_payloads = mostly(st.binary(max_size=125), st.just(bytes(126)))
close_payloads = mostly(
    st.builds(
        lambda code, reason: code.to_bytes(2, "big") + reason.encode()[:123],
        mostly(st.sampled_from([1000, 1001, 1011, 3000, 4999]), st.integers(0, 0xFFFF)),
        st.text(characters, max_size=20),
    ),
    st.binary(max_size=4),
)


@st.composite
def controls(draw, masked):
    """A control frame; seldom a close, behind which there is nothing."""
    opcode = draw(mostly(st.sampled_from([PING, PONG]), st.just(CLOSE)))
    payload = draw(close_payloads if opcode == CLOSE else control_payloads)
    return frame(masked, opcode, payload, key=draw(keys))


payloads_by_kind = [
    *[(TEXT, texts.map(str.encode))] * 4,
    (TEXT, bad_utf8),
    (BINARY, binaries),
]


@st.composite
def data_frames(draw, masked, rsv):
    """A message, whole or in fragments that are cut anywhere, with control frames in between."""
    opcode, payloads = draw(st.sampled_from(payloads_by_kind))
    payload = draw(payloads)
    rsv = draw(st.sampled_from([0, rsv]))
    key = draw(keys)
    if draw(st.booleans()):
        return frame(masked, opcode, payload, rsv=rsv, key=key)
    cuts = draw(st.lists(st.integers(0, len(payload)), max_size=5).map(sorted))
    parts = [payload[a:b] for a, b in pairwise([0, *cuts, len(payload)])]
    wire = bytearray()
    for i, part in enumerate(fragments(masked, opcode, parts, rsv=rsv, key=key)):
        if i and draw(st.integers(0, 3)) == 0:
            wire += draw(controls(masked))
        wire += part
    return bytes(wire)


@st.composite
def faults(draw, wire):
    """One byte changed, lost or added; or the end is missing; or garbage follows, or is all."""
    place = draw(st.integers(0, len(wire)))
    byte = draw(st.binary(min_size=1, max_size=1))
    return draw(
        st.sampled_from(
            [
                wire[:place] + byte + wire[place + 1 :],
                wire[:place] + wire[place + 1 :],
                wire[:place] + byte + wire[place:],
                wire[:place],
                wire + byte * 3,
                draw(st.binary(max_size=30)),
            ]
        )
    )


@st.composite
def wires(draw, role, rsv=0):
    """What this role receives, ``rsv`` being used by an extension; every third with a fault."""
    masked = role is Role.SERVER
    part = mostly(data_frames(masked, rsv), controls(masked))
    wire = b"".join(draw(st.lists(part, min_size=1, max_size=8)))
    return draw(st.sampled_from([st.just(wire), st.just(wire), faults(wire)]).flatmap(chosen))


@st.composite
def cut_wires(draw, role, rsv=0):
    """A wire, and where it is cut into reads: nowhere, here and there, or at every byte."""
    wire = draw(wires(role, rsv))
    places = st.lists(st.integers(0, len(wire)), min_size=1, max_size=8)
    everywhere = st.just(range(len(wire)) if len(wire) < 1000 else range(0, len(wire), 999))
    return wire, draw(st.sampled_from([places, everywhere, places, st.just(())]).flatmap(chosen))


limits = st.one_of(st.none(), st.sampled_from([2048, 65535, 65536, 1 << 70]), st.integers(0, 300))

decoder_options = st.fixed_dictionaries(
    {"compression": st.booleans(), "decode": st.booleans()},
    optional={
        "max_size": limits,
        "max_frame_size": limits,
        "max_fragments": mostly(st.none(), st.integers(0, 6)),
    },
)

# Of memory, for one call after the other: of one message, of a few, and of all.
budgets = st.lists(
    st.one_of(st.integers(0, 2000), st.sampled_from([10_000, 1 << 20])), min_size=1, max_size=4
)

parser_options = st.fixed_dictionaries(
    {"allowed_rsv": st.sampled_from([0, 0x10, 0x20, 0x40, 0x70])},
    optional={"max_frame_size": limits},
)
