"""Streams of messages, both twins: what leaves when, who goes on when, and who waits.

Over a transport that writes nowhere, but where the socket itself is what matters.
"""

import asyncio
import contextvars
import gc
import socket
import sys
import threading
import weakref
from contextlib import suppress

import pytest
from wires import BINARY, PING, TEXT, frame

from wsfast.exceptions import StateError
from wsfast.frames import Close, Ping
from wsfast.rfc6455 import Role

KIB, MIB = 1 << 10, 1 << 20


class FakeTransport:
    def __init__(self):
        self.writes = []
        self.reading = True

    def write(self, data):
        self.writes.append(bytes(data))

    def pause_reading(self):
        assert self.reading
        self.reading = False

    def resume_reading(self):
        assert not self.reading
        self.reading = True

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return False


class Ended(Exception):
    pass


def stream_of(backend, *, role=Role.SERVER, max_queue=MIB, on_message=None, transport=None):
    """A stream that is open, with as little as can be of what ``WebSocket`` adds to it."""

    class Stream(backend.stream.MessageStream, asyncio.BufferedProtocol):
        def __init__(self):
            decoder = backend.messages.MessageDecoder(role, max_size=None)
            loop = asyncio.get_running_loop()
            super().__init__(role, decoder, loop, max_queue, on_message)
            self.transport = transport or FakeTransport()
            self.raised = []
            self.lost = loop.create_future()
            self._attach(self.transport)
            self._ready = True

        def _sort(self, received, end):
            messages = [item for item in received if not isinstance(item, (Close, Ping))]
            for item in received:
                if isinstance(item, Ping):
                    self.write(b"pong")
                elif isinstance(item, Close):
                    end = item
            return messages, end

        def _finish(self, end):
            self._over = True
            self.wake()

        def _ended(self, iterating):
            return StopAsyncIteration() if iterating else Ended()

        def _raised(self, exc):
            self.raised.append(exc)

        def _send_slowly(self, message, text):
            raise NotImplementedError

        def connection_lost(self, exc):
            self._detach()
            self.lost.set_result(exc)

    return Stream()


@pytest.fixture
def stream(backend):
    """Make a stream of the backend."""
    return lambda **options: stream_of(backend, **options)


def text(message):
    """A text as a server receives it."""
    return frame(True, TEXT, message.encode())


def sent(*messages):
    """Texts as a server sends them."""
    return b"".join(frame(False, TEXT, message.encode()) for message in messages)


async def read(ws, wire):
    """Feed a stream as a transport does: outside any task."""
    done = asyncio.get_running_loop().create_future()

    def feed():
        ws.feed(wire)
        done.set_result(None)

    asyncio.get_running_loop().call_soon(feed)
    await done


async def turns(count=3):
    for _ in range(count):
        await asyncio.sleep(0)


class Handler:
    """A task that receives, until its end, and tells all."""

    def __init__(self, stream, do=None):
        self.received = []
        self.stream, self.do = stream, do
        self.task = asyncio.create_task(self.run())

    async def run(self):
        async for message in self.stream:
            self.received.append(message)
            if self.do is not None:
                await self.do(message)

    async def end(self):
        await read(self.stream, frame(True, 8))
        await self.task


# Corking: few writes.


async def test_answers_to_one_read_leave_in_one_write(stream):
    ws = stream()
    handler = Handler(ws, ws.send)
    await turns()
    await read(ws, text("a") + text("b") + text("c"))
    assert ws.transport.writes == [sent("a", "b", "c")]
    await handler.end()


async def test_answers_leave_within_the_read(stream):
    """No turn of the loop is lost to it."""
    ws = stream(on_message=lambda ws, message: ws.send(message))
    ws.feed(text("a") + text("b"))
    assert ws.transport.writes == [sent("a", "b")]


async def test_what_is_sent_in_one_turn_leaves_in_one_write(stream):
    ws = stream()
    for message in "abc":
        await ws.send(message)
    assert not ws.transport.writes
    await turns()
    assert ws.transport.writes == [sent("a", "b", "c")]


async def test_turns_make_writes_of_their_own(stream):
    ws = stream()
    ws.send("a")
    await turns()
    ws.send("b")
    await turns()
    assert ws.transport.writes == [sent("a"), sent("b")]


async def test_what_is_held_back_is_bounded(stream):
    ws = stream()
    for _ in range(100):
        ws.send(bytes(1000))
    assert sum(map(len, ws.transport.writes)) >= 100 * 1004 - 64 * KIB
    await turns()
    assert b"".join(ws.transport.writes) == frame(False, BINARY, bytes(1000)) * 100


@pytest.mark.parametrize("sizes", [[1, 1 << 17, 1], [1 << 14] * 9, [1 << 20, 5], [65531, 1, 65536]])
async def test_large_and_small_messages_stay_in_order(stream, sizes):
    ws = stream()
    payloads = [bytes([number]) * size for number, size in enumerate(sizes)]
    for payload in payloads:
        ws.send(payload)
    ws.write(b"x")
    await turns()
    wire = b"".join(frame(False, BINARY, payload) for payload in payloads)
    assert b"".join(ws.transport.writes) == wire + b"x"


async def test_a_pong_stands_where_its_ping_stood(stream):
    ws = stream(on_message=lambda ws, message: ws.send(message))
    ws.feed(frame(True, PING) + text("a"))
    assert ws.transport.writes == [b"pong" + sent("a")]


async def test_flush_writes_at_once(stream):
    ws = stream()
    ws.send("a")
    ws.flush()
    assert ws.transport.writes == [sent("a")]
    await turns()
    assert ws.transport.writes == [sent("a")]


async def test_a_client_masks_every_message_with_a_key_of_its_own(stream):
    ws = stream(role=Role.CLIENT)
    ws.send("Hello")
    ws.send("Hello")
    await turns()
    [wire] = ws.transport.writes
    assert len(wire) == 22
    assert wire[:11] != wire[11:]


@pytest.mark.parametrize("message", ["é" * 20_000, "a" * 20_000, "€", b"", ""])
async def test_any_text_or_bytes_is_sent_as_it_is(stream, message):
    ws = stream()
    ws.send(message)
    await turns()
    opcode, payload = (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
    assert b"".join(ws.transport.writes) == frame(False, opcode, payload)


async def test_what_cannot_be_encoded_leaves_nothing_behind(stream):
    ws = stream()
    with pytest.raises(UnicodeEncodeError):
        ws.send("\ud800" * 40_000)
    with pytest.raises(UnicodeEncodeError):
        ws.send("a\ud800")
    ws.send("b")
    await turns()
    assert b"".join(ws.transport.writes) == sent("b")


async def test_who_sends_without_end_starves_nobody(stream):
    """A peer that reads as fast as we send never makes ``send`` wait."""
    ws = stream()

    async def send():
        while True:
            await ws.send("message" * 100)

    task = asyncio.create_task(send())
    await turns()
    task.cancel()
    assert sum(map(len, ws.transport.writes)) < 4 * MIB


@pytest.mark.parametrize("size", [100, 40_000])
async def test_nor_does_who_begins_to_within_a_read(stream, size):
    ws = stream()

    async def send(message):
        while True:
            await ws.send(bytes(size))

    handler = Handler(ws, send)
    await turns()
    await read(ws, text("go"))
    handler.task.cancel()
    await turns()
    assert sum(map(len, ws.transport.writes)) < 4 * MIB


# The socket itself.


async def connected(make, **options):
    """A stream on a socket of small buffers, and the other end."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ours.setblocking(False)
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    ws = make(transport=transport, **options)
    transport.set_protocol(ws)
    return ws, theirs


async def received(sock, size):
    loop = asyncio.get_running_loop()
    wire = bytearray()
    while len(wire) < size:
        wire += await loop.sock_recv(sock, 1 << 16)
    return wire


async def gone(ws, sock):
    sock.close()
    ws.transport.abort()
    await ws.lost


async def test_what_the_socket_does_not_take_follows_in_order(stream):
    """Small ones, large ones, text and bytes: direct writes, and those the transport makes."""
    ws, peer = await connected(stream)
    messages = [
        *["small"] * 10,
        bytes(range(256)) * 400,
        "a" * 50_000,
        "é" * 50_000,
        *[bytes([number]) * (number * 331) for number in range(200)],
    ]
    for number, message in enumerate(messages):
        ws.send(message)
        if number % 7 == 0:
            await turns(1)
    wire = b"".join(
        frame(False, TEXT, message.encode())
        if isinstance(message, str)
        else frame(False, BINARY, message)
        for message in messages
    )
    assert await received(peer, len(wire)) == wire
    await gone(ws, peer)


async def test_a_socket_that_takes_nothing_loses_nothing(stream):
    ws, peer = await connected(stream)
    ws.send(bytes(1 << 20))  # fills it
    ws.send("a")
    ws.send(bytes(1 << 16))
    ws.send("b")
    await turns()
    wire = [
        frame(False, BINARY, bytes(1 << 20)),
        sent("a"),
        frame(False, BINARY, bytes(1 << 16)),
        sent("b"),
    ]
    assert await received(peer, len(b"".join(wire))) == b"".join(wire)
    await gone(ws, peer)


async def test_sending_goes_on_directly_when_the_transport_is_empty_again(stream):
    ws, peer = await connected(stream)
    for _ in range(3):
        ws.send(bytes(1 << 18))
        assert len(await received(peer, (1 << 18) + 10)) == (1 << 18) + 10
    await gone(ws, peer)


async def test_nothing_follows_what_the_transport_has_thrown_away(stream):
    """Else the peer takes it for the rest of a message that was cut off."""
    ws, peer = await connected(stream)
    ws.send(bytes(1 << 20))  # more than the socket takes
    await turns(1)
    taken = len(await received(peer, 1))
    ws.transport.abort()
    ws.send(b"a" * (1 << 16))
    await ws.lost
    wire = bytearray()
    while data := await asyncio.get_running_loop().sock_recv(peer, 1 << 16):
        wire += data
    assert taken + len(wire) < 1 << 20
    assert not any(wire)
    peer.close()


async def test_a_finalizer_may_send_while_it_is_written(stream):
    """As may a signal handler: both run between any two steps of Python's."""
    ws, peer = await connected(stream)
    ws.send(bytes(1 << 16))  # the transport holds something, and is asked for it each time
    ws.send("first")
    inner = [f"{number} {'x' * 8000}" for number in range(20)]

    def send(frame, event, argument):
        if frame.f_code.co_name == "get_write_buffer_size":
            sys.setprofile(None)
            for message in inner:
                ws.send(message)

    sys.setprofile(send)
    try:
        ws.flush()
    finally:
        sys.setprofile(None)
    if ws.transport.__class__.__module__ == "uvloop.loop":  # asks nothing of Python
        for message in inner:
            ws.send(message)
    ws.send("last")
    wire = frame(False, BINARY, bytes(1 << 16)) + sent("first", *inner, "last")
    assert await received(peer, len(wire)) == wire
    await gone(ws, peer)


async def test_nothing_is_written_when_the_connection_is_lost(stream):
    ws, peer = await connected(stream)
    ws.send("a")
    await gone(ws, peer)
    # A descriptor of somebody else's gets the number.
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    ws.write(b"x")
    ws.write(bytes(1 << 16))
    await turns()
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    ours.close()
    theirs.close()


async def test_a_peer_that_is_gone_is_no_error_of_send(stream):
    ws, peer = await connected(stream)
    peer.close()
    with suppress(OSError):
        for _ in range(5):
            ws.send(bytes(1 << 16))
            ws.send("a")
            await turns(1)
    await ws.lost


# Receiving.


async def test_messages_of_one_read_come_one_by_one(stream):
    ws = stream()
    ws.feed(text("a") + text("b") + text("c"))
    assert [await ws.recv() for _ in "abc"] == ["a", "b", "c"]


async def test_the_task_goes_on_within_the_read(stream):
    ws = stream()
    handler = Handler(ws)
    await turns()
    await read(ws, text("a") + text("b"))
    assert handler.received == ["a", "b"]
    await handler.end()


async def test_fed_by_a_task_it_goes_on_a_turn_later(stream):
    """A task cannot be entered within another."""
    ws = stream()
    handler = Handler(ws)
    await turns()

    async def feed():
        ws.feed(text("a"))
        assert handler.received == []

    await asyncio.create_task(feed())
    await turns()
    assert handler.received == ["a"]
    await handler.end()


def in_callback(call):
    """Call outside any task, as a transport does; the answer is to be awaited."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(lambda: done.set_result(call()))
    return done


async def test_the_task_is_the_current_one_within_the_read(stream):
    ws = stream()
    seen = []

    async def look(message):
        seen.append(asyncio.current_task())

    handler = Handler(ws, look)
    await turns()
    await read(ws, text("a"))
    assert seen == [handler.task]
    assert await in_callback(asyncio.current_task) is None
    await handler.end()


async def test_the_task_has_its_own_context_within_the_read(stream):
    ws = stream()
    user = contextvars.ContextVar("user", default="nobody")
    seen = []

    async def handle():
        user.set("somebody")
        while True:
            message = await ws.recv()
            seen.append((message, user.get()))
            user.set(message)

    task = asyncio.create_task(handle())
    await turns()
    for message in "ab":
        await read(ws, text(message))
    assert seen == [("a", "somebody"), ("b", "a")]
    assert user.get() == "nobody"
    task.cancel()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks take a context since 3.11")
async def test_a_context_that_is_in_use_is_entered_later(stream):
    ws = stream()
    context = contextvars.copy_context()
    task = asyncio.get_running_loop().create_task(ws.recv(), context=context)
    await turns()
    done = asyncio.Event()

    def feed():
        ws.feed(text("a"))
        done.set()

    asyncio.get_running_loop().call_soon(feed, context=context)
    await done.wait()
    assert await task == "a"


async def test_a_second_receiver_is_an_error(stream):
    ws = stream()
    first = asyncio.create_task(ws.recv())
    await turns()
    with pytest.raises(StateError, match="another task"):
        await ws.recv()
    with pytest.raises(StateError, match="another task"):
        await ws.__anext__()
    ws.feed(text("a"))
    assert await first == "a"


@pytest.mark.parametrize(
    "receive",
    [
        asyncio.create_task,
        asyncio.ensure_future,
        asyncio.gather,
        lambda recv: asyncio.wait_for(recv, 60),
        lambda recv: asyncio.wait_for(recv, None),
        asyncio.shield,
    ],
)
async def test_recv_may_be_awaited_in_every_way(stream, receive):
    ws = stream()
    asyncio.get_running_loop().call_later(0, ws.feed, text("a"))
    assert await receive(ws.recv()) in ("a", ["a"])


async def test_two_receptions_that_are_not_awaited_yet_are_two_messages(stream):
    ws = stream()
    first, second = ws.recv(), ws.recv()
    ws.feed(text("a") + text("b"))
    assert await asyncio.gather(first, second) == ["a", "b"]


async def test_a_reception_without_a_stream_is_an_error(stream):
    kind = type(stream().recv())
    with pytest.raises((TypeError, AttributeError)):
        kind.__new__(kind).send(None)


async def test_recv_may_be_waited_for_with_others(stream):
    ws = stream()
    receiving = asyncio.create_task(ws.recv())
    sleeping = asyncio.create_task(asyncio.sleep(0))
    done, pending = await asyncio.wait([receiving, sleeping], return_when="FIRST_COMPLETED")
    assert (done, pending) == ({sleeping}, {receiving})
    assert "recv" in repr(receiving) or "Receive" in repr(receiving)
    ws.feed(text("a"))
    assert await receiving == "a"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="new in 3.11")
async def test_recv_and_send_work_in_task_groups_and_timeouts(stream):
    ws = stream()
    async with asyncio.TaskGroup() as group:
        receiving = group.create_task(ws.recv())
        group.create_task(ws.send("b"))
        await turns()
        ws.feed(text("a"))
    assert receiving.result() == "a"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await ws.recv()
    ws.feed(text("c"))
    async with asyncio.timeout(60):
        assert await ws.recv() == "c"


async def test_waiting_for_no_time_loses_no_message(stream):
    ws = stream()
    for _ in range(3):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ws.recv(), 0)
    ws.feed(text("a"))
    with suppress(asyncio.TimeoutError):
        assert await asyncio.wait_for(ws.recv(), 0) == "a"
        return
    assert await ws.recv() == "a"


@pytest.mark.parametrize("after", ["start", "turn", "feed", "feed in a task", "wake"])
async def test_cancelling_recv_loses_no_message(stream, after):
    ws = stream()
    task = asyncio.create_task(ws.recv())
    if after != "start":
        await turns()
    if after == "feed":
        await in_callback(lambda: (task.cancel(), ws.feed(text("a"))))
    elif after == "feed in a task":
        ws.feed(text("a"))
        task.cancel()
    elif after == "wake":
        ws.wake()
        task.cancel()
    else:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if "feed" not in after:
        ws.feed(text("a"))
    assert await ws.recv() == "a"


async def test_who_waits_after_a_cancelled_one_may_be_cancelled_in_the_same_turn(stream):
    ws = stream()
    first = asyncio.create_task(ws.recv())
    await turns()
    second = asyncio.create_task(ws.recv())
    first.cancel("one")
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: None)
    await asyncio.sleep(0)
    second.cancel("two")
    done, _ = await asyncio.wait([first, second], timeout=60)
    assert done == {first, second}
    assert first.cancelled()
    assert second.cancelled()


async def test_the_message_of_a_cancellation_is_passed_on(stream):
    ws = stream()
    seen = []

    async def receive():
        try:
            await ws.recv()
        except asyncio.CancelledError as exc:
            seen.append(exc.args)
            raise

    task = asyncio.create_task(receive())
    await turns()
    task.cancel("enough")
    with suppress(asyncio.CancelledError):
        await task
    assert seen == [("enough",)]


async def test_what_waits_is_received_before_the_end(stream):
    ws = stream()
    ws.feed(text("a") + frame(True, 8) + text("b"))
    assert await ws.recv() == "a"
    with pytest.raises(Ended):
        await ws.recv()
    assert [message async for message in ws] == []


# Back-pressure.


async def test_reading_stops_at_max_queue_and_goes_on_at_half_of_it(stream):
    ws = stream(max_queue=1000)
    wire = text("x" * 94)  # 100 bytes
    for count in range(10):
        assert ws.transport.reading
        assert len(ws.get_buffer(-1)) == 1000 - 100 * count
        ws.feed(wire)
    assert not ws.transport.reading
    for _ in range(4):
        await ws.recv()
    assert not ws.transport.reading
    await ws.recv()
    assert ws.transport.reading


async def test_no_more_is_read_at_once_than_may_wait(stream):
    assert len(stream(max_queue=1000).get_buffer(-1)) == 1000
    assert len(stream(max_queue=0).get_buffer(-1)) == 1
    assert len(stream(max_queue=1 << 30).get_buffer(-1)) == 1 << 18


async def test_all_bytes_of_a_message_count_however_it_was_read(stream):
    """Else the last byte of each would be all that counts of many large ones."""
    ws = stream(max_queue=1000)
    wire = text("x" * 394)  # 402 bytes
    for _ in range(3):
        await read(ws, wire[:-1])
        if ws.transport.reading:
            await read(ws, wire[-1:])
    assert not ws.transport.reading


async def test_the_beginning_of_a_message_counts_while_nobody_waits_for_it(stream):
    ws = stream(max_queue=1000)
    wire = frame(True, BINARY, bytes(10_000))
    ws.feed(wire[:999])
    assert ws.transport.reading
    ws.feed(wire[999:1000])
    assert not ws.transport.reading
    receiving = asyncio.create_task(ws.recv())
    await turns()
    assert ws.transport.reading
    ws.feed(wire[1000:5000])
    assert ws.transport.reading  # somebody waits
    ws.feed(wire[5000:])
    assert await receiving == bytes(10_000)
    assert ws.transport.reading


async def test_without_max_queue_reading_stops_while_a_message_waits(stream):
    ws = stream(max_queue=None)
    assert len(ws.get_buffer(-1)) == 1 << 18
    ws.feed(text("a") + text("b"))
    assert not ws.transport.reading
    await ws.recv()
    assert not ws.transport.reading
    await ws.recv()
    assert ws.transport.reading


async def test_without_max_queue_a_message_in_progress_is_read_on(stream):
    ws = stream(max_queue=None)
    wire = text("x" * 100_000)
    ws.feed(wire[:-1])
    assert ws.transport.reading
    ws.feed(wire[-1:])
    assert not ws.transport.reading
    assert await ws.recv() == "x" * 100_000


async def test_without_max_queue_who_waits_does_not_let_reading_stop(stream):
    ws = stream(max_queue=None)
    receiving = asyncio.create_task(ws.recv())
    await turns()
    await read(ws, text("a"))
    assert receiving.done()
    assert ws.transport.reading


async def test_an_item_of_the_subclass_waits_behind_the_messages(stream):
    ws = stream(max_queue=None)
    ws.feed(text("a") + text("b"))
    ws._put("item")
    ws.feed(text("c"))
    assert [await ws.recv() for _ in range(4)] == ["a", "b", "item", "c"]
    assert ws.transport.reading


async def test_an_item_of_the_subclass_wakes_who_waits_and_counts_for_nothing(stream):
    for max_queue in (None, 10):
        ws = stream(max_queue=max_queue)
        receiving = asyncio.create_task(ws.recv())
        await turns()
        ws._put("item")
        assert await receiving == "item"
        ws._put("other")
        assert ws.transport.reading


async def test_an_item_of_the_subclass_is_for_recv_also_where_messages_are_called_back(stream):
    received = []
    ws = stream(on_message=lambda ws, message: received.append(message))
    ws._put("item")
    ws.feed(text("a"))
    assert await ws.recv() == "item"
    assert received == ["a"]


async def test_control_frames_do_not_count(stream):
    ws = stream(max_queue=10)
    for _ in range(10):
        ws.feed(frame(True, PING, b"12345"))
    assert ws.transport.reading


async def test_callbacks_never_stop_reading(stream):
    received = []
    ws = stream(max_queue=10, on_message=lambda ws, message: received.append(message))
    ws.feed(text("x" * 100)[:50])
    ws.feed(text("x" * 100)[50:] + text("y"))
    assert ws.transport.reading
    assert received == ["x" * 100, "y"]


async def test_what_comes_when_nobody_will_receive_is_not_kept(stream):
    ws = stream(on_message=lambda ws, message: None)
    ws._over = True
    ws.feed(frame(True, BINARY, bytes(1 << 16))[:-1])
    assert ws._take() is None


async def test_an_error_of_a_callback_stops_nobody(stream):
    def fail(ws, message):
        raise ValueError(message)

    ws = stream(on_message=fail)
    ws.feed(text("a") + text("b"))
    assert [exc.args for exc in ws.raised] == [("a",), ("b",)]


# Misuse.


async def test_sending_from_another_thread_is_an_error(stream):
    ws = stream()
    errors = []

    def send():
        for message in ("a", b"", bytes(1 << 16), "é" * (1 << 15)):
            try:
                ws.send(message)
            except StateError as exc:
                errors.append(str(exc))

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    assert len(errors) == 4
    assert "call_soon_threadsafe" in errors[0]
    await turns()
    assert not ws.transport.writes


def test_sending_after_the_loop_is_closed_is_an_error(stream):
    loop = asyncio.new_event_loop()

    async def make():
        return stream()

    ws = loop.run_until_complete(make())
    loop.close()
    for message in ("a", bytes(1 << 16)):
        with pytest.raises(StateError):
            ws.send(message)
    assert not ws.transport.writes


@pytest.mark.parametrize("interrupt", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_what_ends_the_program_ends_it_from_within_a_read(stream, interrupt, kind):
    loop = pytest.importorskip(kind).new_event_loop()

    async def main():
        ws = stream()

        async def stop(message):
            raise interrupt(message)

        handler = Handler(ws, stop)
        await turns()
        loop.call_soon(ws.feed, text("now"))
        await asyncio.wait([handler.task])
        await asyncio.sleep(60)

    asyncio.set_event_loop(loop)
    task = loop.create_task(main())
    with pytest.raises(interrupt, match="now"):
        loop.run_until_complete(task)
    task.cancel()
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
async def test_eager_tasks_receive_and_send(stream):
    loop = asyncio.get_running_loop()
    if type(loop).__module__.startswith("uvloop"):
        pytest.skip("uvloop passes the factory what it does not take")
    loop.set_task_factory(asyncio.eager_task_factory)
    ws = stream()
    ws.feed(text("a"))
    task = asyncio.create_task(ws.recv())
    assert task.done()
    assert await task == "a"
    handler = Handler(ws, ws.send)
    await read(ws, text("b"))
    assert ws.transport.writes == [sent("b")]
    assert asyncio.create_task(ws.send("c")).done()
    await turns()
    await handler.end()


async def test_debug_mode_finds_nothing_wrong(stream):
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    ws = stream()
    handler = Handler(ws, ws.send)
    await turns()
    await read(ws, text("a"))
    assert "wait_for" in repr(handler.task)
    handler.task.get_stack()
    task = asyncio.create_task(ws.send("b"))
    await task
    await handler.end()
    loop.set_debug(False)


# Afterwards.


async def test_a_stream_leaves_no_cycle_behind(stream):
    gc.collect()
    gc.disable()
    try:
        ws = stream()
        handler = Handler(ws, ws.send)
        await turns()
        ws.feed(text("a") + text("b"))
        await turns()
        receiving = ws.recv()
        ws._detach()
        await handler.end()
        handler.stream = handler.do = None
        del handler, receiving
        alive = weakref.ref(ws)
        del ws
        await turns()
        assert alive() is None
    finally:
        gc.enable()


async def test_a_failed_stream_leaves_no_cycle_behind(stream):
    gc.collect()
    gc.disable()
    try:
        ws = stream()
        for _ in range(3):
            ws.feed(b"\xff\xff")
        ws._detach()
        alive = weakref.ref(ws)
        del ws
        await turns()
        assert alive() is None
    finally:
        gc.enable()
