"""What a decoder or a parser does when something breaks out of it, or into it."""

import copy
import gc
import pickle
import subprocess
import sys
import weakref

import pytest
from wires import CLOSE, PING, TEXT, frame, header

from wsfast.exceptions import ProtocolError
from wsfast.frames import violations
from wsfast.rfc6455 import Role


@pytest.fixture(params=["MessageDecoder", "FrameParser"])
def parser_class(backend, request):
    return getattr(backend.codec, request.param, None) or getattr(backend.messages, request.param)


class Timeout(Exception):
    """What a signal handler might raise, anywhere."""


def test_an_exception_from_elsewhere_ends_it(parser_class, monkeypatch):
    def interrupted(*arguments):
        raise Timeout

    parser = parser_class(Role.CLIENT)
    monkeypatch.setattr(violations, "close_code", interrupted)
    with pytest.raises(Timeout):
        parser.feed(frame(False, CLOSE, (999).to_bytes(2, "big")))
    with pytest.raises(RuntimeError, match="the place in the stream is lost"):
        parser.feed(frame(False, TEXT, b"inside of what was interrupted"))


def test_to_feed_it_while_it_is_fed_is_an_error(parser_class, monkeypatch):
    parser = parser_class(Role.CLIENT)
    inner = []

    def feeding(code):
        with pytest.raises(RuntimeError, match="called again before it returned") as caught:
            parser.feed(frame(False, PING))
        inner.append(caught)
        return ProtocolError("close_code", "told")

    monkeypatch.setattr(violations, "close_code", feeding)
    with pytest.raises(ProtocolError, match="told"):
        parser.feed(frame(False, CLOSE, (999).to_bytes(2, "big")))
    assert inner


def test_a_failure_keeps_nothing_of_the_caller_alive(parser_class):
    parser = parser_class(Role.CLIENT)
    gc.disable()
    try:
        try:
            parser.feed(b"\x83")
        except ProtocolError as exc:
            error = weakref.ref(exc)  # and all that its traceback refers to
        assert error() is None
    finally:
        gc.enable()


def test_a_second_init_that_fails_changes_nothing(parser_class):
    wire = frame(False, PING, b"A" * 125)
    parser = parser_class(Role.CLIENT)
    assert parser.feed(wire[:126]) == []
    with pytest.raises(TypeError):
        parser.__init__("no role")
    with pytest.raises(ValueError, match="must not be negative"):
        parser.__init__(Role.SERVER, max_frame_size=-1)
    (ping,) = parser.feed(wire[126:])
    assert ping.payload == b"A" * 125


class Undecided:
    """What is neither true nor false, as an array may be."""

    def __bool__(self):
        raise ValueError("neither")


@pytest.mark.parametrize("option", ["compression", "decode"])
def test_a_second_init_whose_options_cannot_be_read_changes_nothing(backend, option):
    decoder = backend.messages.MessageDecoder(Role.CLIENT)
    assert decoder.feed(header(TEXT | 0x80, 5, False) + b"Hel") == []
    with pytest.raises(ValueError, match="neither"):
        decoder.__init__(Role.SERVER, **{option: Undecided()})
    assert decoder.feed(b"lo") == ["Hello"]


def test_a_second_init_of_an_encoder_that_fails_changes_nothing(backend):
    encoder = backend.messages.MessageEncoder(Role.SERVER, fragment_size=3)
    with pytest.raises(ValueError, match="fragment_size must be 1 or more"):
        encoder.__init__(Role.CLIENT, fragment_size=0)
    assert encoder.encode("Hello").hex(" ") == "01 03 48 65 6c 80 02 6c 6f"


def test_a_second_init_begins_anew(parser_class):
    parser = parser_class(Role.CLIENT)
    assert parser.feed(header(TEXT, 10, False) + b"12345") == []
    parser.__init__(Role.CLIENT)
    (ping,) = parser.feed(frame(False, PING, b"new"))
    assert ping.payload == b"new"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_cannot_be_copied(parser_class, copied):
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        copied(parser_class(Role.CLIENT))


CALLS_WITHOUT_INIT = [
    "messages.MessageDecoder, lambda decoder: decoder.feed(bytes.fromhex('8102 4142') * 100)",
    "messages.MessageEncoder, lambda encoder: encoder.encode(b'abc' * 10_000)",
    "messages.MessageEncoder, lambda encoder: encoder.encode('abc' * 10_000)",
    "messages.MessageEncoder, lambda encoder: encoder.encode_all(['abc' * 10_000])",
    "codec.FrameParser, lambda parser: parser.feed(bytes.fromhex('8102 4142') * 100)",
    "codec.Frame, repr",
    "utf8.Utf8Validator, lambda validator: validator.validate(b'abc' * 10_000)",
]


@pytest.mark.parametrize("call", CALLS_WITHOUT_INIT)
def test_an_object_that_was_never_initialised_does_no_harm(backend, call):
    modules = "\n".join(
        f"import {getattr(backend, name).__name__} as {name}"
        for name in ("utf8", "codec", "messages")
    )
    code = f"{modules}\ndef run(kind, use): use(kind.__new__(kind))\nrun({call})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    # An error of Python's is fine; a signal is not, nor an error that nobody hears of.
    assert done.returncode in (0, 1), done.stderr
    assert "Exception ignored" not in done.stderr
