"""What a peer may do wrong in an open connection, and the close code that it has to be told.

Each function gives bytes that end a connection; what stands behind them is not to be read.
"""

import zlib
from functools import cache

from payloads import junk
from peer import RSV1
from terms import MAX_FRAGMENTS, MAX_SIZE
from wires import BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT

PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = 1002, 1007, 1009


def reserved_bit(peer):
    rsv = peer.rng.choice([0x20, 0x10, 0x30] + ([RSV1] if peer.deflate is None else []))
    return peer.frame(TEXT, b"text", rsv=rsv), PROTOCOL_ERROR


def reserved_opcode(peer):
    return peer.frame(peer.rng.choice([3, 7, 0xB, 0xF]), b"data"), PROTOCOL_ERROR


def control_frame_in_fragments(peer):
    return peer.frame(PING, b"ping", fin=False), PROTOCOL_ERROR


def control_frame_too_long(peer):
    return peer.frame(PING, bytes(126)), PROTOCOL_ERROR


def continuation_of_nothing(peer):
    return peer.frame(CONTINUATION, b"data"), PROTOCOL_ERROR


def message_in_a_message(peer):
    return peer.frame(TEXT, b"text", fin=False) + peer.frame(TEXT, b"text"), PROTOCOL_ERROR


def wrong_masking(peer):
    return peer.frame(BINARY, b"data", masked=not peer.masks), PROTOCOL_ERROR


def length_not_minimal(peer):
    return bytes([FIN | BINARY, (0x80 if peer.masks else 0) | 126, 0, 100]), PROTOCOL_ERROR


def length_with_top_bit(peer):
    length = (1 << 63).to_bytes(8, "big")
    return bytes([FIN | BINARY, (0x80 if peer.masks else 0) | 127]) + length, PROTOCOL_ERROR


def close_with_one_byte(peer):
    return peer.frame(CLOSE, b"\x03"), PROTOCOL_ERROR


def close_with_bad_code(peer):
    code = peer.rng.choice([0, 999, 1005, 1006, 1015, 5000])
    return peer.frame(CLOSE, code.to_bytes(2, "big")), PROTOCOL_ERROR


def close_with_bad_reason(peer):
    return peer.frame(CLOSE, b"\x03\xe8\xff"), INVALID_DATA


def bad_text(peer):
    bad = peer.rng.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xb8"])
    return peer.frame(TEXT, b"." * peer.rng.randint(0, 5000) + bad), INVALID_DATA


def bad_text_in_fragments(peer):
    first = peer.frame(TEXT, "…".encode()[:2], fin=False)
    return first + peer.ping() + peer.frame(CONTINUATION, b"."), INVALID_DATA


def message_too_big(peer):
    half = junk(peer.rng, MAX_SIZE // 2 + 1)
    first = peer.frame(BINARY, half, fin=False)
    return first + peer.frame(CONTINUATION, half), TOO_BIG


def frame_too_big(peer):
    """Only its header: the payload is never sent."""
    length = peer.rng.choice([MAX_SIZE + 1, 1 << 40]).to_bytes(8, "big")
    key = peer.rng.randbytes(4) if peer.masks else b""
    return bytes([FIN | BINARY, (0x80 if peer.masks else 0) | 127]) + length + key, TOO_BIG


def too_many_fragments(peer):
    more = peer.frame(CONTINUATION, b".", fin=False)
    return peer.frame(BINARY, b".", fin=False) + more * MAX_FRAGMENTS, TOO_BIG


def not_compressed(peer):
    return peer.frame(BINARY, b"\xff" * 20, rsv=RSV1), INVALID_DATA


@cache
def _bomb():
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(bytes(64 * MAX_SIZE)) + compressor.flush(zlib.Z_SYNC_FLUSH)


def bomb(peer):
    return peer.frame(BINARY, _bomb(), rsv=RSV1), TOO_BIG


ANYWHERE = [
    reserved_bit,
    reserved_opcode,
    control_frame_in_fragments,
    control_frame_too_long,
    continuation_of_nothing,
    message_in_a_message,
    wrong_masking,
    length_not_minimal,
    length_with_top_bit,
    close_with_one_byte,
    close_with_bad_code,
    close_with_bad_reason,
    bad_text,
    bad_text_in_fragments,
    message_too_big,
    frame_too_big,
    too_many_fragments,
]
COMPRESSED = [not_compressed, bomb]


def fault(peer):
    """Any of them: its name, the bytes, and the close code."""
    several = ANYWHERE + (COMPRESSED * 4 if peer.deflate is not None else [])
    one = peer.rng.choice(several)
    return one.__name__, *one(peer)
