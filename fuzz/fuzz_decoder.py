"""Decoders: both twins of MessageDecoder and of FrameParser, on the same wire, cut alike.

An input: the role, the options, a masking key, the type of the wire, where to cut it; then the
wire, as it is or as frames. Those are well formed, so that what they carry and how they follow each
other gets tried.
"""

from __future__ import annotations

from typing import Any

from harness import Choices, instrumented, run

with instrumented():
    from oracle import (
        same_decoding,
        same_parsing,
        same_serialising,
        same_splitting,
        same_taking,
        same_within,
    )

    from wsfast.exceptions import ProtocolError
    from wsfast.frames import codec_py
    from wsfast.kernels.buffers import Buffer
    from wsfast.kernels.mask_py import apply_mask
    from wsfast.rfc6455 import MASK, Role

# First bytes of frames that can follow each other, and a few that never may.
FIRST_BYTES = bytes.fromhex("81 82 01 02 00 80 88 89 8a c1 c2 41 42 c0 83 09")

# Of memory, one call after the other: of one message, of a few, and of many.
BUDGETS = (1, 300, 5000)

# Role, three limits, compression, decoding, reserved bits; key; type of the wire.
_SERVER = bytes.fromhex("00 000000 00 00 00 37fa213d 00")
_CLIENT = bytes.fromhex("01 000000 01 00 01 00000000 00")
# The cuts, then 00 and a wire or 01 and frames.
SEEDS = {
    "masked": _SERVER + bytes.fromhex("00 00 8185 37fa213d 7f9f4d5158"),
    "fragments": _CLIENT + bytes.fromhex("07 00 0103 48656c 8900 8002 6c6f 8800"),
    "cut-character": _CLIENT + bytes.fromhex("01 0005 00 0102 e282 8001 ac"),
    "surrogate": _CLIENT + bytes.fromhex("07 00 8103 eda080"),
    "compressed": _CLIENT + bytes.fromhex("00 00 c107 f248cdc9c90700"),
    "close": _CLIENT + bytes.fromhex("00 00 8807 03e8 6f76657221 8100"),
    "length-16": _CLIENT + bytes.fromhex("00 00 827e 0080") + bytes(128),
    "length-64": _CLIENT + bytes.fromhex("00 00 827f 8000000000000000"),
    "frames": _SERVER
    + bytes.fromhex("02 0005 0012 01 000200 4869 070100 70 020100 21 050100 21 060200 03e8"),
    "long-frames": _SERVER + bytes.fromhex("01 0fff 01 010403 61626364 000802 e282ac00e282ac00"),
}


def check(data: bytes) -> None:
    choices = Choices(data)
    role = choices.one_of((Role.SERVER, Role.CLIENT))
    max_frame_size = choices.one_of((None, 0, 20, 1000))
    message_options = {
        "max_size": choices.one_of((1 << 20, None, 0, 64, 1000)),
        "max_frame_size": max_frame_size,
        "max_fragments": choices.one_of((1 << 17, None, 0, 1, 3)),
        "compression": choices.one_of((False, True)),
        "decode": choices.one_of((True, False)),
    }
    frame_options = {
        "max_frame_size": max_frame_size,
        "allowed_rsv": choices.one_of((0, 0x40, 0x20, 0x70)),
    }
    some_key = choices.take(4).ljust(4, b"\0")
    key = some_key if role is Role.SERVER else None
    kind = choices.one_of((bytes, bytearray, memoryview))
    cuts = choices.cuts()
    in_frames = choices.one_of((False, True))
    wire = kind(frames(choices, key) if in_frames else choices.rest())

    same_decoding(wire, cuts, role, message_options)
    same_taking(wire, cuts, range(len(cuts)), role, message_options)
    same_within(wire, cuts, BUDGETS, role, message_options)
    same_parsing(wire, cuts, role, frame_options)
    same_splitting(wire, role, max_frame_size)
    for frame in parsed(wire, role, frame_options):
        same_serialising(frame.opcode, frame.payload, frame.fin, frame.rsv, key)


def frames(choices: Choices, key: bytes | None) -> bytes:
    """Each frame: its first byte, a length, how to read and how often to repeat the payload."""
    wire = b""
    while choices:
        first = choices.one_of(FIRST_BYTES)
        size = choices.number() % 128
        as_latin1, times = choices.one_of(((False, 1), (True, 1), (False, 9), (True, 700)))
        payload = choices.take(size) * times
        if as_latin1:
            payload = payload.decode("latin-1").encode()
        if key is None:
            wire += codec_py.header(first, len(payload), 0) + payload
        else:
            wire += codec_py.header(first, len(payload), MASK) + key + apply_mask(payload, key)
    return wire


def parsed(wire: Buffer, role: Role, options: dict[str, Any]) -> list[codec_py.Frame]:
    try:
        return codec_py.FrameParser(role, **options).feed(wire)
    except ProtocolError as exc:
        return exc.completed


if __name__ == "__main__":
    run("decoder", check, SEEDS)
