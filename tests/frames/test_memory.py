"""What messages cost while they wait: held against what Python really allocates."""

import ctypes
import sys
import tracemalloc

import pytest
from wires import BINARY, PING, TEXT, frame

from wsfast.frames import memory_py
from wsfast.frames.received import Close, CompressedMessage, Ping, Pong
from wsfast.rfc6455 import Opcode

CPYTHON_64 = pytest.mark.skipif(
    sys.implementation.name != "cpython" or sys.maxsize < 1 << 32,
    reason="the sizes are those of CPython of 64 bits",
)

SIZES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 500, 1000, 4096, 65536]
CHARACTERS = {"ascii": "a", "latin-1": "é", "ucs2": "水", "ucs4": "𝄞"}

# A message for the decoder, and what it receives it as.
KINDS = {
    **{
        name: lambda masked, size, c=character: frame(masked, TEXT, (c * size).encode())
        for name, character in CHARACTERS.items()
    },
    "one wide character": lambda masked, size: frame(masked, TEXT, ("𝄞" + "a" * size).encode()),
    "binary": lambda masked, size: frame(masked, BINARY, bytes(size)),
    "compressed": lambda masked, size: frame(masked, TEXT, bytes(size), rsv=0x40),
    "ping": lambda masked, size: frame(masked, PING, bytes(size)),
}


@pytest.fixture
def memory_of(backend):
    return backend.memory.memory_of


def rounded(size):
    return (size + 15) // 16 * 16


class TestOneMessage:
    @CPYTHON_64
    @pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)
    @pytest.mark.parametrize("size", SIZES)
    def test_a_text_costs_its_block_and_a_place(self, memory_of, character, size):
        text = (character * size).encode().decode()
        assert memory_of(text) == rounded(sys.getsizeof(text)) + 8

    @CPYTHON_64
    def test_a_text_costs_more_while_python_keeps_its_utf8(self, memory_of):
        text = ("水" * 50).encode().decode()
        before = memory_of(text)
        ctypes.pythonapi.PyUnicode_AsUTF8(ctypes.py_object(text))
        assert memory_of(text) == rounded(sys.getsizeof(text)) + 8 > before

    @pytest.mark.parametrize("size", SIZES)
    def test_bytes_cost_their_block_and_a_place(self, memory_of, size):
        data = b"\xff" * size
        if sys.implementation.name == "cpython":
            assert memory_of(data) == rounded(sys.getsizeof(data)) + 8
        assert memory_of(data) > size

    def test_what_is_empty_exists_once_and_costs_a_place(self, memory_of):
        assert memory_of("") == memory_of(b"") == 8

    @CPYTHON_64
    @pytest.mark.parametrize(
        ("item", "content"),
        [
            (CompressedMessage(Opcode.TEXT, b"12345"), b"12345"),
            (Ping(b"12"), b"12"),
            (Pong(b"12" * 60), b"12" * 60),
            (Close(1000, "bye"), "bye"),
            (Close(1000, "水" * 40), "水" * 40),
        ],
        ids=repr,
    )
    def test_another_item_costs_an_object_and_what_it_holds(self, memory_of, item, content):
        blocks = rounded(sys.getsizeof(item)) + rounded(sys.getsizeof(content))
        assert memory_of(item) == blocks + 8

    @CPYTHON_64
    @pytest.mark.parametrize("item", [Ping(), Pong(), Close()], ids=repr)
    def test_one_that_holds_nothing_costs_an_object(self, memory_of, item):
        assert memory_of(item) == rounded(sys.getsizeof(item)) + 8

    @pytest.mark.parametrize("other", [None, 3, bytearray(3), memoryview(b"a"), ["a"], object()])
    def test_nothing_else_comes_from_a_decoder(self, memory_of, other):
        with pytest.raises(TypeError, match="message must be what a MessageDecoder returns"):
            memory_of(other)

    @pytest.mark.parametrize("kind", [str, bytes])
    def test_nor_does_a_subclass(self, memory_of, kind):
        with pytest.raises(TypeError, match="not Subclass"):
            memory_of(type("Subclass", (kind,), {})())


def footprint(traces):
    """What the blocks take: tracemalloc sees what was asked for, the allocator rounds it up."""
    return sum(rounded(trace.size) for trace in traces)


def received_and_footprint(backend, role, wire):
    """Many messages in reads that cut some of them, and what their blocks take."""
    decoder = backend.messages.MessageDecoder(role, compression=True)
    received = []
    tracemalloc.start(1)
    try:
        for start in range(0, len(wire), 60_000):
            received += decoder.feed(wire[start : start + 60_000])
        return received, footprint(tracemalloc.take_snapshot().traces)
    finally:
        tracemalloc.stop()


@CPYTHON_64
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [3, 20, 100])
def test_many_messages_take_what_was_counted(backend, role, masked, kind, size):
    received, taken = received_and_footprint(backend, role, KINDS[kind](masked, size) * 3000)
    assert len(received) == 3000
    assert taken == pytest.approx(sum(map(backend.memory.memory_of, received)), rel=0.03)


@CPYTHON_64
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1])
def test_of_the_smallest_python_keeps_some_and_they_take_no_more(backend, role, masked, kind, size):
    received, taken = received_and_footprint(backend, role, KINDS[kind](masked, size) * 3000)
    assert len(received) == 3000
    assert taken <= sum(map(backend.memory.memory_of, received)) * 1.15  # a list has room to grow


def test_without_getsizeof_the_same_order_of_size_is_estimated():
    """PyPy's raises TypeError for everything."""
    for character in CHARACTERS.values():
        for size in SIZES:
            for content in (character * size, (character * size).encode()):
                estimated = memory_py._estimated_size_of(content)
                assert estimated >= len(content.encode() if type(content) is str else content)
                assert estimated <= 64 + 4 * len(content)
