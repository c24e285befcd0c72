"""Frames and messages: whole, in pieces, broken off, and refused at every stage."""

from growth import load, main, refused

from wsfast.exceptions import ProtocolError
from wsfast.rfc6455 import Opcode, Role

codec, messages = load("frames.codec"), load("frames.messages")
keys = load("frames.keys")

KEY = b"1234"
TEXTS = ["", "ascii" * 50, "é" * 100, "水" * 100, "𝄞" * 100, "a" * 3000 + "é"]
SENT = [*TEXTS, b"", b"\xff" * 100, bytearray(3000)]
WIRE = messages.MessageEncoder(Role.CLIENT).encode_all(SENT)
FRAGMENTED = messages.MessageEncoder(Role.CLIENT, fragment_size=700).encode_all(SENT)


def client_frame(opcode, payload=b"", **options):
    return codec.serialize_frame(opcode, payload, key=KEY, **options)


CONTROLS = (
    client_frame(Opcode.PING, b"?")
    + client_frame(Opcode.PONG)
    + client_frame(Opcode.CLOSE, b"\x03\xe8bye")
)
COMPRESSED = client_frame(Opcode.TEXT, b"\xff" * 100, rsv=0x40)

COMPLETE = client_frame(Opcode.TEXT, "complete")

BROKEN = [
    b"\xff",
    b"\x81\x00",
    client_frame(Opcode.TEXT, b"a" * 100, fin=False) + b"\x81",
    client_frame(Opcode.TEXT, b"a" * 100 + b"\xff"),
    client_frame(Opcode.TEXT, b"a" * 100 + b"\xe2"),
    client_frame(Opcode.TEXT, b"a" * 3000 + b"\xff"),
    client_frame(Opcode.TEXT, b"\xe2\x82", fin=False) + client_frame(0, b"a"),
    client_frame(Opcode.CLOSE, b"\x03\xed"),
    client_frame(Opcode.CLOSE, b"\x03\xe8\xff"),
    client_frame(Opcode.BINARY, bytes(300), fin=False) + client_frame(0, bytes(300)),
]


def feed(parser, wire, size):
    for start in range(0, len(wire), size):
        parser.feed(bytearray(wire[start : start + size]))


def decoding():
    feed(messages.MessageDecoder(Role.SERVER), WIRE, len(WIRE))
    feed(messages.MessageDecoder(Role.SERVER), WIRE + CONTROLS, 500)
    feed(messages.MessageDecoder(Role.SERVER), FRAGMENTED + CONTROLS, 500)
    feed(messages.MessageDecoder(Role.SERVER, compression=True), COMPRESSED * 3, 70)


def decoding_broken_off():
    for end in (1, 50, 3000, len(FRAGMENTED) - 1):
        messages.MessageDecoder(Role.SERVER).feed(FRAGMENTED[:end])
        messages.MessageDecoder(Role.SERVER).feed(WIRE[:end])


def decoding_opened_again():
    decoder = messages.MessageDecoder(Role.SERVER)
    decoder.feed(FRAGMENTED[:-1])
    decoder.__init__(Role.SERVER)


def decoding_refused():
    for wire in BROKEN:
        for size in (len(COMPLETE + wire), 500):
            decoder = messages.MessageDecoder(Role.SERVER, max_size=10_000, max_fragments=1)
            refused(ProtocolError, feed, decoder, COMPLETE + wire, size)
            refused(ProtocolError, decoder.feed, bytearray(b"more"))
    refused(TypeError, messages.MessageDecoder(Role.SERVER).feed, "text")
    refused(ValueError, messages.MessageDecoder, Role.SERVER, max_size=-1)


def encoding():
    for role in Role:
        for size in (None, 500):
            encoder = messages.MessageEncoder(role, fragment_size=size)
            encoder.encode_all(SENT)
            for message in SENT:
                encoder.encode(message)
        messages.encode_message("Hello", role)


def encoding_refused():
    encoder = messages.MessageEncoder(Role.CLIENT)
    for bad in ("水\ud800", None, memoryview(bytes(10))[::2]):
        refused((TypeError, ValueError), encoder.encode, bad)
        refused((TypeError, ValueError), encoder.encode_all, ["fine", bytearray(100), bad])
    refused(ValueError, messages.encode_message, "a", Role.CLIENT, fragment_size=0)


def parsing():
    parser = codec.FrameParser(Role.SERVER)
    feed(parser, WIRE + CONTROLS, 500)
    codec.FrameParser(Role.SERVER).feed(FRAGMENTED[:-1])


def parsing_refused():
    for wire in BROKEN[:3]:
        refused(ProtocolError, feed, codec.FrameParser(Role.SERVER), COMPLETE + wire, 7)


def serialising():
    codec.serialize_frame(Opcode.TEXT, "水" * 100, key=bytearray(KEY))
    codec.serialize_frame(Opcode.BINARY, bytearray(3000))
    refused(ValueError, codec.serialize_frame, 3, bytearray(10))
    refused(ValueError, codec.serialize_frame, 1, bytearray(10), key=b"123")
    refused(UnicodeEncodeError, codec.serialize_frame, 1, "\ud800")


def drawing_keys():
    for _ in range(10):
        keys.masking_key()


main(
    decoding,
    decoding_broken_off,
    decoding_opened_again,
    decoding_refused,
    encoding,
    encoding_refused,
    parsing,
    parsing_refused,
    serialising,
    drawing_keys,
)
