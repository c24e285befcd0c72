"""Messages onto the wire: text and bytes of every kind, in one frame or many, each with its key."""

from array import array
from itertools import cycle

import pytest
from wires import (
    BINARY,
    SIZES,
    TEXT,
    TEXTS,
    drawn_from,
    fragments,
    frame,
)

from wsfast.rfc6455 import Opcode, Role


def receiver_of(role):
    return Role.CLIENT if role is Role.SERVER else Role.SERVER


def key_of(wire):
    """The masking key of the first frame of a client's wire."""
    start = 2 + {126: 2, 127: 8}.get(wire[1] & 0x7F, 0)
    return wire[start : start + 4]


@pytest.fixture(params=["encode", "encode_all", "encode_message"])
def encode(messages, request):
    """One message to its wire, by each of the three doors."""

    def encode(message, role, **options):
        if request.param == "encode_message":
            return messages.encode_message(message, role, **options)
        encoder = messages.MessageEncoder(role, **options)
        return (
            encoder.encode_all([message])
            if request.param == "encode_all"
            else encoder.encode(message)
        )

    return encode


class TestEncoding:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("last", ["", "é", "水", "𝄞"], ids=["ascii", "latin", "bmp", "astral"])
    def test_text(self, encode, size, last):
        text = "a" * size + last
        wire = encode(text, Role.SERVER)
        assert type(wire) is bytes
        assert wire == frame(False, TEXT, text.encode())
        wire = encode(text, Role.CLIENT)
        assert wire == frame(True, TEXT, text.encode(), key=key_of(wire))

    @pytest.mark.parametrize("size", SIZES)
    def test_bytes(self, encode, size):
        data = bytes(i % 251 for i in range(size))
        assert encode(data, Role.SERVER) == frame(False, BINARY, data)
        wire = encode(data, Role.CLIENT)
        assert wire == frame(True, BINARY, data, key=key_of(wire))

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_text_of_every_width_is_decoded_again(self, messages, encode, role, text):
        for size in (None, 1, 2, 3, 7, 125, 126, 1000):
            wire = encode(text, receiver_of(role), fragment_size=size)
            assert messages.MessageDecoder(role).feed(wire) == [text]

    @pytest.mark.parametrize(
        "kind",
        [bytearray, memoryview, lambda data: array("B", data), lambda data: array("h", data)],
    )
    def test_every_kind_of_buffer(self, encode, kind):
        assert encode(kind(b"Hello!"), Role.SERVER) == frame(False, BINARY, b"Hello!")
        wire = encode(kind(b"Hello!"), Role.CLIENT)
        assert wire == frame(True, BINARY, b"Hello!", key=key_of(wire))

    def test_subclasses_are_taken_as_what_they_are(self, encode):
        class Text(str):
            def encode(self, *args):
                return b"LOUD"

        class Data(bytes):
            pass

        assert encode(Text("a"), Role.SERVER) == frame(False, TEXT, b"a")
        assert encode(Data(b"a"), Role.SERVER) == frame(False, BINARY, b"a")

    @pytest.mark.parametrize("position", [0, 1, 63, 64, 65, 2000])
    @pytest.mark.parametrize("filler", ["a", "é", "水", "𝄞"])
    def test_surrogates_cannot_be_encoded(self, encode, role, position, filler):
        text = filler * position + "\ud800" + filler
        with pytest.raises(UnicodeEncodeError) as info:
            encode(text, role)
        with pytest.raises(UnicodeEncodeError) as pythons:
            text.encode()
        assert info.value.args == pythons.value.args

    @pytest.mark.parametrize("message", [None, 3, ["a"], object()])
    def test_nothing_else_is_a_message(self, encode, role, message):
        text = f"message must be a bytes-like object, not {type(message).__name__}"
        with pytest.raises(TypeError, match=text):
            encode(message, role)

    def test_what_was_encoded_is_not_changed(self, encode):
        data = bytearray(b"Hello" * 100)
        encode(data, Role.CLIENT)
        assert data == b"Hello" * 100

    def test_buffers_are_released(self, encode):
        data = bytearray(b"Hello")
        encode(data, Role.CLIENT)
        data.clear()

    @pytest.mark.parametrize("role", ["client", None, 1])
    def test_the_role_is_a_role(self, encode, role):
        with pytest.raises(TypeError, match=r"role must be Role\.CLIENT or Role\.SERVER, not "):
            encode("a", role)


class TestFragmentSize:
    @pytest.mark.parametrize("limit", [1, 2, 3, 125, 126, 127, 65535, 65536])
    @pytest.mark.parametrize("full", [0, 1, 2, 3])
    @pytest.mark.parametrize("more", [0, 1])
    def test_fragments_are_as_long_as_allowed(self, backend, encode, role, limit, full, more):
        data = bytes(i % 251 for i in range(limit * full + more))
        wire = encode(data, receiver_of(role), fragment_size=limit)
        frames = backend.codec.FrameParser(role).feed(wire)
        sizes = [limit] * full + [more] * more or [0]
        assert [len(frame.payload) for frame in frames] == sizes
        assert b"".join(frame.payload for frame in frames) == data
        assert [frame.fin for frame in frames] == [False] * (len(sizes) - 1) + [True]
        assert frames[0].opcode is Opcode.BINARY
        assert {frame.opcode for frame in frames[1:]} <= {Opcode.CONTINUATION}

    def test_a_fragment_may_end_inside_a_character(self, encode):
        wire = encode("€é", Role.SERVER, fragment_size=2)
        parts = [b"\xe2\x82", b"\xac\xc3", b"\xa9"]
        assert wire == b"".join(fragments(False, TEXT, parts))

    def test_each_fragment_has_a_key_of_its_own(self, backend, encode):
        wire = encode(bytes(1000), Role.CLIENT, fragment_size=10)
        keys = [wire[i + 2 : i + 6] for i in range(0, len(wire), 16)]
        assert len(set(keys)) == 100

    @pytest.mark.parametrize(
        ("size", "error", "text"),
        [
            (0, ValueError, "fragment_size must be 1 or more"),
            (-1, ValueError, "fragment_size must not be negative: -1"),
            ("1", TypeError, "fragment_size must be an int or None, not str"),
        ],
    )
    def test_misuse(self, encode, role, size, error, text):
        with pytest.raises(error, match=text):
            encode("a", role, fragment_size=size)


class TestEncodeAll:
    SENT = ("", b"", "Hello", b"\xff" * 126, "é" * 63, bytearray(b"x"), "水" * 30_000, "𝄞")

    def expected(self):
        return [item if isinstance(item, str) else bytes(item) for item in self.SENT]

    @pytest.mark.parametrize("fragment_size", [None, 5, 126])
    @pytest.mark.parametrize("kind", [list, tuple, iter])
    def test_it_is_the_messages_one_after_the_other(self, messages, kind, fragment_size):
        encoder = messages.MessageEncoder(Role.SERVER, fragment_size=fragment_size)
        wire = encoder.encode_all(kind(self.SENT))
        assert type(wire) is bytes
        assert wire == b"".join(map(encoder.encode, self.SENT))

    def test_it_is_decoded_again(self, messages, role):
        wire = messages.MessageEncoder(receiver_of(role)).encode_all(self.SENT)
        assert messages.MessageDecoder(role).feed(wire) == self.expected()

    def test_nothing_is_nothing(self, messages, role):
        assert messages.MessageEncoder(role).encode_all([]) == b""

    def test_one_bad_message_spoils_all(self, messages, role):
        encoder = messages.MessageEncoder(role)
        with pytest.raises(UnicodeEncodeError):
            encoder.encode_all(["fine", "\ud800"])
        with pytest.raises(TypeError, match="message must be a bytes-like object, not int"):
            encoder.encode_all(["fine", 3])

    def test_a_failing_iterable_fails(self, messages, role):
        def broken():
            yield "fine"
            raise LookupError("no more")

        with pytest.raises(LookupError, match="no more"):
            messages.MessageEncoder(role).encode_all(broken())

    def test_each_message_has_a_key_of_its_own(self, messages):
        wire = messages.MessageEncoder(Role.CLIENT).encode_all(["a"] * 5000)
        keys = {wire[i + 2 : i + 6] for i in range(0, len(wire), 7)}
        assert len(keys) >= 4990


class TestMaskingKeys:
    def test_two_encodings_of_a_message_differ(self, messages, encode):
        wires = {encode("Hello", Role.CLIENT) for _ in range(100)}
        assert len(wires) == 100
        decoder = messages.MessageDecoder(Role.SERVER)
        assert decoder.feed(b"".join(wires)) == ["Hello"] * 100

    @pytest.mark.parametrize("message", [b"Hello", "Hello", "水", bytearray(b"Hello")])
    def test_keys_are_entropy_of_the_operating_system_each_byte_used_once(
        self, encode, entropy, message
    ):
        assert drawn_from(entropy, lambda: key_of(encode(message, Role.CLIENT)))

    def test_frames_and_messages_share_them(self, backend, entropy):
        doors = cycle(
            [
                backend.keys.masking_key,
                lambda: key_of(backend.messages.encode_message("a", Role.CLIENT)),
            ]
        )
        assert drawn_from(entropy, lambda: next(doors)())

    def test_a_server_draws_none(self, encode, entropy):
        for _ in range(2000):
            encode("Hello", Role.SERVER)
        assert entropy == []
