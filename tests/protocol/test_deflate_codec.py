"""Compressing and decompressing messages (RFC 7692 section 7.2), on every backend installed."""

import random
import tracemalloc
import zlib
from itertools import pairwise

import pytest

from wsfast.exceptions import MessageTooBig, ProtocolError
from wsfast.protocol.deflate import Deflate
from wsfast.protocol.deflate_codec import BACKENDS, DeflateCodec, load_backend
from wsfast.rfc6455 import Role

MIB = 1 << 20
TAIL = b"\x00\x00\xff\xff"

# Section 7.2.3: the examples of the RFC.
HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")
HELLO_AGAIN = bytes.fromhex("f2 00 11 00 00")
HELLO_STORED = bytes.fromhex("00 05 00 fa ff 48 65 6c 6c 6f 00")
HELLO_FINAL = bytes.fromhex("f3 48 cd c9 c9 07 00 00")
HELLO_IN_TWO_BLOCKS = bytes.fromhex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00")
EMPTY_FINAL = bytes.fromhex("03 00")

RANDOM = random.Random(7692)
NOISE = RANDOM.randbytes(3 * MIB // 2)
MESSAGES = [
    b"",
    b"a",
    b"Hello",
    b"Hello",
    b"",
    b'{"id": 1, "name": "alice"}' * 40,
    b'{"id": 2, "name": "bob"}' * 40,
    bytes(100_000),
    NOISE[:70_000],
    NOISE[1000:2000],
    b"",
    "水".encode() * 3000,
]


def backends():
    for name in BACKENDS:
        try:
            load_backend(name)
        except ImportError as exc:
            yield pytest.param(name, marks=pytest.mark.skip(str(exc)))
        else:
            yield name


@pytest.fixture(params=backends())
def backend(request):
    return request.param


@pytest.fixture
def make(backend):
    """Make one end."""

    def make(**settings):
        settings = {
            "deflate_bits": 15,
            "inflate_bits": 15,
            "deflate_takeover": True,
            "inflate_takeover": True,
            "level": BACKENDS[backend].default_level,
            "mem_level": 8,
            "threshold": 0,
            "backend": backend,
        } | settings
        return DeflateCodec(**settings)

    return make


@pytest.fixture(params=[True, False], ids=["takeover", "no takeover"])
def takeover(request):
    return request.param


@pytest.fixture
def codec(make, takeover):
    return make(deflate_takeover=takeover, inflate_takeover=takeover)


def raw(payload, **options):
    """Compress with zlib, as a peer does that does it by hand."""
    deflater = zlib.compressobj(wbits=-15, **options)
    return deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)


def final(payload):
    """Blocks of which the last one has BFINAL set, and is padded to a byte."""
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(payload) + deflater.flush()


class TestRoundTrip:
    def test_messages_come_back(self, codec):
        for message in MESSAGES:
            assert codec.decompress(codec.compress(message), None) == message

    def test_the_tail_is_cut_off(self, codec):
        for message in MESSAGES:
            payload = codec.compress(message)
            assert payload
            assert not payload.endswith(TAIL)

    def test_a_stranger_can_read_it(self, codec, takeover):
        inflater = zlib.decompressobj(-15)
        for message in MESSAGES:
            if not takeover:
                inflater = zlib.decompressobj(-15)
            assert inflater.decompress(codec.compress(message) + TAIL) == message

    @pytest.mark.parametrize("kind", [bytearray, memoryview])
    def test_anything_bytes_like_is_compressed(self, codec, kind):
        assert codec.decompress(codec.compress(kind(b"Hello")), None) == b"Hello"

    def test_a_message_may_refer_to_an_earlier_one(self, make):
        codec = make()
        assert len(codec.compress(NOISE[:5000])) > 5000
        assert len(codec.compress(NOISE[:5000])) < 200

    def test_without_takeover_each_message_stands_alone(self, make):
        codec = make(deflate_takeover=False)
        assert codec.compress(NOISE[:5000]) == codec.compress(NOISE[:5000])

    @pytest.mark.parametrize("bits", range(8, 16))
    def test_the_window_is_kept_to(self, make, bits):
        sender, receiver = make(deflate_bits=bits), make(inflate_bits=bits)
        strict = zlib.decompressobj(-bits)
        for distance in (200, 300, 1 << bits - 1, (1 << bits) - 300, 1 << bits, (1 << bits) + 300):
            near = NOISE[distance : 2 * distance]
            for message in (near, b"abc" * 20, near, NOISE[: 1 << 12]):
                payload = sender.compress(message)
                assert receiver.decompress(payload, None) == message
                assert (
                    b"".join(strict.decompress(bytes([byte])) for byte in payload + TAIL) == message
                )

    @pytest.mark.parametrize("mem_level", range(1, 10))
    def test_every_mem_level(self, make, mem_level):
        codec = make(mem_level=mem_level)
        for message in MESSAGES:
            assert codec.decompress(codec.compress(message), None) == message

    def test_every_level(self, make, backend):
        for level in range(BACKENDS[backend].max_level + 1):
            codec = make(level=level)
            for message in MESSAGES:
                assert codec.decompress(codec.compress(message), None) == message

    def test_from_the_settings_to_a_message(self, backend):
        deflate = Deflate(server_max_window_bits=9, client_no_context_takeover=True)
        answer, on_server = deflate.accept(deflate.offer())
        server = on_server.codec(Role.SERVER)
        client = deflate.agree(answer).codec(Role.CLIENT)
        for message in MESSAGES:
            assert client.decompress(server.compress(message), None) == message
            assert server.decompress(client.compress(message), None) == message


class TestFragments:
    @pytest.mark.parametrize("cuts", [[], [0], [1], [5], [2, 2], [1, 2, 3, 4, 5]])
    def test_a_message_in_pieces(self, codec, cuts):
        for message in (b"Hello", b"Hello", b"World"):
            places = [0, *cuts, len(message)]
            payloads = [
                codec.compress_piece(message[a:b], i == len(cuts))
                for i, (a, b) in enumerate(pairwise(places))
            ]
            assert codec.decompress(b"".join(payloads), None) == message

    def test_a_piece_can_be_read_before_the_next_one_is_made(self, codec):
        inflater = zlib.decompressobj(-15)
        for piece in (b"one ", b"two ", b"two "):
            assert inflater.decompress(codec.compress_piece(piece, False)) == piece

    def test_without_takeover_the_pieces_of_one_message_refer_to_each_other(self, make):
        codec = make(deflate_takeover=False)
        assert len(codec.compress_piece(NOISE[:5000], False)) > 5000
        assert len(codec.compress_piece(NOISE[:5000], True)) < 200
        assert len(codec.compress(NOISE[:5000])) > 5000

    def test_what_is_not_bytes_like_leaves_nothing_behind(self, codec):
        codec.compress(b"Hello")
        with pytest.raises(TypeError):
            codec.compress("Hello")
        assert zlib.decompressobj(-15).decompress(codec.compress(b"Hello") + TAIL) == b"Hello"


class TestDecompressing:
    @pytest.mark.parametrize(
        "payload",
        [HELLO, HELLO_STORED, HELLO_FINAL, HELLO_IN_TWO_BLOCKS],
        ids=["one block", "stored", "final", "two blocks"],
    )
    def test_the_examples_of_the_rfc(self, codec, payload):
        for _ in range(3):
            assert codec.decompress(payload, 5) == b"Hello"

    def test_the_example_of_takeover(self, make):
        codec = make()
        assert codec.decompress(HELLO, 5) == b"Hello"
        assert codec.decompress(HELLO_AGAIN, 5) == b"Hello"

    def test_without_takeover_there_is_nothing_to_refer_to(self, make):
        codec = make(inflate_takeover=False)
        assert codec.decompress(HELLO, 5) == b"Hello"
        with pytest.raises(ProtocolError) as info:
            codec.decompress(HELLO_AGAIN, 5)
        assert info.value.reason == "bad_deflate"

    @pytest.mark.parametrize("payload", [b"", b"\x00", b"\x02\x00"])
    def test_empty_messages(self, codec, payload):
        for _ in range(3):
            assert codec.decompress(payload, 0) == b""
        assert codec.decompress(HELLO, 5) == b"Hello"

    @pytest.mark.parametrize(
        "payload",
        [b"\xff\xff", b"\x07", b"Hello", HELLO_AGAIN, bytes.fromhex("00 05 00 00 00")],
        ids=["block type", "final block type", "text", "distance", "stored length"],
    )
    def test_what_is_not_deflate(self, codec, payload):
        with pytest.raises(ProtocolError, match="not valid DEFLATE") as info:
            codec.decompress(payload, None)
        assert (info.value.reason, info.value.close_code) == ("bad_deflate", 1007)


class TestFinalBlocks:
    def test_messages_go_on_behind_one(self, codec):
        for message in MESSAGES:
            assert codec.decompress(final(message) + b"\x00", None) == message
            assert codec.decompress(HELLO, None) == b"Hello"

    def test_the_empty_block_behind_it_may_be_missing(self, codec):
        for message in MESSAGES:
            assert codec.decompress(final(message), None) == message
            assert codec.decompress(HELLO, None) == b"Hello"

    def test_more_of_the_message_may_follow(self, codec):
        payload = final(b"one ") + final(b"two ") + raw(b"three")[:-4]
        for _ in range(3):
            assert codec.decompress(payload, None) == b"one two three"

    def test_what_follows_may_refer_to_what_was_before(self, make):
        codec = make()
        assert codec.decompress(HELLO_FINAL, None) == b"Hello"
        assert codec.decompress(HELLO_AGAIN, None) == b"Hello"

    def test_and_in_the_same_message(self, codec):
        assert codec.decompress(HELLO_FINAL[:-1] + HELLO_AGAIN, None) == b"HelloHello"

    def test_garbage_behind_one(self, codec):
        with pytest.raises(ProtocolError) as info:
            codec.decompress(HELLO_FINAL[:-1] + b"\xff", None)
        assert info.value.reason == "bad_deflate"

    def test_one_that_the_message_ends_in(self, codec):
        # A stored block with BFINAL set, whose length and two bytes of content are in the tail.
        with pytest.raises(ProtocolError, match="ends inside its final block"):
            codec.decompress(bytes.fromhex("01 04 00 fb ff 41 42"), None)

    def test_a_message_of_nothing_else_is_refused(self, codec):
        with pytest.raises(ProtocolError, match="more than 64 final blocks"):
            codec.decompress(EMPTY_FINAL * 1000, None)

    def test_the_limit_goes_for_all_blocks_together(self, codec):
        payload = final(bytes(600)) + final(bytes(600)) + b"\x00"
        with pytest.raises(MessageTooBig):
            codec.decompress(payload, 1199)

    def test_the_limit_may_be_reached_exactly(self, codec):
        payload = final(bytes(600)) + final(bytes(600)) + b"\x00"
        assert codec.decompress(payload, 1200) == bytes(1200)


class TestLimit:
    @pytest.mark.parametrize("size", [0, 1, 5, 100, 1000, 32768, 65536, MIB])
    def test_a_message_may_be_as_big_as_the_limit(self, codec, size):
        message = NOISE[:size]
        for _ in range(2):
            assert codec.decompress(codec.compress(message), size) == message

    @pytest.mark.parametrize("size", [1, 5, 100, 1000, 32768, 65536, MIB])
    def test_and_not_a_byte_bigger(self, codec, size):
        with pytest.raises(MessageTooBig) as info:
            codec.decompress(codec.compress(NOISE[:size]), size - 1)
        assert (info.value.reason, info.value.close_code) == ("message_too_big", 1009)

    def test_a_bomb_takes_no_more_memory_than_the_limit(self, codec):
        bomb = raw(bytes(64 * MIB), level=9)
        codec.decompress(HELLO, None)
        tracemalloc.start()
        try:
            with pytest.raises(MessageTooBig):
                codec.decompress(bomb, MIB)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 3 * MIB

    def test_a_limit_beyond_any_memory_is_none(self, codec):
        assert codec.decompress(HELLO, 1 << 70) == b"Hello"


class TestRelease:
    def test_messages_go_on_as_before(self, codec):
        for message in MESSAGES:
            codec.release()
            payload = codec.compress(message)
            codec.release()
            codec.release()
            assert codec.decompress(payload, None) == message

    @pytest.mark.parametrize("bits", range(8, 16))
    @pytest.mark.parametrize("size", [0, 1, 2, 4, 5, 257, 258, 259, 511, 512, 4096, 40_000])
    def test_the_peer_may_still_refer_to_the_window(self, make, bits, size):
        sender, receiver = make(deflate_bits=bits, level=1), make(inflate_bits=bits)
        history = NOISE[:size]
        assert receiver.decompress(sender.compress(history), None) == history
        for reach in (5, 100, 200, 500, 4000):
            receiver.release()
            message = history[-reach:][:300]
            assert receiver.decompress(sender.compress(message), None) == message
            history += message

    def test_between_the_pieces_of_a_message(self, codec):
        payload = codec.compress_piece(b"Hel", False)
        codec.release()
        payload += codec.compress_piece(b"lo", True)
        assert codec.decompress(payload, None) == b"Hello"

    def test_nothing_much_is_left(self, make, backend):
        if backend == "isal":
            pytest.skip("isal cannot be asked for its window")
        codec = make(inflate_bits=9)
        codec.decompress(codec.compress(NOISE[:5000]), None)
        codec.release()
        assert codec._deflater is codec._inflater is None
        assert codec._history == NOISE[:5000][-512:]

    def test_nothing_is_made_before_it_is_needed(self, codec):
        assert codec._deflater is codec._inflater is None
        codec.compress(b"Hello")
        assert codec._inflater is None
