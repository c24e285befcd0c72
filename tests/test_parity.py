"""The twins offer the same, say the same of it, and refuse the same in the same words."""

import inspect
import re
from pathlib import Path

import pytest
from conftest import TWINS

from wsfast.exceptions import ProtocolError
from wsfast.frames.received import Close, CompressedMessage, Ping, Pong
from wsfast.rfc6455 import Opcode, Role

# Of the source, where the .pyx are; a wheel has none.
ROOT = Path(__file__).parents[1]

DEFINITION = re.compile(r"^ *(?:cdef class|class|def) +(\w+)", re.MULTILINE)

KEY = b"1234"


@pytest.fixture(params=TWINS)
def pair(twins, request):
    """One module, compiled and in Python."""
    return getattr(twins.c, request.param), getattr(twins.python, request.param)


def public(namespace):
    """Every public function and method, and each class, by its dotted name."""
    for name in namespace.__all__:
        value = getattr(namespace, name)
        yield name, value
        if inspect.isclass(value):
            yield from (
                (f"{name}.{member}", getattr(value, member))
                for member in vars(value)
                if not member.startswith("_")
            )


def test_the_same_names(pair):
    compiled, specified = pair
    assert compiled.__all__ == specified.__all__
    assert sorted(dict(public(compiled))) == sorted(dict(public(specified)))


def test_the_same_order_in_the_source(pair):
    compiled, specified = pair
    assert order_in_source(compiled, ".pyx") == order_in_source(specified, ".py")


def order_in_source(module, suffix):
    """The public functions, classes and methods, in the order in which they are defined."""
    names = {part for name, _ in public(module) for part in name.split(".")}
    source = (ROOT / module.__name__.replace(".", "/")).with_suffix(suffix)
    defined = dict.fromkeys(DEFINITION.findall(source.read_text("utf-8")))
    return [name for name in defined if name in names]


def test_the_same_docstrings(pair):
    compiled, specified = (dict(public(module)) for module in pair)
    for name, value in specified.items():
        if callable(value):
            assert inspect.getdoc(compiled[name]) == inspect.getdoc(value), name
            assert value.__doc__, name


def test_the_same_signatures(pair):
    compiled, specified = (dict(public(module)) for module in pair)
    for name, value in specified.items():
        if inspect.isroutine(value):
            assert bare(inspect.signature(compiled[name])) == bare(inspect.signature(value)), name


def bare(signature):
    """A signature as a built-in function has it: without annotations, and self by position only."""
    return [
        (parameter.name, parameter.name == "self" or parameter.kind, parameter.default)
        for parameter in signature.parameters.values()
    ]


def test_methods_refuse_another_self(pair):
    """Not to mention that in C it would be read as if it were of the right type."""
    compiled, _ = (dict(public(module)) for module in pair)
    for name, value in compiled.items():
        if inspect.isroutine(value) and "." in name:
            with pytest.raises(TypeError):
                value(3, b"")


def test_the_same_names_of_themselves(pair):
    compiled, specified = (dict(public(module)) for module in pair)
    for name, value in specified.items():
        if callable(value):
            assert compiled[name].__name__ == value.__name__
            assert compiled[name].__qualname__ == value.__qualname__


def test_the_same_classes_take_subclasses(pair):
    compiled, specified = (dict(public(module)) for module in pair)
    for name, value in specified.items():
        if inspect.isclass(value):
            assert takes_subclasses(compiled[name]) == takes_subclasses(value), name


def takes_subclasses(base):
    try:
        type("Subclass", (base,), {})
    except TypeError:
        return False
    return True


# Arguments that no backend takes, and some that both take, surprisingly: both do the same.
NOT_BYTES = ["text", None, 3, [1, 2], object]
NOT_CONTIGUOUS = [memoryview(bytearray(8))[::2]]
CALLS = {
    "apply_mask": [
        *[lambda m, x=x: m.mask.apply_mask(x, KEY) for x in NOT_BYTES + NOT_CONTIGUOUS],
        *[lambda m, x=x: m.mask.apply_mask(b"data", x) for x in NOT_BYTES + NOT_CONTIGUOUS],
        *[lambda m, n=n: m.mask.apply_mask(b"data", bytes(n)) for n in (0, 1, 3, 5, 8)],
        *[lambda m, x=x: m.mask.apply_mask(b"data", KEY, x) for x in (-1, -(1 << 70), 1.0, "1")],
        lambda m: m.mask.apply_mask(b"data", KEY, None),
        lambda m: m.mask.apply_mask(b"data", KEY, True),
        lambda m: m.mask.apply_mask(None, None, None),
        lambda m: m.mask.apply_mask(b"data", b"", -1),
        lambda m: m.mask.apply_mask(offset=1, key=KEY, data=b"data"),
    ],
    "apply_mask_inplace": [
        *[lambda m, x=x: m.mask.apply_mask_inplace(x, KEY) for x in NOT_BYTES + NOT_CONTIGUOUS],
        *[
            lambda m, x=x: m.mask.apply_mask_inplace(bytearray(4), x)
            for x in NOT_BYTES + NOT_CONTIGUOUS
        ],
        *[
            lambda m, x=x: m.mask.apply_mask_inplace(x, KEY)
            for x in (b"data", memoryview(b"data"), memoryview(b"data")[::2])
        ],
        lambda m: m.mask.apply_mask_inplace(b"data", None, None),
        lambda m: m.mask.apply_mask_inplace(bytearray(4), KEY, -1),
        lambda m: m.mask.apply_mask_inplace(bytearray(4), KEY, 1.5),
    ],
    "utf8": [
        *[lambda m, x=x: m.utf8.is_valid_utf8(x) for x in NOT_BYTES + NOT_CONTIGUOUS],
        *[lambda m, x=x: m.utf8.decode_utf8(x) for x in NOT_BYTES + NOT_CONTIGUOUS],
        *[lambda m, x=x: m.utf8.decode_utf8(x) for x in (b"\xff", b"a\xe2\x82", b"\xed\xa0\x80")],
        *[lambda m, x=x: m.utf8.encode_utf8(x) for x in (b"text", None, 3, "\ud800", "é\udfff水")],
        *[lambda m, x=x: m.utf8.Utf8Validator().validate(x) for x in NOT_BYTES + NOT_CONTIGUOUS],
    ],
    "Frame": [
        *[lambda m, x=x: m.codec.Frame(x) for x in (3, 7, 11, 16, -1, "1", None, 1.0, 1.5)],
        lambda m: repr(m.codec.Frame(1)),
        lambda m: repr(m.codec.Frame(10, b"\xff", False, 0x70)),
        lambda m: repr(m.codec.Frame(opcode=2, payload=b"", fin=True, rsv=0)),
        lambda m: repr(m.codec.Frame(Opcode.CLOSE, fin=0)),
        lambda m: m.codec.Frame(1) == m.codec.Frame(Opcode.TEXT, b"", True, 0),
        lambda m: m.codec.Frame(1) == 1,
        lambda m: m.codec.Frame(1) != m.codec.Frame(2),
        *[lambda m, x=x: repr(m.codec.Frame(1, x)) for x in ("text", bytearray(b"x"), None)],
        *[lambda m, x=x: repr(m.codec.Frame(1, fin=x)) for x in (0, 1, None, "yes")],
        *[lambda m, x=x: repr(m.codec.Frame(1, rsv=x)) for x in (1, 1 << 70, "1", None)],
    ],
    "FrameParser": [
        *[lambda m, x=x: m.codec.FrameParser(x) for x in ("server", None, 1, True)],
        *[
            lambda m, x=x: m.codec.FrameParser(Role.SERVER, max_frame_size=x)
            for x in (-1, "1", 1.0, b"", -(1 << 70))
        ],
        *[
            lambda m, x=x: m.codec.FrameParser(Role.SERVER, allowed_rsv=x)
            for x in (1, 0x80, 0x48, -1, 1 << 70, None, "1", 1.0)
        ],
        lambda m: m.codec.FrameParser("server", max_frame_size=-1, allowed_rsv=1),
        *[
            lambda m, x=x: m.codec.FrameParser(Role.SERVER).feed(x)
            for x in NOT_BYTES + NOT_CONTIGUOUS
        ],
    ],
    "split_frames": [
        *[lambda m, x=x: m.codec.split_frames(x, Role.SERVER) for x in NOT_BYTES + NOT_CONTIGUOUS],
        *[lambda m, x=x: m.codec.split_frames(b"", x) for x in ("server", None, 1)],
        *[lambda m, x=x: m.codec.split_frames(b"", Role.SERVER, x) for x in (-1, "1", 1.0)],
        lambda m: m.codec.split_frames(b"\x81\x00", Role.CLIENT, max_frame_size=1 << 70),
        lambda m: m.codec.split_frames(None, "server", -1),
        lambda m: m.codec.split_frames(None, Role.SERVER, -1),
    ],
    "serialize_frame": [
        *[lambda m, x=x: m.codec.serialize_frame(x) for x in (3, 7, 11, 16, -1, 1 << 70)],
        *[lambda m, x=x: m.codec.serialize_frame(x) for x in (None, "1", 1.0, b"1", True)],
        *[lambda m, x=x: m.codec.serialize_frame(2, x) for x in (None, 3, [1], object)],
        *[lambda m, x=x: m.codec.serialize_frame(2, x) for x in NOT_CONTIGUOUS],
        *[lambda m, x=x: m.codec.serialize_frame(9, bytes(x)) for x in (125, 126, 65536)],
        *[lambda m, x=x: m.codec.serialize_frame(x, fin=False) for x in (1, 8, 9, 10)],
        *[lambda m, x=x: m.codec.serialize_frame(2, fin=x) for x in (0, 1, None, "yes")],
        *[lambda m, x=x: m.codec.serialize_frame(2, rsv=x) for x in (1, 0x80, -1, 1 << 70)],
        *[lambda m, x=x: m.codec.serialize_frame(2, rsv=x) for x in (None, "1", 1.0)],
        *[
            lambda m, x=x: m.codec.serialize_frame(2, b"", key=x)
            for x in NOT_BYTES + NOT_CONTIGUOUS
        ],
        *[lambda m, x=x: m.codec.serialize_frame(2, b"", key=bytes(x)) for x in (0, 3, 5)],
        lambda m: m.codec.serialize_frame(1, "\ud800"),
        lambda m: m.codec.serialize_frame(3, "\ud800", key=b""),
        lambda m: m.codec.serialize_frame(3, None, rsv=1, key=b""),
        lambda m: m.codec.serialize_frame(3, rsv=1, key=b""),
        lambda m: m.codec.serialize_frame(9, bytes(126), fin=False, rsv=1, key=b""),
    ],
    "MessageDecoder": [
        *[lambda m, x=x: m.messages.MessageDecoder(x) for x in ("server", None, 1)],
        *[
            lambda m, name=name, x=x: m.messages.MessageDecoder(Role.CLIENT, **{name: x})
            for name in ("max_size", "max_frame_size", "max_fragments")
            for x in (-1, "1", 1.0, -(1 << 70))
        ],
        lambda m: m.messages.MessageDecoder(Role.CLIENT, max_size=-1, max_frame_size="1"),
        *[
            lambda m, x=x: m.messages.MessageDecoder(Role.CLIENT).feed(x)
            for x in NOT_BYTES + NOT_CONTIGUOUS
        ],
        *[
            lambda m, x=x: m.messages.MessageDecoder(Role.CLIENT).feed_within(x, 1)
            for x in NOT_BYTES + NOT_CONTIGUOUS
        ],
        *[
            lambda m, x=x: m.messages.MessageDecoder(Role.CLIENT).feed_within(b"", x)
            for x in (-1, "1", 1.0, -(1 << 70), None, 1 << 70, True)
        ],
        lambda m: m.messages.MessageDecoder(Role.CLIENT).feed_within(None, -1),
    ],
    "memory_of": [
        *[lambda m, x=x: m.memory.memory_of(x) for x in ("", b"", "a", "Grüße", "水", "𝄞", b"a")],
        *[lambda m, x=x: m.memory.memory_of(x) for x in (Ping(b"a"), Pong(), Close(1000, "é"))],
        *[lambda m, x=x: m.memory.memory_of(Ping(x)) for x in (None, 3, "a", bytearray(3), [])],
        lambda m: m.memory.memory_of(CompressedMessage(Opcode.TEXT, bytes(100))),
        *[lambda m, x=x: m.memory.memory_of(x) for x in (None, 3, bytearray(3), [1, 2], object)],
    ],
    "MessageEncoder": [
        *[lambda m, x=x: m.messages.MessageEncoder(x) for x in ("server", None, 1)],
        *[
            lambda m, x=x: m.messages.MessageEncoder(Role.SERVER, fragment_size=x)
            for x in (0, -1, "1", 1.0, 0.0, False, True)
        ],
        lambda m: m.messages.MessageEncoder("server", fragment_size=0),
        *[
            lambda m, x=x: m.messages.MessageEncoder(Role.SERVER).encode(x)
            for x in (None, 3, [1], object, "\ud800", *NOT_CONTIGUOUS)
        ],
        *[
            lambda m, x=x: m.messages.MessageEncoder(Role.SERVER).encode_all(x)
            for x in (None, 3, [None], ["a", 3], ["\ud800", None], [None, "\ud800"], "text", b"12")
        ],
        *[
            lambda m, x=x: m.messages.encode_message(x, Role.CLIENT)
            for x in (None, 3, [1], object, "\ud800", *NOT_CONTIGUOUS)
        ],
        lambda m: m.messages.encode_message(None, "server", fragment_size=0),
        lambda m: m.messages.encode_message("a", Role.SERVER, fragment_size=0),
        lambda m: m.messages.encode_message("a", None),
    ],
}


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, id=f"{name}-{number}")
        for name, calls in CALLS.items()
        for number, call in enumerate(calls)
    ],
)
def test_the_same_outcome(twins, call):
    assert outcome(call, twins.c) == outcome(call, twins.python)


def outcome(call, backend):
    """What comes of the call; of a Frame or a parser, which each twin has its own, the type."""
    try:
        result = call(backend)
    except (TypeError, ValueError, ProtocolError) as exc:
        return type(exc), exc.args
    return type(result).__name__ if type(result).__module__.startswith("wsfast") else result


# Texts of these come from the interpreter, and Cython has its own.
MISCALLS = [
    lambda m: m.mask.apply_mask(),
    lambda m: m.mask.apply_mask(b""),
    lambda m: m.mask.apply_mask(b"", KEY, 0, 0),
    lambda m: m.mask.apply_mask(b"", KEY, phase=0),
    lambda m: m.codec.Frame(),
    lambda m: m.codec.Frame(1, b"", True, 0, 0),
    lambda m: m.codec.FrameParser(),
    lambda m: m.codec.FrameParser(Role.CLIENT, 1),
    lambda m: m.codec.FrameParser(Role.CLIENT, limit=1),
    lambda m: m.codec.serialize_frame(),
    lambda m: m.codec.serialize_frame(1, b"", True),
    lambda m: m.keys.masking_key(4),
    lambda m: m.messages.MessageDecoder(),
    lambda m: m.messages.MessageDecoder(Role.CLIENT, 1),
    lambda m: m.messages.MessageDecoder(Role.CLIENT).feed(),
    lambda m: m.messages.MessageEncoder(Role.CLIENT, 1),
    lambda m: m.messages.encode_message("a"),
    lambda m: m.messages.encode_message("a", Role.CLIENT, 1),
]


@pytest.mark.parametrize("number", range(len(MISCALLS)))
def test_the_same_parameters_are_missing_or_too_many(twins, number):
    for backend in (twins.c, twins.python):
        with pytest.raises(TypeError):
            MISCALLS[number](backend)
