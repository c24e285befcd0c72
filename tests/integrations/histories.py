"""What websockets does, step by step, in a form that can be compared: unpatched and patched."""

import logging
from unittest.mock import patch as mock

import pytest
from patching import patched
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import Side, State

from wsfast.integrations.websockets import integration

SIDES = [Side.SERVER, Side.CLIENT]


class Log(logging.Handler):
    """Remembers what is logged. At the level of DEBUG, websockets logs every frame."""

    def __init__(self, level=logging.DEBUG):
        super().__init__(logging.DEBUG)
        self.lines = []
        self.logger = logging.Logger("test", level)
        self.logger.addHandler(self)

    def emit(self, record):
        self.lines.append((record.levelname, record.getMessage(), bool(record.exc_info)))


def both(*functions):
    """Run each unpatched and patched, hold the results to each other, and return the last."""
    with mock("secrets.token_bytes", lambda size=32: b"\x11\x22\x33\x44"[:size]):
        plain = [function() for function in functions]
        with patched(integration):
            for function, result in zip(functions, plain, strict=True):
                assert function() == result
    return plain[-1]


def error(exc):
    if exc is None:
        return None
    return type(exc), str(exc), exc.args, error(exc.__cause__)


def shown(event):
    if not isinstance(event, Frame):
        return event
    assert type(event.opcode) is Opcode
    return type(event), vars(event), {name: type(value) for name, value in vars(event).items()}


def state(protocol):
    """All that can be seen of a protocol after a step."""
    return {
        "events": [shown(event) for event in protocol.events_received()],
        "writes": protocol.data_to_send(),
        "state": protocol.state,
        "close expected": protocol.close_expected(),
        "close": (protocol.close_rcvd, protocol.close_sent, protocol.close_rcvd_then_sent),
        "close code": (protocol.close_code, protocol.close_reason),
        "close error": error(protocol.close_exc) if protocol.state is State.CLOSED else None,
        "parser error": error(protocol.parser_exc),
        "eof": (protocol.reader.eof, protocol.eof_sent),
        "reader": type(protocol.reader),
    }


def history(make, pieces, *, debug=False):
    """What a protocol does with these pieces and the end of the stream, step by step."""
    logs = Log()
    protocol = make()
    protocol.logger, protocol.debug = logs.logger, debug
    steps = []
    for piece in pieces:
        protocol.receive_data(piece)
        steps.append(state(protocol))
    protocol.receive_eof()
    steps.append(state(protocol))
    with pytest.raises(EOFError) as late:
        protocol.receive_data(b"late")
    steps.append((error(late.value), bytes(protocol.reader.buffer)))
    return steps, logs.lines


def histories(make, wires):
    """The histories of a stream that comes in these pieces, and in those, logged and not."""
    return [
        lambda pieces=pieces, debug=debug: history(make, pieces, debug=debug)
        for pieces in wires
        for debug in (False, True)
    ]


def deflate():
    return PerMessageDeflate(False, False, 15, 15)
