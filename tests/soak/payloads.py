"""Random messages: of every kind, of every size up to the limit, most of them small."""

import random

from terms import MAX_SIZE
from wires import BINARY, TEXT

_KIB = 1 << 10

# Bytes up to which a size is drawn, from the bound before on, and how often.
_BOUNDS = [0, 125, 2 * _KIB, 16 * _KIB, 64 * _KIB, MAX_SIZE]
_WEIGHTS = [6000, 3390, 500, 90, 20]

# Words of one to four bytes a character: what is made of them can be compressed.
_ASCII = ["alpha", "bravo", "charlie", "delta", '{"id": 1}', " ", "\n", "0123456789"]
_BEYOND = [*_ASCII, "naïve", "Zürich", "Привет", "世界", "€", "𝄞", "👩‍🚀", "aא"]

_random = random.Random(6455)
_NOISE = _random.randbytes(2 * MAX_SIZE)
_TEXTS = {
    "ascii": "".join(_random.choices(_ASCII, k=MAX_SIZE // 2)),
    "beyond": "".join(_random.choices(_BEYOND, k=MAX_SIZE // 2)),
}


def size(rng, largest=MAX_SIZE):
    """A number of bytes."""
    step = rng.choices(range(len(_WEIGHTS)), _WEIGHTS)[0]
    low, high = _BOUNDS[step], _BOUNDS[step + 1]
    if high == MAX_SIZE and rng.random() < 0.25:
        return largest
    return min(rng.randint(low, high), largest)


def message(rng, size):
    """An opcode and a payload of just this size."""
    kind = rng.choice(["ascii", "beyond", "binary"])
    if kind == "binary":
        start = rng.randint(0, len(_NOISE) - size)
        return BINARY, _NOISE[start : start + size]
    text = _TEXTS[kind]
    start = rng.randint(0, len(text) - size)
    payload = text[start : start + size].encode()[:size]
    return TEXT, payload.decode(errors="ignore").encode().ljust(size, b".")


def junk(rng, size):
    """Bytes without a meaning."""
    start = rng.randint(0, len(_NOISE) - size)
    return _NOISE[start : start + size]
