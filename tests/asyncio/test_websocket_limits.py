"""What peers and programs that are too slow may cost: memory by the limits, and no more.

The peers are raw sockets, with small buffers in the kernel, so that little is enough.
"""

import asyncio
import random
import socket
import tracemalloc
import zlib

import pytest
from raw import Peer
from serving import HERE, held
from wires import BINARY, CLOSE, FIN, PING, PONG, TEXT, frame, header

from wsfast.asyncio.broadcasting import broadcast
from wsfast.asyncio.handlers import Callbacks
from wsfast.asyncio.server import serve
from wsfast.exceptions import ConnectionClosed
from wsfast.protocol.connection import State

KIB, MIB = 1 << 10, 1 << 20


class Slow(Peer):
    """A peer whose socket holds little unread."""

    async def __aenter__(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, self._address[:2])
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=4096)
        return self


async def stalled(writer):
    """Wait until nothing of what was written is taken any more."""
    transport = writer.transport
    size = None
    while size != transport.get_write_buffer_size():
        size = transport.get_write_buffer_size()
        for _ in range(100):
            await asyncio.sleep(0)
    return size


async def flood(peer, wire, times):
    """Write until the other end takes no more, or all is written."""
    for _ in range(times):
        peer.send(wire)
        if await stalled(peer.writer):
            return


# A program that does not receive.


@pytest.mark.parametrize("size", [10, 1000, 60_000])
async def test_a_program_that_does_not_receive_stops_the_peer(size):
    async with held(max_queue=100_000) as (ws, peer):
        wire = frame(True, BINARY, bytes(size))
        await flood(peer, wire * (200_000 // len(wire) + 1), 40)
        assert ws._read_paused
        ws.abort()


async def test_max_queue_is_kept_to_the_byte():
    async with held(max_queue=10_000) as (ws, peer):
        peer.send(frame(True, BINARY, bytes(94)) * 1000)  # 100 bytes each
        await stalled(peer.writer)
        while not ws._read_paused:
            await asyncio.sleep(0)
        waiting = 0
        while ws._waiting():
            assert await ws.recv() == bytes(94)
            waiting += 1
            if not ws._read_paused:
                break
        assert waiting <= 100
        for _ in range(1000 - waiting):
            await ws.recv()
        ws.abort()


async def test_a_message_larger_than_max_queue_is_received_when_it_is_waited_for():
    async def echo_size(ws):
        async for message in ws:
            await ws.send(str(len(message)))

    async with serve(echo_size, *HERE, max_queue=1000) as server, Peer(server) as peer:
        await peer.open()
        for _ in range(3):
            peer.send(frame(True, BINARY, bytes(300_000)))
            assert await peer.frame() == (TEXT, b"300000")


async def test_large_messages_that_end_in_small_reads_are_bounded_too():
    """The last byte of each comes by itself."""
    async with held(max_queue=100_000) as (ws, peer):
        wire = frame(True, BINARY, bytes(90_000))
        for _ in range(4):
            peer.send(wire[:-1])
            await stalled(peer.writer)
            peer.send(wire[-1:])
            await stalled(peer.writer)
        while not ws._read_paused:
            await asyncio.sleep(0)
        ws.abort()


def deflated(payload):
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


OFFER = "permessage-deflate; client_no_context_takeover"


async def test_bombs_that_wait_are_not_inflated_yet():
    """A read of 256 KiB holds two hundred that become 200 MiB."""
    bomb = frame(True, BINARY, deflated(bytes(MIB)), rsv=0x40)
    async with held(headers={"Sec_WebSocket_Extensions": OFFER}, compression=True) as (ws, peer):
        peer.send(bomb * 100)
        tracemalloc.start()
        try:
            await stalled(peer.writer)
            while not ws._waiting():
                await asyncio.sleep(0)
            for _ in range(100):
                assert await ws.recv() == bytes(MIB)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 * MIB
        ws.abort()


async def test_callbacks_are_given_bombs_one_by_one():
    done = asyncio.Event()
    sizes = []

    def on_message(ws, message):
        sizes.append(len(message))
        if len(sizes) == 100:
            done.set()

    bomb = frame(True, BINARY, deflated(bytes(MIB)), rsv=0x40)
    callbacks = Callbacks(on_message=on_message)
    async with serve(callbacks, *HERE, compression=True) as server, Peer(server) as peer:
        await peer.open(Sec_WebSocket_Extensions=OFFER)
        tracemalloc.start()
        try:
            peer.send(bomb * 100)
            await done.wait()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 * MIB
        assert sizes == [MIB] * 100


async def test_what_cannot_be_inflated_fails_when_it_is_its_turn():
    async with held(headers={"Sec_WebSocket_Extensions": OFFER}, compression=True) as (ws, peer):
        peer.send(
            frame(True, TEXT, deflated(b"good"), rsv=0x40)
            + frame(True, TEXT, b"\xff\xff\xff", rsv=0x40)
            + frame(True, TEXT, b"never seen")
            + frame(True, CLOSE, b"\x03\xe8")
        )
        assert await ws.recv() == "good"
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        assert await peer.close_code() == ws._connection.failure.close_code


# Streaming.


async def test_a_message_of_any_length_is_received_in_pieces():
    received = asyncio.get_running_loop().create_future()

    async def handler(ws):
        pieces = [piece async for piece in ws.recv_streaming()]
        received.set_result(pieces)

    async with serve(handler, *HERE, max_size=None) as server, Peer(server) as peer:
        await peer.open()
        for number in range(20):
            peer.send(frame(True, 0 if number else BINARY, bytes(MIB // 4), fin=number == 19))
        pieces = await received
        assert sum(map(len, pieces)) == 5 * MIB
        assert len(pieces) > 5
        assert max(map(len, pieces)) <= MIB


async def test_reading_stops_while_nobody_takes_the_pieces():
    settings = {"max_size": None, "max_queue": 100_000}
    async with held(**settings) as (ws, peer):
        peer.send(header(FIN | BINARY, 64 * MIB, True) + bytes(4))
        peer.send(b"x")
        pieces = ws.recv_streaming()
        size = len(await anext(pieces))
        sent = 0
        while not await stalled(peer.writer):
            peer.send(bytes(MIB))
            sent += MIB
        assert ws._read_paused
        piece = await anext(pieces)
        assert len(piece) <= 200_000
        # And goes on.
        size += len(piece)
        peer.send(bytes(64 * MIB - 1 - sent))
        async for piece in pieces:
            size += len(piece)
            assert len(piece) <= 200_000
        assert size == 64 * MIB
        ws.abort()


async def test_it_stops_even_before_the_first_piece_is_asked_for():
    settings = {"max_size": None, "max_queue": 100_000}
    async with held(**settings) as (ws, peer):
        peer.send(header(FIN | BINARY, 64 * MIB, True) + bytes(4))
        while not await stalled(peer.writer):
            peer.send(bytes(MIB))
        assert ws._read_paused
        ws.abort()


async def test_pieces_of_text_are_whole_characters():
    async with held() as (ws, peer):
        whole = "aé水𝄞".encode()
        wire = frame(True, TEXT, whole)
        pieces = ws.recv_streaming()
        received = []
        for place in range(len(wire)):
            peer.send(wire[place : place + 1])
            await stalled(peer.writer)
        async for piece in pieces:
            received.append(piece)
        assert "".join(received) == "aé水𝄞"
        ws.abort()


async def test_who_stops_early_receives_the_rest_as_the_next_message():
    async with held() as (ws, peer):
        peer.send(frame(True, TEXT, b"one", fin=False))
        async for piece in ws.recv_streaming():
            assert piece == "one"
            break
        peer.send(frame(True, 0, b"two") + frame(True, TEXT, b"three"))
        assert await ws.recv() == "two"
        assert [piece async for piece in ws.recv_streaming()] == ["three"]
        ws.abort()


async def test_limits_hold_for_a_message_in_pieces():
    async with held(max_size=10) as (ws, peer):
        peer.send(frame(True, TEXT, b"123456", fin=False))
        pieces = ws.recv_streaming()
        assert await anext(pieces) == "123456"
        peer.send(frame(True, 0, b"78901"))
        with pytest.raises(ConnectionClosed):
            await anext(pieces)
        assert await peer.close_code() == 1009


async def test_the_end_in_the_middle_of_a_message_in_pieces_is_an_error():
    async with held() as (ws, peer):
        peer.send(frame(True, TEXT, b"one", fin=False))
        pieces = ws.recv_streaming()
        assert await anext(pieces) == "one"
        peer.reset()
        with pytest.raises(ConnectionClosed):
            await anext(pieces)


# A peer that does not read.


async def test_send_waits_for_a_peer_that_does_not_read():
    async with held(Slow, write_limit=10_000) as (ws, peer):

        async def send():
            while True:
                await ws.send(bytes(1000))

        task = asyncio.create_task(send())
        while ws._drained is None:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not task.done()
        assert ws.transport.get_write_buffer_size() <= 10_000 + 64 * KIB + 1004
        while ws._drained is not None:
            await peer.reader.read(MIB)
        task.cancel()
        ws.abort()


async def test_its_pings_do_not_pile_up_answers():
    async with held(Slow, write_limit=10_000) as (ws, peer):
        while ws._drained is None:
            ws.send(bytes(50_000))
            await asyncio.sleep(0)
        before = ws.transport.get_write_buffer_size()
        for _ in range(20):
            peer.send(frame(True, PING, b"x" * 125) * 1000)
            await stalled(peer.writer)
        peer.send(frame(True, PING, b"last") + frame(True, TEXT, b"seen"))
        assert await ws.recv() == "seen"
        assert ws.transport.get_write_buffer_size() <= before
        assert len(ws._connection._out) <= 64
        # The latest is answered once it reads again.
        opcode, payload = await peer.frame()
        while (opcode, payload) != (PONG, b"last"):
            opcode, payload = await peer.frame()
        ws.abort()


async def test_senders_keep_their_order_while_it_does_not_read():
    async with held(Slow, write_limit=1000) as (ws, peer):

        async def send(name):
            for number in range(50):
                await ws.send(f"{name} {number} " + "x" * 5000)

        tasks = [asyncio.create_task(send(name)) for name in "abcd"]
        seen = {name: [] for name in "abcd"}
        for _ in range(200):
            _, payload = await peer.frame()
            name, number, _ = payload.decode().split(" ", 2)
            seen[name].append(int(number))
        assert all(numbers == list(range(50)) for numbers in seen.values())
        await asyncio.gather(*tasks)
        ws.abort()


async def test_nobody_overtakes_who_waits_to_send():
    async with held(Slow, write_limit=1000) as (ws, peer):
        while ws._drained is None:
            ws.send(bytes(50_000))
            await asyncio.sleep(0)
        first = asyncio.create_task(ws.send("first"))
        await asyncio.sleep(0)
        ws.resume_writing()
        second = asyncio.create_task(ws.send("second"))
        texts = []
        while len(texts) < 2:
            opcode, payload = await peer.frame()
            if opcode == TEXT:
                texts.append(payload)
        assert texts == [b"first", b"second"]
        await asyncio.gather(first, second)
        ws.abort()


async def test_cancelling_send_while_it_waits_sends_nothing():
    async with held(Slow, write_limit=1000) as (ws, peer):
        while ws._drained is None:
            ws.send(bytes(50_000))
            await asyncio.sleep(0)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ws.send("cancelled"), 0.001)
        sending = asyncio.create_task(ws.send("sent"))
        opcode = BINARY
        while opcode == BINARY:
            opcode, payload = await peer.frame()
        assert payload == b"sent"
        await sending
        ws.abort()


async def test_slow_consumer_drop_drops_what_it_would_wait_with():
    settings = {"write_limit": 1000, "slow_consumer": "drop"}
    async with held(Slow, **settings) as (ws, _):
        while not ws.dropped:
            await ws.send(bytes(50_000))
        size = ws.transport.get_write_buffer_size()
        for _ in range(5):
            broadcast([ws], "news")
        assert ws.dropped == 6
        assert ws.transport.get_write_buffer_size() <= size
        assert ws.state is State.OPEN
        ws.abort()


@pytest.mark.parametrize("by", ["send", "broadcast"])
async def test_slow_consumer_close_gives_the_peer_up(by):
    settings = {"write_limit": 1000, "slow_consumer": "close"}
    async with held(Slow, **settings) as (ws, _):
        while ws._drained is None:
            await ws.send(bytes(50_000))
        if by == "send":
            with pytest.raises(ConnectionClosed):
                await ws.send("more")
        else:
            broadcast([ws], "more")
        await ws.wait_closed()
        assert ws.close_code == 1006


@pytest.mark.parametrize("fragmenting", [False, True])
async def test_a_broadcast_keeps_no_more_than_max_outgoing(fragmenting):
    settings = {"write_limit": 1000, "max_outgoing": 300_000, "ping_interval": None}
    async with held(Slow, **settings) as (ws, _):

        async def pieces():
            yield b"begun"
            await ws.wait_closed()

        sending = asyncio.create_task(ws.send(pieces())) if fragmenting else None
        while fragmenting and not ws._connection.fragmenting:
            await asyncio.sleep(0)
        for _ in range(10_000):
            broadcast([ws], bytes(10_000))
            if ws.state is not State.OPEN:
                break
            assert ws.transport.get_write_buffer_size() <= 310_100
            if not fragmenting:
                await asyncio.sleep(0)
        await ws.wait_closed()
        if sending is not None:
            with pytest.raises(ConnectionClosed):
                await sending


async def test_callbacks_that_answer_keep_no_more_than_max_outgoing(caplog):
    gone = asyncio.Event()
    callbacks = Callbacks(
        on_message=lambda ws, message: ws.send(message), on_close=lambda ws: gone.set()
    )
    settings = {"write_limit": 1000, "max_outgoing": 300_000}
    async with serve(callbacks, *HERE, **settings) as server, Slow(server) as peer:
        await peer.open()
        while not gone.is_set():
            peer.send(frame(True, BINARY, bytes(50_000)))
            await asyncio.sleep(0)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


# Both at once, and closing.


@pytest.mark.parametrize("compression", [False, True])
async def test_neither_reading_nor_receiving_stands_still_in_bounds(compression):
    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    settings = {"write_limit": 1000, "max_queue": 50_000, "compression": compression}
    async with serve(echo, *HERE, **settings) as server, Slow(server) as peer:
        await peer.open(**({"Sec_WebSocket_Extensions": OFFER} if compression else {}))
        [ws] = server.connections
        wire = frame(True, BINARY, random.Random(1).randbytes(20_000)) * 50
        while not await stalled(peer.writer):
            peer.send(wire)
        assert ws._read_paused
        assert ws.transport.get_write_buffer_size() <= 1000 + 2 * 20_010 + 64 * KIB
        ws.abort()


async def test_closing_keeps_nothing_of_what_still_comes():
    settings = {"max_size": None, "max_queue": 50_000}
    async with held(**settings) as (ws, peer):
        closing = asyncio.create_task(ws.close())
        tracemalloc.start()
        try:
            peer.send(header(FIN | BINARY, 16 * MIB, True) + bytes(4))
            for _ in range(64):
                peer.send(bytes(MIB // 4))
                await peer.writer.drain()
            peer.close()
            await closing
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 4 * MIB


async def test_closing_a_peer_that_neither_reads_nor_answers_takes_close_timeout():
    settings = {"write_limit": 1000, "close_timeout": 0.05}
    async with held(Slow, **settings) as (ws, _):
        while ws._drained is None:
            ws.send(bytes(50_000))
            await asyncio.sleep(0)
        waiting = asyncio.create_task(ws.send("never"))
        await asyncio.sleep(0)
        await ws.close()
        with pytest.raises(ConnectionClosed):
            await waiting
        assert ws.state is State.CLOSED


async def test_a_peer_that_ends_its_direction_and_does_not_read_is_aborted_in_time():
    settings = {"write_limit": 1000, "close_timeout": 0.05, "ping_interval": None}
    async with held(Slow, **settings) as (ws, peer):
        while ws._drained is None:
            ws.send(bytes(50_000))
            await asyncio.sleep(0)
        peer.writer.write_eof()
        await ws.wait_closed()
        assert ws.close_code == 1006
