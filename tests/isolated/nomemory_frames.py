"""Every public call of the codec, without memory at every place.

A call raises MemoryError, or does what it does. What it was made on is then as it was before, or,
for a decoder, out of use: it has lost its place in the stream, and says so.
"""

from allocator import FAILED, load, main, scenario

from wsfast.exceptions import InvalidUtf8, ProtocolError
from wsfast.frames.received import Close, CompressedMessage, Ping
from wsfast.rfc6455 import Opcode, Role

codec, messages = load("frames.codec"), load("frames.messages")
keys, memory = load("frames.keys"), load("frames.memory")
mask, utf8 = load("kernels.mask"), load("kernels.utf8")

KEY = b"\x12\x34\x56\x78"
SENT = ["Hello", b"\xff" * 300, "Grüße €𝄞 " * 30, "a" * 5000 + "é", b"", "", "b" * 600]
WIRE = messages.MessageEncoder(Role.SERVER).encode_all(SENT)
FRAGMENTED = messages.MessageEncoder(Role.SERVER, fragment_size=100).encode_all(SENT)
MASKED = messages.MessageEncoder(Role.CLIENT).encode_all(SENT)
PING = bytes.fromhex("8901 41")
CLOSE = bytes.fromhex("8805 03e8 627965")
COMPRESSED = bytes.fromhex("c103 ffffff")


def stateless(call, *arguments, **options):
    """A function that keeps nothing: called again, with memory, it does what it always did."""
    expected = call(*arguments, **options)

    def judge(_, outcome):
        assert outcome is FAILED or outcome == expected, f"expected {expected!r}"
        assert call(*arguments, **options) == expected

    return lambda: None, lambda _: call(*arguments, **options), judge


def raising(error, call, *arguments, **options):
    """A function that refuses its arguments, whenever it has the memory to say so."""

    def judge(_, outcome):
        assert outcome is FAILED or type(outcome) is error, f"expected {error.__name__}"

    return lambda: None, lambda _: call(*arguments, **options), judge


# Kernels


@scenario
def masking():
    return stateless(mask.apply_mask, b"Hello" * 300, KEY, 3)


@scenario
def masking_what_is_no_bytes():
    return stateless(mask.apply_mask, bytearray(b"Hello" * 300), bytearray(KEY), 1 << 70)


@scenario
def masking_in_place():
    before = b"Hello" * 300
    masked = mask.apply_mask(before, KEY)

    def judge(buffer, outcome):
        assert outcome is FAILED or outcome is None
        # In Python the number of bytes, which is not even wanted, takes memory when all is done.
        assert buffer == masked or (outcome is FAILED and buffer == before), "masked in part"
        buffer += b"nothing holds it"

    return lambda: bytearray(before), lambda buffer: mask.apply_mask_inplace(buffer, KEY), judge


@scenario
def validating_whole():
    return stateless(utf8.is_valid_utf8, bytearray("Grüße €𝄞 ".encode() * 30))


@scenario
def decoding_text():
    return stateless(utf8.decode_utf8, bytearray("Grüße €𝄞 ".encode() * 30))


@scenario
def decoding_what_is_no_text():
    return raising(UnicodeDecodeError, utf8.decode_utf8, b"a" * 300 + b"\xff")


@scenario
def encoding_text():
    return stateless(utf8.encode_utf8, "Grüße €𝄞 " * 30)


@scenario
def encoding_a_surrogate():
    return raising(UnicodeEncodeError, utf8.encode_utf8, "水" * 50 + "\ud800")


def validator_after(*pieces):
    def prepare():
        validator = utf8.Utf8Validator()
        for piece in pieces:
            validator.validate(piece)
        return validator

    return prepare


@scenario
def validating_in_pieces():
    before = "Grüße ".encode() * 40 + b"\xe2"  # so long that its numbers take memory, too
    piece = b"\x82\xac" + b"a" * 300 + b"\xf0\x9f"
    prepare = validator_after(before)
    expected = prepare().validate(piece)
    after = validator_after(before, piece)().validate(b"\x98\x80")

    def judge(validator, outcome):
        if outcome is FAILED:
            outcome = validator.validate(piece)
        assert outcome == expected, f"expected {expected}"
        assert validator.validate(b"\x98\x80") == after, "it has lost its place"

    return prepare, lambda validator: validator.validate(piece), judge


@scenario
def validating_a_bad_piece():
    prepare = validator_after(b"a" * 300 + b"\xe2")
    expected = prepare().validate(b"\x82\xff")

    def judge(validator, outcome):
        if outcome is FAILED:
            outcome = validator.validate(b"\x82\xff")
        assert outcome == expected, f"expected {expected}"
        assert not validator.validate(b"a")[0]

    return prepare, lambda validator: validator.validate(b"\x82\xff"), judge


# Frames


@scenario
def frame_of():
    return stateless(codec.Frame, 1, b"payload", False, 0x40)


@scenario
def frame_shown():
    return stateless(repr, codec.Frame(1, b"payload"))


@scenario
def frames_compared():
    return stateless(codec.Frame(1, b"payload").__eq__, codec.Frame(Opcode.TEXT, b"payload"))


@scenario
def serialising():
    return stateless(codec.serialize_frame, 2, bytearray(300), key=bytearray(KEY))


@scenario
def serialising_text():
    return stateless(codec.serialize_frame, 1, "Grüße €𝄞 " * 30, fin=False, rsv=0x40, key=KEY)


@scenario
def serialising_what_must_not_be():
    return raising(ValueError, codec.serialize_frame, 9, bytearray(126))


@scenario
def splitting():
    return stateless(codec.split_frames, bytearray(MASKED), Role.SERVER)


@scenario
def splitting_what_is_not_well_formed():
    return stateless(codec.split_frames, PING + b"\x83\x00", Role.CLIENT)


@scenario
def drawing_keys():
    """More than a block of entropy has."""

    def judge(_, outcome):
        assert outcome is FAILED or outcome is None
        assert len(keys.masking_key()) == 4

    return lambda: None, lambda _: draw(1025), judge


def draw(count):
    for _ in range(count):
        keys.masking_key()


def parsed_or_lost(parser, wire, outcome, expected):
    """Whatever failed is as it was before, or has lost its place, and then for good."""
    if outcome is not FAILED:
        assert outcome == expected, f"expected {expected!r}"
        assert parser.feed(PING)
        return
    try:
        again = parser.feed(wire)
    except RuntimeError:
        refused(RuntimeError, "the place in the stream is lost", parser)
    else:
        assert again == expected, f"expected {expected!r}"


def refused(error, text, parser):
    """A parser that is out of use says why, as often as it is fed."""
    for _ in range(2):
        try:
            parser.feed(PING)
        except error as exc:
            found = str(exc)
        else:
            found = "nothing"
        assert text in found, f"{found!r} instead of {text!r}"


def failed_or_lost(parser, outcome, error, completed):
    """Whatever failed has failed as it should have, or has lost its place, and then for good."""
    if outcome is not FAILED:
        assert type(outcome) is error, f"expected {error.__name__}"
        assert outcome.completed == completed, f"expected {completed!r} before it"
    for _ in range(2):
        try:
            parser.feed(PING)
        except (error, RuntimeError):
            pass
        else:
            assert outcome is FAILED, "it goes on, though it has failed"


@scenario
def parsing():
    expected = codec.FrameParser(Role.CLIENT).feed(FRAGMENTED)

    def judge(parser, outcome):
        parsed_or_lost(parser, FRAGMENTED, outcome, expected)

    return lambda: codec.FrameParser(Role.CLIENT), lambda parser: parser.feed(FRAGMENTED), judge


@scenario
def parsing_the_rest():
    def prepare():
        parser = codec.FrameParser(Role.CLIENT)
        parser.feed(WIRE[:-300])
        return parser

    expected = prepare().feed(WIRE[-300:])

    def judge(parser, outcome):
        parsed_or_lost(parser, WIRE[-300:], outcome, expected)

    return prepare, lambda parser: parser.feed(WIRE[-300:]), judge


@scenario
def parsing_a_violation():
    completed = codec.FrameParser(Role.CLIENT).feed(PING)

    def judge(parser, outcome):
        failed_or_lost(parser, outcome, ProtocolError, completed)

    return (
        lambda: codec.FrameParser(Role.CLIENT),
        lambda parser: parser.feed(PING + b"\x83\x00"),
        judge,
    )


# Messages


def decoder(*fed, role=Role.CLIENT, **options):
    def prepare():
        made = messages.MessageDecoder(role, compression=True, **options)
        for piece in fed:
            made.feed(piece)
        return made

    return prepare


def feeding(prepare, wire):
    expected = prepare().feed(wire)

    def judge(made, outcome):
        parsed_or_lost(made, wire, outcome, expected)

    return prepare, lambda made: made.feed(wire), judge


def making(kind, *arguments, **options):
    def judge(_, outcome):
        assert outcome is FAILED or type(outcome) is kind

    return lambda: None, lambda _: kind(*arguments, **options), judge


@scenario
def making_a_validator():
    return making(utf8.Utf8Validator)


@scenario
def making_a_parser():
    return making(codec.FrameParser, Role.CLIENT, max_frame_size=1 << 70, allowed_rsv=0x40)


@scenario
def making_a_decoder():
    return making(messages.MessageDecoder, Role.CLIENT, max_size=1 << 70, max_fragments=None)


@scenario
def making_an_encoder():
    return making(messages.MessageEncoder, Role.CLIENT, fragment_size=1 << 70)


@scenario
def making_an_encoder_anew():
    """It is made anew or as it was before."""

    def judge(encoder, outcome):
        expected = "810141" if outcome is FAILED else "8181"
        assert encoder.encode("A").hex().startswith(expected)

    return (
        lambda: messages.MessageEncoder(Role.SERVER),
        lambda encoder: encoder.__init__(Role.CLIENT, fragment_size=1 << 70),
        judge,
    )


@scenario
def making_a_parser_anew():
    """It is made anew or as it was before."""
    begin, end = bytes.fromhex("8105 48656c"), bytes.fromhex("6c 6f")

    def prepare():
        parser = codec.FrameParser(Role.CLIENT)
        parser.feed(begin)
        return parser

    def judge(parser, outcome):
        (received,) = parser.feed(end if outcome is FAILED else PING)
        assert received.payload == (b"Hello" if outcome is FAILED else b"A")

    return (
        prepare,
        lambda parser: parser.__init__(Role.CLIENT, max_frame_size=1 << 70, allowed_rsv=0x40),
        judge,
    )


@scenario
def making_a_decoder_anew():
    """It is made anew or as it was before."""

    def judge(made, outcome):
        received = made.feed(bytes.fromhex("6c 6f") if outcome is FAILED else PING)
        assert received == (["Hello"] if outcome is FAILED else [Ping(b"A")])

    return (
        decoder(bytes.fromhex("8105 48656c")),
        lambda made: made.__init__(Role.CLIENT, max_size=1 << 70, compression=True),
        judge,
    )


@scenario
def decoding():
    return feeding(decoder(), WIRE)


@scenario
def decoding_what_is_no_bytes():
    return feeding(decoder(), bytearray(WIRE + COMPRESSED))


@scenario
def decoding_masked():
    prepare = decoder(role=Role.SERVER)
    expected = prepare().feed(MASKED)

    def judge(made, outcome):
        assert outcome is FAILED or outcome == expected

    return prepare, lambda made: made.feed(MASKED), judge


@scenario
def decoding_fragments():
    return feeding(decoder(), FRAGMENTED + COMPRESSED + PING)


@scenario
def decoding_fragments_as_bytes():
    return feeding(decoder(decode=False), FRAGMENTED)


@scenario
def decoding_a_rest():
    """Text that has been found wide, and whose buffer grows."""
    wire = messages.encode_message("Grüße €𝄞 " * 300, Role.SERVER)
    return feeding(decoder(wire[:1000], wire[1000:2000]), wire[2000:])


@scenario
def decoding_a_close():
    def judge(made, outcome):
        if outcome is not FAILED:
            assert outcome == [Close(1000, "bye")]
            assert made.feed(PING) == []

    return decoder(), lambda made: made.feed(CLOSE), judge


@scenario
def decoding_a_violation():
    def judge(made, outcome):
        failed_or_lost(made, outcome, ProtocolError, [Ping(b"A")])

    return decoder(), lambda made: made.feed(PING + b"\x83\x00"), judge


@scenario
def decoding_what_is_no_utf8():
    def judge(made, outcome):
        failed_or_lost(made, outcome, InvalidUtf8, [Ping(b"A")])

    wire = PING + bytes.fromhex("817e 0101") + b"a" * 256 + b"\xff"
    return decoder(), lambda made: made.feed(wire), judge


@scenario
def decoding_within():
    budget = 700
    expected, used = decoder()().feed_within(FRAGMENTED, budget)
    rest = decoder(FRAGMENTED[:used])().feed(FRAGMENTED[used:])

    def judge(made, outcome):
        if outcome is FAILED:
            parsed_or_lost(made, FRAGMENTED, outcome, SENT)
        else:
            assert outcome == (expected, used)
            assert made.feed(FRAGMENTED[used:]) == rest

    return decoder(), lambda made: made.feed_within(FRAGMENTED, budget), judge


def taking_from(*fed, rest, **options):
    prepare = decoder(*fed, **options)
    expected = prepare().take_partial()
    made = prepare()
    made.take_partial()
    last = made.feed(rest)

    def judge(made, outcome):
        if outcome is FAILED:
            try:
                made.feed(b"")
            except RuntimeError:
                assert made.take_partial() is None
                return
            outcome = made.take_partial()
        assert outcome == expected, f"expected {expected!r}"
        assert made.feed(rest) == last, "what was taken comes again, or is lost"

    return prepare, lambda made: made.take_partial(), judge


@scenario
def taking_ascii():
    wire = messages.encode_message("a" * 500, Role.SERVER)
    return taking_from(wire[:300], rest=wire[300:])


@scenario
def taking_text_that_is_cut():
    wire = messages.encode_message("€" * 500, Role.SERVER)
    return taking_from(wire[:301], rest=wire[301:])


@scenario
def taking_bytes():
    wire = messages.encode_message(bytes(500), Role.SERVER)
    return taking_from(wire[:301], rest=wire[301:])


@scenario
def taking_text_as_bytes():
    wire = messages.encode_message("€" * 500, Role.SERVER)
    return taking_from(wire[:301], rest=wire[301:], decode=False)


@scenario
def counting_memory():
    return stateless(memory.memory_of, "Grüße")


@scenario
def counting_memory_of_another():
    return stateless(memory.memory_of, CompressedMessage(Opcode.TEXT, bytes(1000)))


@scenario
def encoding():
    return stateless(messages.MessageEncoder(Role.SERVER).encode, "Grüße €𝄞 " * 30)


@scenario
def encoding_fragments():
    encoder = messages.MessageEncoder(Role.SERVER, fragment_size=100)
    return stateless(encoder.encode, "Grüße €𝄞 " * 30)


@scenario
def encoding_all():
    """A list of them grows more than once."""
    encoder = messages.MessageEncoder(Role.SERVER)
    return stateless(encoder.encode_all, [*SENT, bytearray(b"copied")] * 5)


@scenario
def encoding_all_of_an_iterator():
    encoder = messages.MessageEncoder(Role.SERVER)
    expected = encoder.encode_all(SENT)

    def judge(_, outcome):
        assert outcome is FAILED or outcome == expected

    return lambda: iter(SENT), encoder.encode_all, judge


@scenario
def encoding_masked():
    def judge(_, outcome):
        assert outcome is FAILED or decoder(role=Role.SERVER)().feed(outcome) == SENT

    encoder = messages.MessageEncoder(Role.CLIENT, fragment_size=1000)
    return lambda: None, lambda _: encoder.encode_all(SENT), judge


@scenario
def encoding_one():
    return stateless(messages.encode_message, bytearray(300), Role.SERVER, fragment_size=100)


@scenario
def encoding_what_cannot_be():
    return raising(UnicodeEncodeError, messages.encode_message, "水\ud800", Role.SERVER)


@scenario
def encoding_the_payload_of_a_close():
    return stateless(Close(1000, "Grüße").to_payload)


main()
