"""Masking: both twins and every kernel, at any alignment, against one byte after the other.

An input: the key, four bytes of offset, a shift, a number of repetitions; then the payload.
"""

from __future__ import annotations

from harness import Choices, instrumented, run

with instrumented():
    from oracle import same_masking

SEEDS = {
    "hello": bytes.fromhex("37fa213d 00000000 00 00") + b"Hello",
    "shifted": bytes.fromhex("37fa213d ffffffff 03 07") + b"Hello, world" * 5,
}


def check(data: bytes) -> None:
    choices = Choices(data)
    key = choices.take(4).ljust(4, b"\0")
    offset = int.from_bytes(choices.take(4), "big")
    shift = choices.number() % 64
    times = 1 + choices.number() % 16
    payload = memoryview(bytes(shift) + choices.rest() * times)[shift:]
    same_masking(payload, key, offset)


if __name__ == "__main__":
    run("mask", check, SEEDS)
