"""Frames written by hand, byte for byte as RFC 6455 section 5.2 draws them: no code of wsfast."""

KEY = bytes.fromhex("37fa213d")  # the one of section 5.7

TEXT, BINARY, CONTINUATION = 0x1, 0x2, 0x0
CLOSE, PING, PONG = 0x8, 0x9, 0xA

FIN = 0x80

# Around every border of the lengths, and of the buffers behind them.
SIZES = [0, 1, 2, 125, 126, 127, 128, 4095, 4096, 4097, 65535, 65536, 65537]

TEXTS = {
    "empty": "",
    "ascii": "Hello, world! " * 30,
    "latin": "naïve café, Zürich " * 20,
    "bmp": "Привет, 世界 €uro " * 20,
    "astral": "𝄞 music 👩‍🚀 " * 20,
    "ascii, then astral": "a" * 200 + "𝄞",
    "astral, then ascii": "𝄞" + "a" * 200,
    "astral, then narrower and narrower": "𝄞水é" * 20,
}


def naive_mask(data, key=KEY, offset=0):
    """Section 5.3: octet i of the payload is combined with octet i modulo 4 of the key."""
    return bytes(byte ^ key[(offset + i) % 4] for i, byte in enumerate(bytes(data)))


def header(first, length, masked):
    """A header up to the masking key."""
    bit = 0x80 if masked else 0
    if length <= 125:
        return bytes([first, bit | length])
    if length <= 0xFFFF:
        return bytes([first, bit | 126]) + length.to_bytes(2, "big")
    return bytes([first, bit | 127]) + length.to_bytes(8, "big")


def frame(masked, opcode, payload=b"", *, fin=True, rsv=0, key=KEY):
    """A whole frame."""
    head = header((FIN if fin else 0) | rsv | opcode, len(payload), masked)
    return head + key + naive_mask(payload, key) if masked else head + payload


def fragments(masked, opcode, pieces, *, rsv=0, key=KEY):
    """The frames of a message in fragments; an extension's bits stand on the first."""
    first, last = 0, len(pieces) - 1
    return [
        frame(
            masked,
            opcode if i == first else CONTINUATION,
            piece,
            fin=i == last,
            rsv=rsv if i == first else 0,
            key=key,
        )
        for i, piece in enumerate(pieces)
    ]


def whole(wire):
    return [wire]


def byte_by_byte(wire):
    return [wire[i : i + 1] for i in range(len(wire))]


def with_trailing_bytes(wire):
    """The first byte of one more frame, a ping: it may follow anywhere, and completes nothing."""
    return [wire + bytes([FIN | PING])]


WAYS = (whole, byte_by_byte, with_trailing_bytes)


def feed_all(parser, pieces):
    """Feed the pieces, one after the other; all that came of it."""
    received = []
    for piece in pieces:
        received += parser.feed(piece)
    return received


def drawn_from(blocks, draw_key):
    """Draw keys until two blocks of entropy are used up; whether they are just those blocks."""
    keys = []
    while len(blocks) < 3:
        keys.append(draw_key())
    used = b"".join(blocks[:2])
    return sorted(keys[-1 - len(used) // 4 : -1]) == sorted(
        used[i : i + 4] for i in range(0, len(used), 4)
    )
