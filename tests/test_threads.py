"""A decoder or an encoder belongs to one thread; threads that have their own go undisturbed."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
from wires import PING, frame

from wsfast.exceptions import InvalidUtf8
from wsfast.frames.received import Ping
from wsfast.rfc6455 import Role

THREADS = 8

SENT = ["", "Hello", b"\xff" * 300, "Grüße €𝄞 " * 40, b"", "a" * 5000, bytes(10_000), "水" * 3000]


@pytest.fixture(autouse=True)
def frequent_switches():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(work):
    """What each thread makes of its number."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def test_a_decoder_for_each_thread(backend):
    wire = b"".join(backend.messages.encode_message(m, Role.CLIENT, fragment_size=99) for m in SENT)
    wire += frame(True, PING, b"end")

    def decode(number):
        received = []
        for _ in range(20):
            decoder = backend.messages.MessageDecoder(Role.SERVER)
            step = 50 + number
            for start in range(0, len(wire), step):
                received += decoder.feed(wire[start : start + step])
        return received

    assert in_threads(decode) == [[*SENT, Ping(b"end")] * 20] * THREADS


def test_a_parser_for_each_thread(backend):
    wire = b"".join(frame(True, PING, bytes([size]) * size) for size in range(126))

    def parse(number):
        frames = []
        for _ in range(20):
            parser = backend.codec.FrameParser(Role.SERVER)
            for start in range(0, len(wire), 7 + number):
                frames += parser.feed(wire[start : start + 7 + number])
        return [len(frame.payload) for frame in frames]

    assert in_threads(parse) == [[*range(126)] * 20] * THREADS


def test_errors_in_threads(backend):
    wire = frame(True, 1, b"a" * 500 + b"\xff")

    def fail(number):
        texts = []
        for _ in range(200):
            with pytest.raises(InvalidUtf8) as info:
                backend.messages.MessageDecoder(Role.SERVER).feed(wire)
            texts.append(str(info.value))
        return set(texts)

    assert in_threads(fail) == [{"text message is not UTF-8: bad byte at index 500"}] * THREADS


def test_threads_never_share_a_key(backend):
    def draw(number):
        encoder = backend.messages.MessageEncoder(Role.CLIENT)
        drawn = []
        for _ in range(2000):
            drawn += backend.keys.masking_key(), encoder.encode(b"")[2:]
        return drawn

    keys = list(chain.from_iterable(in_threads(draw)))
    # Among 32,000 draws from 2**32, two that agree are one chance in eight; twenty are none.
    assert len(set(keys)) > len(keys) - 20


def test_validators_and_masks_in_threads(backend):
    data = "Grüße €𝄞 ".encode() * 500

    def work(number):
        key = bytes([number] * 4)
        masked = bytearray(data)
        for _ in range(51):
            backend.mask.apply_mask_inplace(masked, key)
        validator = backend.utf8.Utf8Validator()
        for start in range(0, len(data), 3):
            validator.validate(data[start : start + 3])
        unmasked = backend.mask.apply_mask(masked, key)
        return unmasked == data, validator.validate(b""), backend.utf8.decode_utf8(unmasked)

    expected = (True, (True, True, 0, len(data)), data.decode())
    assert in_threads(work) == [expected] * THREADS
