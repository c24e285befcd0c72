"""Frames: RFC 6455 section 5, rule by rule."""

import pytest
from wires import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    KEY,
    PING,
    PONG,
    TEXT,
    byte_by_byte,
    feed_all,
    frame,
    header,
)

from wsfast.exceptions import InvalidUtf8, MessageTooBig, ProtocolError
from wsfast.rfc6455 import CloseCode, Opcode, Role

SIZES = [0, 1, 2, 125, 126, 127, 128, 65535, 65536, 65537]


@pytest.fixture(scope="module")
def codec(backend):
    return backend.codec


class TestFrame:
    def test_defaults(self, codec):
        frame = codec.Frame(Opcode.PING)
        assert (frame.opcode, frame.payload, frame.fin, frame.rsv) == (Opcode.PING, b"", True, 0)

    def test_the_opcode_is_an_opcode(self, codec):
        assert type(codec.Frame(1).opcode) is Opcode

    @pytest.mark.parametrize("opcode", [3, 7, 11, 15, 16, -1])
    def test_reserved_opcodes_are_refused(self, codec, opcode):
        with pytest.raises(ValueError, match=f"{opcode} is not a valid Opcode"):
            codec.Frame(opcode)

    def test_equality(self, codec):
        fields = (Opcode.TEXT, b"Hello", False, 0x40)
        assert codec.Frame(*fields) == codec.Frame(*fields)
        for other in (
            (Opcode.BINARY, b"Hello", False, 0x40),
            (Opcode.TEXT, b"hello", False, 0x40),
            (Opcode.TEXT, b"Hello", True, 0x40),
            (Opcode.TEXT, b"Hello", False, 0),
        ):
            assert codec.Frame(*fields) != codec.Frame(*other)
        assert codec.Frame(*fields) != fields

    def test_what_can_change_has_no_hash(self, codec):
        frame = codec.Frame(Opcode.TEXT)
        frame.payload = b"Hello"
        assert frame == codec.Frame(Opcode.TEXT, b"Hello")
        with pytest.raises(TypeError, match="unhashable"):
            hash(frame)

    def test_repr(self, codec):
        shown = repr(codec.Frame(Opcode.CONTINUATION, b"\xff", False, 0x40))
        assert shown == "Frame(Opcode.CONTINUATION, b'\\xff', fin=False, rsv=0x40)"

    def test_nothing_can_be_added(self, codec):
        with pytest.raises(AttributeError):
            codec.Frame(Opcode.TEXT).extra = 1


class TestExamplesOfSection5_7:
    @pytest.mark.parametrize(
        ("role", "wire", "expected"),
        [
            (Role.CLIENT, "81 05 48 65 6c 6c 6f", [(Opcode.TEXT, b"Hello")]),
            (Role.SERVER, "81 85 37 fa 21 3d 7f 9f 4d 51 58", [(Opcode.TEXT, b"Hello")]),
            (
                Role.CLIENT,
                "01 03 48 65 6c 80 02 6c 6f",
                [(Opcode.TEXT, b"Hel", False), (Opcode.CONTINUATION, b"lo")],
            ),
            (Role.CLIENT, "89 05 48 65 6c 6c 6f", [(Opcode.PING, b"Hello")]),
            (Role.SERVER, "8a 85 37 fa 21 3d 7f 9f 4d 51 58", [(Opcode.PONG, b"Hello")]),
            (Role.CLIENT, "82 7e 01 00" + "2a" * 256, [(Opcode.BINARY, b"*" * 256)]),
            (
                Role.CLIENT,
                "82 7f 00 00 00 00 00 01 00 00" + "2a" * 65536,
                [(Opcode.BINARY, b"*" * 65536)],
            ),
        ],
    )
    def test_parsed(self, codec, way, role, wire, expected):
        frames = feed_all(codec.FrameParser(role), way(bytes.fromhex(wire)))
        assert frames == [codec.Frame(*fields) for fields in expected]

    def test_serialised(self, codec):
        serialize = codec.serialize_frame
        assert serialize(TEXT, "Hello").hex() == "810548656c6c6f"
        assert serialize(TEXT, "Hello", key=KEY).hex() == "818537fa213d7f9f4d5158"
        assert serialize(TEXT, "Hel", fin=False).hex() == "010348656c"
        assert serialize(CONTINUATION, "lo").hex() == "80026c6f"
        assert serialize(PING, b"Hello").hex() == "890548656c6c6f"
        assert serialize(PONG, b"Hello", key=KEY).hex() == "8a8537fa213d7f9f4d5158"
        assert serialize(BINARY, b"*" * 256)[:4].hex() == "827e0100"
        assert serialize(BINARY, b"*" * 65536)[:10].hex() == "827f0000000000010000"


class TestParsing:
    @pytest.mark.parametrize("size", SIZES)
    def test_every_form_of_length(self, codec, role, masked, way, size):
        payload = bytes(i % 251 for i in range(size))
        frames = feed_all(codec.FrameParser(role), way(frame(masked, BINARY, payload)))
        assert frames == [codec.Frame(Opcode.BINARY, payload)]

    @pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
    def test_every_opcode(self, codec, role, masked, way, opcode):
        frames = feed_all(codec.FrameParser(role), way(frame(masked, opcode)))
        assert frames == [codec.Frame(opcode)]
        assert type(frames[0].opcode) is Opcode
        assert type(frames[0].payload) is bytes
        assert frames[0].fin is True
        assert type(frames[0].rsv) is int

    def test_fragments_with_control_frames_in_between(self, codec, role, masked, way):
        wire = (
            frame(masked, TEXT, b"Hel", fin=False)
            + frame(masked, PING, b"?")
            + frame(masked, CONTINUATION, b"", fin=False)
            + frame(masked, PONG)
            + frame(masked, CONTINUATION, b"lo")
            + frame(masked, BINARY, b"next")
        )
        assert feed_all(codec.FrameParser(role), way(wire)) == [
            codec.Frame(Opcode.TEXT, b"Hel", fin=False),
            codec.Frame(Opcode.PING, b"?"),
            codec.Frame(Opcode.CONTINUATION, b"", fin=False),
            codec.Frame(Opcode.PONG),
            codec.Frame(Opcode.CONTINUATION, b"lo"),
            codec.Frame(Opcode.BINARY, b"next"),
        ]

    def test_many_frames_in_one_read_and_a_frame_in_many(self, codec, role, masked, way):
        wire = b"".join(frame(masked, BINARY, bytes([i]) * i) for i in range(200))
        frames = feed_all(codec.FrameParser(role), way(wire))
        assert [frame.payload for frame in frames] == [bytes([i]) * i for i in range(200)]

    def test_text_is_not_validated(self, codec, role, masked, way):
        frames = feed_all(codec.FrameParser(role), way(frame(masked, TEXT, b"\xff")))
        assert frames == [codec.Frame(Opcode.TEXT, b"\xff")]

    def test_close_payloads(self, codec, role, masked, way):
        for payload in (b"", b"\x03\xe8", "\u03e8".encode("utf-16-be") + "bye €".encode()):
            frames = feed_all(codec.FrameParser(role), way(frame(masked, CLOSE, payload)))
            assert frames == [codec.Frame(Opcode.CLOSE, payload)]

    def test_a_frame_behind_a_close_is_still_a_frame(self, codec, role, masked, way):
        wire = frame(masked, CLOSE) + frame(masked, PING)
        assert len(feed_all(codec.FrameParser(role), way(wire))) == 2

    def test_keys_of_all_kinds(self, codec, way):
        keys = [bytes(4), b"\xff" * 4, b"\0\0\0\1", b"\x80\0\0\0", bytes(range(4))]
        wire = b"".join(frame(True, BINARY, b"Hello, world!", key=key) for key in keys)
        frames = feed_all(codec.FrameParser(Role.SERVER), way(wire))
        assert [frame.payload for frame in frames] == [b"Hello, world!"] * len(keys)

    def test_nothing_comes_of_nothing(self, codec, role):
        assert codec.FrameParser(role).feed(b"") == []

    def test_a_frame_comes_with_its_last_byte(self, codec, role, masked):
        wire = frame(masked, BINARY, b"Hello" * 30)
        parser = codec.FrameParser(role)
        assert [len(parser.feed(piece)) for piece in byte_by_byte(wire)] == [0] * (
            len(wire) - 1
        ) + [1]

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_reads_of_every_kind(self, codec, kind):
        parser = codec.FrameParser(Role.SERVER)
        assert parser.feed(kind(frame(True, TEXT, b"Hello"))) == [codec.Frame(1, b"Hello")]

    def test_a_read_may_change_once_it_was_fed(self, codec, role, masked):
        parser = codec.FrameParser(role)
        read = bytearray(frame(masked, BINARY, b"Hello"))
        first = parser.feed(read[:-2])
        tail = read[-2:]
        frames = first + parser.feed(tail)
        read[:] = tail[:] = b""  # and no buffer is held, or this could not be resized
        assert frames == [codec.Frame(Opcode.BINARY, b"Hello")]

    def test_reserved_bits_that_an_extension_uses(self, codec, role, masked, way):
        parser = codec.FrameParser(role, allowed_rsv=0x60)
        wire = frame(masked, TEXT, b"a", fin=False, rsv=0x40) + frame(masked, CONTINUATION, b"b")
        wire += frame(masked, BINARY, b"c", rsv=0x60)
        assert feed_all(parser, way(wire)) == [
            codec.Frame(Opcode.TEXT, b"a", fin=False, rsv=0x40),
            codec.Frame(Opcode.CONTINUATION, b"b"),
            codec.Frame(Opcode.BINARY, b"c", rsv=0x60),
        ]

    def test_a_parser_can_be_opened_again(self, codec):
        parser = codec.FrameParser(Role.SERVER)
        with pytest.raises(ProtocolError):
            parser.feed(frame(True, TEXT, b"a", fin=False) + frame(True, TEXT, b"b"))
        parser.__init__(Role.CLIENT)
        assert parser.feed(frame(False, TEXT, b"a")) == [codec.Frame(Opcode.TEXT, b"a")]


def begun(masked):
    """A fragmented message in progress."""
    return frame(masked, TEXT, b"a", fin=False)


# Each rule that shows in a header: what breaks it, up to the byte with which that is certain. The
# second part is made for a peer that masks, or for one that does not.
BROKEN_HEADERS = {
    "reserved_bits": [
        *[lambda masked, rsv=rsv: bytes([FIN | rsv | TEXT]) for rsv in range(0x10, 0x80, 0x10)],
        lambda masked: bytes([FIN | 0x40 | PING]),
        lambda masked: begun(masked) + bytes([FIN | 0x40 | CONTINUATION]),
    ],
    "reserved_opcode": [
        *[lambda masked, opcode=opcode: bytes([FIN | opcode]) for opcode in (3, 4, 5, 6, 7)],
        *[lambda masked, opcode=opcode: bytes([FIN | opcode]) for opcode in range(11, 16)],
        lambda masked: bytes([3]),
        lambda masked: bytes([11]),
        lambda masked: begun(masked) + bytes([FIN | 7]),
    ],
    "fragmented_control_frame": [
        lambda masked: bytes([CLOSE]),
        lambda masked: bytes([PING]),
        lambda masked: bytes([PONG]),
    ],
    "unexpected_continuation": [
        lambda masked: bytes([FIN | CONTINUATION]),
        lambda masked: bytes([CONTINUATION]),
        lambda masked: frame(masked, TEXT, b"a") + bytes([FIN | CONTINUATION]),
        lambda masked: begun(masked) + frame(masked, CONTINUATION) + bytes([FIN | CONTINUATION]),
    ],
    "expected_continuation": [
        lambda masked: begun(masked) + bytes([FIN | TEXT]),
        lambda masked: begun(masked) + bytes([BINARY]),
        lambda masked: begun(masked) + frame(masked, PING) + bytes([FIN | BINARY]),
    ],
    "control_frame_too_long": [
        lambda masked: header(FIN | PING, 126, masked)[:2],
        lambda masked: header(FIN | PONG, 65536, masked)[:2],
        lambda masked: header(FIN | CLOSE, 126, masked)[:2],
    ],
    "close_payload_too_short": [lambda masked: header(FIN | CLOSE, 1, masked)],
    "length_not_minimal": [
        lambda masked: header(FIN | TEXT, 126, masked)[:2] + bytes([0, 0]),
        lambda masked: header(FIN | TEXT, 126, masked)[:2] + bytes([0, 125]),
        lambda masked: header(FIN | TEXT, 1 << 16, masked)[:2] + bytes(8),
        lambda masked: header(FIN | TEXT, 1 << 16, masked)[:2] + (0xFFFF).to_bytes(8, "big"),
    ],
    "length_top_bit": [
        lambda masked: header(FIN | TEXT, 1 << 63, masked),
        lambda masked: header(FIN | TEXT, (1 << 64) - 1, masked),
    ],
}


# Those that need no message before them, and no extension.
MALFORMED = [
    make
    for reason, makers in BROKEN_HEADERS.items()
    if reason not in ("reserved_bits", "unexpected_continuation", "expected_continuation")
    for make in makers
    if not make(False).startswith(begun(False))
]


class TestViolations:
    @pytest.mark.parametrize(
        ("reason", "make"),
        [(reason, make) for reason, makers in BROKEN_HEADERS.items() for make in makers],
    )
    def test_the_byte_that_shows_it_fails(self, codec, role, masked, way, reason, make):
        wire = make(masked)
        parser = codec.FrameParser(role)
        parser.feed(wire[:-1])
        with pytest.raises(ProtocolError) as info:
            feed_all(parser, way(wire[-1:]))
        assert info.value.reason == reason
        assert info.value.close_code is CloseCode.PROTOCOL_ERROR
        assert type(info.value) is ProtocolError

    @pytest.mark.parametrize("opcode", [TEXT, PING])
    def test_a_server_wants_masks(self, codec, opcode):
        parser = codec.FrameParser(Role.SERVER)
        parser.feed(bytes([FIN | opcode]))
        with pytest.raises(ProtocolError) as info:
            parser.feed(bytes([0x00]))
        assert info.value.reason == "unmasked_frame"

    @pytest.mark.parametrize("opcode", [TEXT, PING])
    def test_a_client_wants_none(self, codec, opcode):
        parser = codec.FrameParser(Role.CLIENT)
        parser.feed(bytes([FIN | opcode]))
        with pytest.raises(ProtocolError) as info:
            parser.feed(bytes([0x80]))
        assert info.value.reason == "masked_frame"

    @pytest.mark.parametrize("allowed", [0, 0x10, 0x20, 0x40])
    def test_only_the_bits_that_are_allowed(self, codec, allowed):
        for rsv in range(0x10, 0x80, 0x10):
            parser = codec.FrameParser(Role.CLIENT, allowed_rsv=allowed)
            if rsv == allowed:
                assert parser.feed(frame(False, TEXT, rsv=rsv)) == [codec.Frame(1, rsv=rsv)]
            else:
                with pytest.raises(ProtocolError, match=f"reserved bits {rsv >> 4:03b} "):
                    parser.feed(bytes([FIN | rsv | TEXT]))

    @pytest.mark.parametrize("first", [FIN | 0x40 | PING, FIN | 0x40 | CLOSE, FIN | 0x40])
    def test_extensions_mark_the_first_frame_of_a_message_only(self, codec, first):
        parser = codec.FrameParser(Role.CLIENT, allowed_rsv=0x70)
        parser.feed(begun(False))
        with pytest.raises(ProtocolError) as info:
            parser.feed(bytes([first]))
        assert info.value.reason == "reserved_bits"

    @pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
    def test_close_codes_that_must_not_be_sent(self, codec, role, masked, way, code):
        with pytest.raises(ProtocolError, match=f"code {code}, which must not") as info:
            feed_all(codec.FrameParser(role), way(frame(masked, CLOSE, code.to_bytes(2, "big"))))
        assert info.value.reason == "close_code"

    @pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4999])
    def test_close_codes_that_may_be_sent(self, codec, role, masked, code):
        payload = code.to_bytes(2, "big")
        assert codec.FrameParser(role).feed(frame(masked, CLOSE, payload))[0].payload == payload

    @pytest.mark.parametrize(
        ("reason", "bad"), [(b"\xff", 0), (b"bye \xe2\x82", 6), (b"\xed\xa0\x80", 1)]
    )
    def test_close_reasons_are_utf8(self, codec, role, masked, way, reason, bad):
        wire = frame(masked, CLOSE, b"\x03\xe8" + reason)
        with pytest.raises(InvalidUtf8, match=f"bad byte at index {bad}$") as info:
            feed_all(codec.FrameParser(role), way(wire))
        assert info.value.reason == "invalid_utf8"
        assert info.value.close_code is CloseCode.INVALID_PAYLOAD

    def test_what_came_before_is_in_completed(self, codec, role, masked):
        good = frame(masked, TEXT, b"a") + frame(masked, PING)
        with pytest.raises(ProtocolError) as info:
            codec.FrameParser(role).feed(good + bytes([0xFF]))
        assert info.value.completed == [codec.Frame(Opcode.TEXT, b"a"), codec.Frame(Opcode.PING)]

    def test_what_came_earlier_is_not(self, codec, role, masked):
        parser = codec.FrameParser(role)
        parser.feed(frame(masked, TEXT, b"a"))
        with pytest.raises(ProtocolError) as info:
            parser.feed(bytes([0xFF]))
        assert info.value.completed == []

    @pytest.mark.parametrize("more", [b"", b"\x81\x00", b"\xff"])
    def test_a_failed_parser_stays_failed(self, codec, role, masked, more):
        parser = codec.FrameParser(role)
        with pytest.raises(ProtocolError) as first:
            parser.feed(frame(masked, PING) + bytes([0xC1]))
        for _ in range(2):
            with pytest.raises(ProtocolError) as again:
                parser.feed(more)
            assert type(again.value) is type(first.value)
            assert again.value.args == first.value.args
            assert again.value.completed == []
            assert again.value is not first.value

    def test_a_refused_read_is_no_failure(self, codec):
        parser = codec.FrameParser(Role.CLIENT)
        parser.feed(b"\x81")
        with pytest.raises(TypeError):
            parser.feed("\x00")
        assert parser.feed(b"\x00") == [codec.Frame(Opcode.TEXT)]

    def test_a_failed_read_is_not_held(self, codec):
        read = bytearray(b"\xff")
        with pytest.raises(ProtocolError):
            codec.FrameParser(Role.CLIENT).feed(read)
        read.clear()


class TestMisuse:
    @pytest.mark.parametrize("role", ["server", None, 1])
    def test_the_role_is_a_role(self, codec, role):
        with pytest.raises(TypeError, match=r"role must be Role\.CLIENT or Role\.SERVER, not "):
            codec.FrameParser(role)

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"max_frame_size": -1}, ValueError, "max_frame_size must not be negative: -1"),
            ({"max_frame_size": "1"}, TypeError, "max_frame_size must be an int or None, not str"),
            ({"allowed_rsv": 1}, ValueError, "allowed_rsv must have no bits but 0x40, 0x20 and"),
            ({"allowed_rsv": -1}, ValueError, "allowed_rsv must have no bits but"),
            ({"allowed_rsv": None}, TypeError, "allowed_rsv must be an int, not NoneType"),
        ],
    )
    def test_options(self, codec, options, error, text):
        with pytest.raises(error, match=text):
            codec.FrameParser(Role.SERVER, **options)

    @pytest.mark.parametrize("data", ["text", None, 3])
    def test_reads_are_bytes(self, codec, data):
        text = f"data must be a bytes-like object, not {type(data).__name__}"
        with pytest.raises(TypeError, match=text):
            codec.FrameParser(Role.SERVER).feed(data)


class TestMaxFrameSize:
    @pytest.mark.parametrize("limit", [0, 1, 125, 126, 65535, 65536])
    def test_the_limit_passes_and_one_more_fails(self, codec, role, masked, way, limit):
        wire = frame(masked, BINARY, bytes(limit))
        parser = codec.FrameParser(role, max_frame_size=limit)
        assert len(feed_all(parser, way(wire))) == 1
        parser = codec.FrameParser(role, max_frame_size=limit)
        with pytest.raises(MessageTooBig) as info:
            feed_all(parser, way(frame(masked, BINARY, bytes(limit + 1))))
        assert info.value.reason == "frame_too_big"
        assert info.value.close_code is CloseCode.MESSAGE_TOO_BIG
        assert str(info.value) == (
            f"frame of {limit + 1} bytes passes max_frame_size, which is {limit} bytes"
        )

    def test_it_is_1_mib_unless_said_otherwise(self, codec, role, masked):
        head = header(FIN | BINARY, 1 << 20, masked) + (KEY if masked else b"")
        assert codec.FrameParser(role).feed(head) == []
        head = header(FIN | BINARY, (1 << 20) + 1, masked) + (KEY if masked else b"")
        with pytest.raises(MessageTooBig):
            codec.FrameParser(role).feed(head)

    @pytest.mark.parametrize("length", [1 << 31, (1 << 31) + 1, 1 << 32, (1 << 63) - 1])
    def test_the_header_alone_fails(self, codec, role, masked, way, length):
        head = header(FIN | BINARY, length, masked) + (KEY if masked else b"")
        with pytest.raises(MessageTooBig, match=f"frame of {length} bytes"):
            feed_all(codec.FrameParser(role), way(head))

    @pytest.mark.parametrize("length", [1 << 31, (1 << 31) + 1, 1 << 32, (1 << 63) - 1])
    def test_none_is_no_limit(self, codec, role, masked, way, length):
        head = header(FIN | BINARY, length, masked) + (KEY if masked else b"")
        assert feed_all(codec.FrameParser(role, max_frame_size=None), way(head)) == []

    def test_a_limit_beyond_all_lengths_is_none(self, codec):
        parser = codec.FrameParser(Role.CLIENT, max_frame_size=1 << 70)
        assert parser.feed(header(FIN | BINARY, (1 << 63) - 1, False)) == []


class TestSplitFrames:
    def split(self, codec, masked, wire, limit=None):
        return codec.split_frames(wire, Role.SERVER if masked else Role.CLIENT, limit)

    def test_nothing(self, codec, role):
        assert codec.split_frames(b"", role) == ([], 0, True)

    @pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
    def test_whole_frames_as_first_byte_and_payload(self, codec, masked, size):
        payload = bytes(i % 251 for i in range(size))
        wire = frame(masked, BINARY, payload) + frame(masked, PING, b"?") + frame(masked, TEXT)
        expected = [(FIN | BINARY, payload), (FIN | PING, b"?"), (FIN | TEXT, b"")]
        frames, taken, well_formed = self.split(codec, masked, wire)
        assert (frames, taken, well_formed) == (expected, len(wire), True)
        assert {type(payload) for _, payload in frames} == {bytes}

    def test_it_stops_in_front_of_a_frame_that_is_not_complete(self, codec, masked):
        whole, next_one = frame(masked, TEXT, b"Hello"), frame(masked, BINARY, b"x" * 126)
        for end in range(len(next_one)):
            split = self.split(codec, masked, whole + next_one[:end])
            assert split == ([(FIN | TEXT, b"Hello")], len(whole), True)

    @pytest.mark.parametrize("opcode", [TEXT, BINARY, CONTINUATION])
    def test_it_stops_behind_a_fragment(self, codec, masked, opcode):
        fragment = frame(masked, opcode, b"a", fin=False)
        split = self.split(codec, masked, fragment + frame(masked, PING))
        assert split == ([(opcode, b"a")], len(fragment), True)

    def test_it_stops_behind_the_last_fragment(self, codec, masked):
        fragment = frame(masked, CONTINUATION, b"a")
        split = self.split(codec, masked, fragment + frame(masked, PING))
        assert split == ([(FIN | CONTINUATION, b"a")], len(fragment), True)

    @pytest.mark.parametrize("make", MALFORMED)
    def test_it_stops_in_front_of_a_frame_that_is_not_well_formed(self, codec, masked, make):
        good, bad = frame(masked, PING, b"?"), make(masked)
        bad += header(0, 0, masked)[1:] if len(bad) == 1 else b""
        assert self.split(codec, masked, good + bad) == ([(FIN | PING, b"?")], len(good), False)

    def test_masks_belong_to_well_formed_frames(self, codec, masked):
        assert self.split(codec, masked, frame(not masked, TEXT)) == ([], 0, False)

    @pytest.mark.parametrize("limit", [0, 1, 125, 126, 65536])
    def test_a_frame_that_passes_the_limit_is_not_well_formed(self, codec, masked, limit):
        good = frame(masked, BINARY, bytes(limit))
        split = self.split(codec, masked, good, limit)
        assert split == ([(FIN | BINARY, bytes(limit))], len(good), True)
        head = header(FIN | BINARY, limit + 1, masked) + (KEY if masked else b"")
        assert self.split(codec, masked, good + head, limit)[1:] == (len(good), False)

    def test_the_rest_is_left_to_the_caller(self, codec, masked):
        wire = frame(masked, TEXT, b"\xff", rsv=0x70) + frame(masked, CLOSE, b"\0\0", rsv=0x10)
        frames, taken, well_formed = self.split(codec, masked, wire)
        assert frames == [(0xF1, b"\xff"), (0x98, b"\0\0")]
        assert (taken, well_formed) == (len(wire), True)

    def test_reads_of_every_kind(self, codec, masked):
        read = bytearray(frame(masked, TEXT, b"Hello"))
        assert self.split(codec, masked, memoryview(read))[0] == [(FIN | TEXT, b"Hello")]
        read.clear()


class TestSerializeFrame:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("key", [None, KEY])
    def test_every_form_of_length(self, codec, size, key):
        payload = bytes(i % 251 for i in range(size))
        wire = codec.serialize_frame(BINARY, payload, key=key)
        assert type(wire) is bytes
        assert wire == frame(key is not None, BINARY, payload)

    @pytest.mark.parametrize("text", ["Hello", "é" * 63, "水" * 42, "𝄞" * 20_000, ""])
    @pytest.mark.parametrize("key", [None, KEY])
    def test_text_is_encoded(self, codec, text, key):
        wire = codec.serialize_frame(TEXT, text, key=key)
        assert wire == frame(key is not None, TEXT, text.encode())

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    @pytest.mark.parametrize("key", [None, KEY, bytearray(KEY), memoryview(KEY)])
    def test_buffers_of_every_kind(self, codec, kind, key):
        data = kind(b"Hello")
        assert codec.serialize_frame(2, data, key=key) == frame(key is not None, 2, b"Hello")
        assert data == b"Hello"

    def test_fin_and_reserved_bits(self, codec):
        assert codec.serialize_frame(TEXT, fin=False) == b"\x01\x00"
        assert codec.serialize_frame(TEXT, rsv=0x40) == b"\xc1\x00"
        assert codec.serialize_frame(Opcode.BINARY, fin=False, rsv=0x70) == b"\x72\x00"

    def test_what_it_writes_is_parsed(self, codec, role, masked, way):
        key = KEY if masked else None
        sent = [
            codec.Frame(Opcode.TEXT, b"Hel", fin=False, rsv=0x40),
            codec.Frame(Opcode.PING, b"x" * 125),
            codec.Frame(Opcode.CONTINUATION, b"lo"),
            codec.Frame(Opcode.BINARY, bytes(range(256))),
            codec.Frame(Opcode.CLOSE, b"\x03\xe8bye"),
        ]
        wire = b"".join(
            codec.serialize_frame(f.opcode, f.payload, fin=f.fin, rsv=f.rsv, key=key) for f in sent
        )
        assert feed_all(codec.FrameParser(role, allowed_rsv=0x40), way(wire)) == sent

    @pytest.mark.parametrize(
        ("arguments", "options", "error", "text"),
        [
            ((3,), {}, ValueError, "opcode 0x3 is reserved"),
            ((11,), {}, ValueError, "opcode 0xb is reserved"),
            ((16,), {}, ValueError, "opcode 0x10 is reserved"),
            (("1",), {}, TypeError, "opcode must be an int, not str"),
            ((1,), {"rsv": 1}, ValueError, "rsv must have no bits but 0x40, 0x20 and 0x10: 0x1"),
            ((1,), {"rsv": 0x80}, ValueError, "rsv must have no bits but"),
            ((PING,), {"fin": False}, ValueError, "a control frame must not be fragmented"),
            ((PING, bytes(126)), {}, ValueError, "control frame has 126 bytes, and at most 125"),
            ((CLOSE, "é" * 63), {}, ValueError, "control frame has 126 bytes, and at most 125"),
            ((TEXT, 3), {}, TypeError, "payload must be a bytes-like object, not int"),
            ((TEXT, "\ud800"), {}, UnicodeEncodeError, "surrogates not allowed"),
            ((TEXT, b"", True), {}, TypeError, "positional arguments?"),
            ((TEXT,), {"key": b"123"}, ValueError, "key must have 4 bytes, not 3"),
            ((TEXT,), {"key": "1234"}, TypeError, "key must be a bytes-like object, not str"),
        ],
    )
    def test_misuse(self, codec, arguments, options, error, text):
        with pytest.raises(error, match=text):
            codec.serialize_frame(*arguments, **options)

    def test_buffers_are_released(self, codec):
        payload, key = bytearray(b"Hello"), bytearray(KEY)
        codec.serialize_frame(2, payload, key=key)
        with pytest.raises(ValueError, match="reserved"):
            codec.serialize_frame(3, payload, key=key)
        payload.clear()
        key.clear()
