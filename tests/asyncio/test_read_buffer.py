"""The buffer that the connections of a loop read into: who keeps it, and that it is let go."""

import asyncio
import gc
import sys
import weakref

import pytest

from wsfast import MessageDecoder, Role
from wsfast.asyncio.stream import MessageStream, read_buffer


class Stream(MessageStream):
    """A stream that may have attributes, and so be part of a cycle."""


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def stream(loop):
    return Stream(Role.SERVER, MessageDecoder(Role.SERVER), loop, 1 << 20, None)


def test_the_connections_of_a_loop_read_into_one_buffer(loop):
    assert stream(loop).get_buffer(-1).obj is stream(loop).get_buffer(-1).obj
    assert stream(loop).get_buffer(-1).obj is read_buffer(loop).obj


def test_loops_share_nothing(loop):
    other = asyncio.new_event_loop()
    assert read_buffer(loop).obj is not read_buffer(other).obj
    other.close()


def test_a_connection_in_a_cycle_lets_go_of_it_in_good_order(monkeypatch):
    """A Py_buffer that is dropped but not released is a SystemError out of nowhere."""
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    loop = asyncio.new_event_loop()
    dead = stream(loop)
    dead.itself = dead
    gone = weakref.ref(loop)
    loop.close()
    del loop, dead
    gc.collect()
    assert gone() is None
    assert unraisable == []


def test_whoever_holds_the_view_cannot_move_the_memory(loop):
    view = read_buffer(loop)
    memory = view.obj
    with pytest.raises(BufferError):
        memory.clear()
