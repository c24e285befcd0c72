"""aiohttp, patched, against itself unpatched, and against peers without wsfast.

The reader and its queue are compared step by step over every stream of ``streams.py``, however it
is cut, both where aiohttp is compiled and where it is Python; responses and clients over sockets.
"""

import asyncio
import inspect
import zlib
from itertools import count

import aiohttp
import pytest
from aiohttp import web, web_ws
from aiohttp._websocket import reader as library
from aiohttp._websocket import reader_py
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MIXED
from streams import BINARY, CLOSE, CONT, FIN, PING, PONG, RSV1, TEXT, cuts, frame, streams

from wsfast.integrations._aiohttp_reader import queue_of, reader_of
from wsfast.integrations.aiohttp import integration

LIMIT = 1 << 16
ORIGINALS = {
    "compiled": (library.WebSocketReader, library.WebSocketDataQueue),
    "Python": (reader_py.WebSocketReader, reader_py.WebSocketDataQueue),
}
OWN = {
    name: (reader_of(reader, None), queue_of(queue, None))
    for name, (reader, queue) in ORIGINALS.items()
}
DEFAULTS = {"max_msg_size": 1 << 20, "compress": False}
# Texts as bytes: from 3.14 on.
AS_BYTES = "decode_text" in inspect.signature(reader_py.WebSocketReader).parameters
if AS_BYTES:
    DEFAULTS["decode_text"] = True


class Protocol:
    """What a queue asks of a protocol, and a record of it."""

    def __init__(self):
        self._reading_paused = False
        self.calls = []

    def pause_reading(self):
        self._reading_paused = True
        self.calls.append("pause")

    def resume_reading(self):
        self._reading_paused = False
        self.calls.append("resume")


def error(exc):
    return exc and (type(exc), str(exc), exc.args, error(exc.__cause__))


def shown(message):
    return type(message), tuple(message), [type(part) for part in message]


def read(queue):
    """Read one message, or what is raised; None if there is nothing to read yet."""
    if not queue._buffer and not queue.is_eof():
        return None
    try:
        queue.read().send(None)
    except StopIteration as exc:
        return shown(exc.value)
    except Exception as exc:
        return error(exc)


def history(classes, pieces, *, reads=None, limit=LIMIT, **options):
    """What a reader and its queue do with these pieces, step by step.

    Args:
        reads: how many messages are read after each piece; at the end, all are.
    """
    reader_class, queue_class = classes
    options = DEFAULTS | options
    protocol = Protocol()
    queue = queue_class(protocol, limit, loop=None)
    try:
        reader = reader_class(queue, **options)
    except Exception as exc:
        return error(exc)
    steps = []
    for piece in pieces:
        steps.append(reader.feed_data(piece))
        steps += [read(queue) for _ in range(reads or 0)]
        steps.append((len(queue._buffer), queue._size, error(queue.exception()), queue.is_eof()))
        steps.append((protocol._reading_paused, getattr(queue, "_stalled_reader", None) is None))
    while (step := read(queue)) and (not steps or step != steps[-1]):
        steps.append(step)
    steps.append((queue._size, protocol.calls, getattr(queue, "_stalled_reader", None) is None))
    reader.feed_eof()
    return [*steps, read(queue)]


def same(pieces, **options):
    """Hold the readers on wsfast to those of the library, and return what all do."""
    pieces = list(pieces)
    for kind, classes in ORIGINALS.items():
        plain = history(classes, pieces, **options)
        assert history(OWN[kind], pieces, **options) == plain
    return plain


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "unmasked"])
@pytest.mark.parametrize("name", streams(True))
def test_a_reader_takes_the_same_steps(name, masked):
    wire = streams(masked)[name]
    for pieces in cuts(wire):
        same(pieces)
        same(pieces, compress=True)
    if AS_BYTES:
        same([wire], decode_text=False)
    same([wire], reads=1)
    same([bytearray(wire)])
    same([memoryview(wire)])
