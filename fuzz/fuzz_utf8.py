"""UTF-8: both twins and every kernel against Python's codec, and the validator at any cut.

An input: where to cut, and one byte that says how the rest becomes the data: as it is;
as text, each byte naming a run of characters; or as such text with one byte in it replaced.
"""

from __future__ import annotations

from harness import Choices, instrumented, run

with instrumented():
    from oracle import same_utf8

# The first and the last characters of each length, and of each width that Python stores text in.
CHARACTERS = "\0\x7f\x80\xff\u0100\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffffaé€😀"

SEEDS = {
    "ascii": bytes.fromhex("00 00") + b"Hello",
    "cut": bytes.fromhex("02 0001 0006 00") + "κόσμε, 😀".encode(),
    "surrogate": bytes.fromhex("07 00 ed a0 80"),
    "overlong": bytes.fromhex("00 00 c0 80 e0 80 80 f0 80 80 80"),
    "runs": bytes.fromhex("01 0021 01 fc fd fe ff 0c 1d 2e 3f"),
    "spoilt": bytes.fromhex("01 0040 02 00 50 ff fc fd fe ff"),
}


def check(data: bytes) -> None:
    choices = Choices(data)
    cuts = choices.cuts()
    data = choices.one_of((Choices.rest, runs, spoilt))(choices)
    same_utf8(data, cuts)


def runs(choices: Choices) -> bytes:
    """Each byte is a character, four bits, and how many of it."""
    return "".join(CHARACTERS[b & 15] * (1 + 3 * (b >> 4)) for b in choices.rest()).encode()


def spoilt(choices: Choices) -> bytes:
    index = int.from_bytes(choices.take(2), "big")
    value = choices.number()
    text = bytearray(runs(choices))
    if text:
        text[index % len(text)] = value
    return bytes(text)


if __name__ == "__main__":
    run("utf8", check, SEEDS)
