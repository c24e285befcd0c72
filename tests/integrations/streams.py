"""What a peer may send, right and wrong: byte streams, written without wsfast.

``streams(masked)`` names them; each is what one end of a connection receives.
"""

import struct
from itertools import cycle

FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = bytes.fromhex("37fa213d")

MIXED = "Zwölf Boxkämpfer, いろはにほへと, Съешь же ещё, 🦊🐶. "

NOT_UTF8 = {
    "bad start": b"abc\xff",
    "bad continuation": b"abc\xe2\x28\xa1",
    "overlong": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "above 10FFFF": b"\xf4\x90\x80\x80",
    "cut": b"abc\xe2\x82",
    "far in": b"x" * 5_000 + b"\xff" + b"x" * 5_000,
}

CLOSE_CODES = (0, 999, *range(1000, 1017), 2999, 3000, 4999, 5000)


def frame(first, payload=b"", *, masked, form=None):
    """Write a frame; ``form`` is how many bytes the length takes, if not the fewest."""
    length = len(payload)
    if form is None:
        form = 0 if length < 126 else 2 if length < 1 << 16 else 8
    bit = 0x80 if masked else 0
    if form == 0:
        head = bytes((first, bit | length))
    elif form == 2:
        head = bytes((first, bit | 126)) + struct.pack("!H", length)
    else:
        head = bytes((first, bit | 127)) + struct.pack("!Q", length)
    if not masked:
        return head + payload
    return head + KEY + bytes(a ^ b for a, b in zip(payload, cycle(KEY), strict=False))


def streams(masked):
    """Name the streams that a server (``masked``) or a client receives."""

    def f(first, payload=b"", **options):
        return frame(first, payload, **{"masked": masked} | options)

    text = MIXED.encode()
    hello = f(FIN | TEXT, b"Hello")
    found = {
        "nothing": b"",
        "text": hello,
        "texts": hello + f(FIN | TEXT, text) + f(FIN | TEXT),
        "binary": f(FIN | BINARY, bytes(range(256))) + f(FIN | BINARY),
        "lengths": b"".join(f(FIN | BINARY, b"x" * n) for n in (125, 126, 127, 65_535, 65_536)),
        "fragments": f(TEXT, text[:7]) + f(CONT, text[7:20]) + f(FIN | CONT, text[20:]) + hello,
        "empty fragments": f(TEXT) + f(CONT) + f(FIN | CONT) + hello,
        "ping in fragments": f(BINARY, b"a") + f(FIN | PING, b"p") + f(FIN | CONT, b"b") + hello,
        "ping": f(FIN | PING) + f(FIN | PING, b"p" * 125) + hello,
        "pong": f(FIN | PONG, b"p") + hello,
        "close": hello + f(FIN | CLOSE, struct.pack("!H", 1000) + "schön".encode()),
        "close without code": f(FIN | CLOSE),
        "close of one byte": f(FIN | CLOSE, b"\x03"),
        "close reason of one byte": f(FIN | CLOSE, b"\x03\xe8a"),
        "close reason not UTF-8": f(FIN | CLOSE, b"\x03\xe8\xff"),
        "close reason cut": f(FIN | CLOSE, b"\x03\xe8\xe2\x82"),
        "after close": f(FIN | CLOSE, b"\x03\xe8") + hello + b"\xff\xff\xff",
        "close in fragments": f(TEXT, b"a") + f(FIN | CLOSE, b"\x03\xe8") + hello,
        "wrong mask": hello + f(FIN | TEXT, b"Hello", masked=not masked) + hello,
        "wrong mask, empty": f(FIN | TEXT, masked=not masked),
        "RSV1": hello + f(FIN | RSV1 | TEXT, b"Hello") + hello,
        "RSV2": f(FIN | RSV2 | BINARY, b"Hello") + hello,
        "RSV3 on a ping": f(FIN | RSV3 | PING) + hello,
        "fragmented ping": hello + f(PING, b"a") + f(FIN | CONT, b"b"),
        "long ping": hello + f(FIN | PING, b"x" * 126) + hello,
        "long close": f(FIN | CLOSE, b"\x03\xe8" + b"x" * 124),
        "continuation of nothing": hello + f(FIN | CONT, b"a") + hello,
        "text in fragments": f(TEXT, b"a") + hello + f(FIN | CONT, b"b"),
        "binary in fragments": f(BINARY, b"a") + f(BINARY, b"b"),
        "length in 2 bytes, of 5": f(FIN | TEXT, b"Hello", form=2) + hello,
        "length in 8 bytes, of 5": f(FIN | TEXT, b"Hello", form=8) + hello,
        "length in 8 bytes, of 300": f(FIN | TEXT, b"x" * 300, form=8) + hello,
        "length with the top bit": hello
        + bytes((FIN | TEXT, 255 if masked else 127))
        + b"\xff" * 8,
        "noise": bytes.fromhex("ff00fe01") * 8,
    }
    for opcode in (3, 7, 11, 15):
        found[f"opcode {opcode}"] = hello + f(FIN | opcode, b"Hello") + hello
    for code in CLOSE_CODES:
        found[f"close code {code}"] = f(FIN | CLOSE, struct.pack("!H", code)) + hello
    for name, data in NOT_UTF8.items():
        found[f"not UTF-8: {name}"] = hello + f(FIN | TEXT, data) + hello
        found[f"not UTF-8, binary: {name}"] = hello + f(FIN | BINARY, data) + hello
        found[f"not UTF-8, in fragments: {name}"] = (
            f(TEXT, data[:4]) + f(FIN | CONT, data[4:]) + hello
        )
    return found


def cuts(wire):
    """Cut a stream: not at all, at every place (for a short one), and into single bytes."""
    yield [wire]
    if len(wire) <= 40:
        for i in range(1, len(wire)):
            yield [wire[:i], wire[i:]]
    if len(wire) <= 1_000:
        yield [wire[i : i + 1] for i in range(len(wire))]
    else:
        step = len(wire) // 3
        yield [wire[i : i + step] for i in range(0, len(wire), step)]
