"""How a connection ends: by whom, in which order with what was said before, and how soon."""

import asyncio
import gc
import weakref

import pytest
from raw import Peer
from serving import HERE, echo, held
from wires import CLOSE, PING, TEXT, frame

from wsfast.asyncio.handlers import Callbacks
from wsfast.asyncio.server import serve
from wsfast.exceptions import ConnectionClosed, StateError
from wsfast.protocol.connection import State

RESERVED = frame(True, 3, b"")  # no opcode: a violation


async def slow_echo(ws):
    async for message in ws:
        await asyncio.sleep(0)
        await ws.send(message)


def callback(ws, message):
    ws.send(message)


def texts(*messages):
    return b"".join(frame(True, TEXT, message.encode()) for message in messages)


# What was said before.


@pytest.mark.parametrize("end", ["close", "violation"])
@pytest.mark.parametrize("handle", [echo, slow_echo, Callbacks(on_message=callback)])
async def test_echoes_come_before_our_close_frame(handle, end):
    last, code = {
        "close": (frame(True, CLOSE, b"\x0f\xa0"), 4000),
        "violation": (RESERVED, 1002),
    }[end]
    async with serve(handle, *HERE) as server, Peer(server) as peer:
        await peer.open()
        peer.send(texts("a", "b", "c") + last)
        assert [(await peer.frame())[1] for _ in "abc"] == [b"a", b"b", b"c"]
        assert await peer.close_code() == code
        await peer.ended()


async def test_a_program_that_does_not_receive_holds_the_end_up_for_a_moment_only(monkeypatch):
    monkeypatch.setattr("wsfast.asyncio.websocket._GRACE", 0.01)
    async with held() as (_, peer):
        peer.send(texts("never received") + frame(True, CLOSE, b"\x03\xe8"))
        assert await peer.close_code() == 1000
        await peer.ended()


async def test_there_is_no_such_moment_where_we_have_closed(monkeypatch):
    monkeypatch.setattr("wsfast.asyncio.websocket._GRACE", 60)

    async def close(ws):
        while not ws._waiting():
            await asyncio.sleep(0)
        await ws.close()

    async with serve(close, *HERE) as server, Peer(server) as peer:
        await peer.open()
        peer.send(texts("never received"))
        assert await peer.close_code() == 1000
        peer.send(texts("nor this"))
        peer.close()
        await peer.ended()


async def test_nor_where_the_handler_returns(monkeypatch):
    monkeypatch.setattr("wsfast.asyncio.websocket._GRACE", 60)

    async def leave(ws):
        while not ws._over:
            await asyncio.sleep(0)

    async with serve(leave, *HERE) as server, Peer(server) as peer:
        await peer.open()
        peer.send(texts("never received") + frame(True, CLOSE, b"\x03\xe8"))
        assert await peer.close_code() == 1000
        await peer.ended()


async def test_messages_before_a_reset_are_received():
    async with held() as (ws, peer):
        peer.send(texts("a", "b"))
        while not ws._waiting():
            await asyncio.sleep(0)
        peer.reset()
        await ws.wait_closed()
        assert await ws.recv() == "a"
        assert await ws.recv() == "b"
        with pytest.raises(ConnectionClosed) as info:
            await ws.recv()
        assert info.value.code == 1006


async def test_messages_before_half_a_close_are_received():
    async with held() as (ws, peer):
        peer.send(texts("a"))
        peer.writer.write_eof()
        assert await ws.recv() == "a"
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        with pytest.raises(ConnectionClosed):
            ws.send("too late")
        await peer.ended()


# What receivers are told.


@pytest.mark.parametrize(
    ("payload", "quiet"),
    [
        (b"", True),
        (b"\x03\xe8", True),
        (b"\x03\xe9", True),
        (b"\x03\xf3", False),  # 1011
        (b"\x0f\xa1", False),  # 4001
    ],
)
async def test_iterating_ends_quietly_where_nothing_is_wrong(payload, quiet):
    ended = asyncio.get_running_loop().create_future()

    async def iterate(ws):
        try:
            async for _ in ws:
                pass
        except ConnectionClosed as exc:
            ended.set_result(exc.code)
        else:
            ended.set_result(None)

    async with serve(iterate, *HERE) as server, Peer(server) as peer:
        await peer.open()
        peer.send(frame(True, CLOSE, payload))
        assert await ended == (None if quiet else int.from_bytes(payload, "big"))
        await peer.ended()


async def test_iterating_ends_quietly_where_we_have_closed():
    ended = asyncio.Event()

    async def iterate(ws):
        ws.close(4000)
        async for _ in ws:
            pass
        ended.set()

    async with serve(iterate, *HERE) as server, Peer(server) as peer:
        await peer.open()
        assert await peer.close_code() == 4000
        await ended.wait()


async def test_codes_and_reasons_of_both_are_told():
    async with held() as (ws, peer):
        assert (ws.close_code, ws.close_reason) == (None, None)
        receiving = asyncio.create_task(ws.recv())
        peer.send(frame(True, CLOSE, b"\x0f\xa1" + b"bye"))
        with pytest.raises(ConnectionClosed) as info:
            await receiving
        assert (info.value.code, info.value.reason) == (4001, "bye")
        assert info.value.received_first
        assert (ws.close_code, ws.close_reason) == (4001, "bye")
        await ws.wait_closed()
        for call in (ws.send, ws.ping, ws.pong):
            with pytest.raises(ConnectionClosed):
                call(b"")
        await ws.close()
        assert ws.remote_address is None


# Bounds in time.


@pytest.mark.parametrize("answers", [False, True])
async def test_closing_takes_no_longer_than_close_timeout(answers):
    """Whether the peer never answers, or (as a client may) never ends TCP."""
    async with held(close_timeout=0.05) as (ws, peer):
        closing = asyncio.ensure_future(ws.close(reason="enough"))
        assert (await peer.frame())[0] == CLOSE
        if answers:
            peer.close()
        await closing
        assert ws.state is State.CLOSED
        assert ws.close_code == (1000 if answers else 1006)


async def test_a_peer_that_broke_a_rule_and_talks_on_is_cut_off():
    async with held(close_timeout=0.05) as (ws, peer):
        peer.send(RESERVED)
        assert await peer.close_code() == 1002
        while ws.state is not State.CLOSED:
            peer.send(texts("and another thing") * 100)
            await asyncio.sleep(0)


async def test_a_silent_peer_is_given_up():
    settings = {"ping_interval": 0.02, "ping_timeout": 0.02, "close_timeout": 0.02}
    async with held(**settings) as (ws, peer):
        await ws.wait_closed()
        assert (await peer.frame())[0] == PING
        opcode, payload = await peer.frame()
        while opcode == PING:
            opcode, payload = await peer.frame()
        assert (opcode, payload[:2]) == (CLOSE, b"\x03\xf3")


async def test_a_peer_that_only_sends_data_is_not():
    settings = {"ping_interval": 0.01, "ping_timeout": 0.5}
    async with serve(echo, *HERE, **settings) as server, Peer(server) as peer:
        await peer.open()
        pings = 0
        while pings < 5:
            peer.text("x")
            opcode, _ = await peer.frame()
            assert opcode in (TEXT, PING)
            pings += opcode == PING


async def test_nor_is_one_whom_we_do_not_read():
    settings = {"ping_interval": 0.01, "ping_timeout": 0.01, "max_queue": 10}
    async with held(**settings) as (ws, peer):
        peer.text("more than ten bytes")
        for _ in range(5):
            assert (await peer.frame())[0] == PING
        assert ws.state is State.OPEN
        ws.abort()


async def test_a_connection_without_messages_is_closed_after_idle_timeout():
    async with serve(echo, *HERE, idle_timeout=0.02) as server, Peer(server) as peer:
        await peer.open()
        assert await peer.close_code() == 1001


# Pings.


async def test_a_ping_answers_how_long_the_pong_took():
    async with held() as (ws, peer):
        one, two, last = ws.ping(b"one"), ws.ping(b"two"), ws.ping(b"last")
        with pytest.raises(StateError, match="payload"):
            ws.ping(b"one")
        assert [await peer.frame() for _ in range(2)] == [(PING, b"one"), (PING, b"two")]
        peer.send(frame(True, 0xA, b"two"))
        assert await two == ws.latency
        assert await one >= 0  # an answer to a later ping answers this, too
        assert not last.done()
        peer.reset()
        with pytest.raises(ConnectionClosed):
            await last


async def test_pings_are_answered_without_the_program():
    async with held() as (_, peer):
        peer.send(frame(True, PING, b"ping"))
        assert await peer.frame() == (0xA, b"ping")


# Callbacks.


async def test_no_message_is_handed_over_after_close():
    received = []

    def on_message(ws, message):
        received.append(message)
        ws.close(4000)

    async with serve(Callbacks(on_message=on_message), *HERE) as server, Peer(server) as peer:
        await peer.open()
        peer.send(texts("a", "b"))
        assert await peer.close_code() == 4000
        peer.send(texts("c"))
        peer.close(4000)
        await peer.ended()
    assert received == ["a"]


async def test_sending_on_a_closed_connection_is_no_error_of_a_callback(caplog):
    def on_message(ws, message):
        ws.close()
        ws.send("too late")

    async with serve(Callbacks(on_message=on_message), *HERE) as server, Peer(server) as peer:
        await peer.open()
        peer.text("a")
        assert await peer.close_code() == 1000
        peer.close()
        await peer.ended()
    assert not caplog.records


async def test_any_other_exception_is_logged_and_closes_with_1011(caplog):
    def on_message(ws, message):
        raise ValueError(message)

    async with serve(Callbacks(on_message=on_message), *HERE) as server, Peer(server) as peer:
        await peer.open()
        peer.text("a")
        assert await peer.close_code() == 1011
    assert [record.exc_info[0] for record in caplog.records] == [ValueError]


# In pieces.


async def collected(peer):
    opcode, message = None, b""
    while True:
        first, length = await peer.reader.readexactly(2)
        assert length < 126
        opcode = first & 0xF if opcode is None else opcode
        message += await peer.reader.readexactly(length)
        if first & 0x80:
            return opcode, message


async def asynchronous(*pieces):
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


@pytest.mark.parametrize(
    "pieces",
    [
        lambda: ["Hel", "", "lo"],
        lambda: ("Hello",),
        lambda: iter(["H", "ello"]),
        lambda: asynchronous("Hel", "lo"),
    ],
)
async def test_an_iterable_is_sent_as_one_message(pieces):
    async with held() as (ws, peer):
        await ws.send(pieces())
        assert await collected(peer) == (TEXT, b"Hello")
        await ws.send(b"after")
        assert (await peer.frame())[1] == b"after"
        ws.abort()


async def test_each_piece_is_sent_as_soon_as_it_comes():
    more = asyncio.Event()

    async def pieces():
        yield "now"
        await more.wait()

    async with held() as (ws, peer):
        sending = asyncio.create_task(ws.send(pieces()))
        assert await peer.reader.readexactly(5) == frame(False, TEXT, b"now", fin=False)
        after = asyncio.create_task(ws.send("after"))
        await asyncio.sleep(0)
        more.set()
        assert await peer.reader.readexactly(2) == frame(False, 0, b"")
        assert await peer.frame() == (TEXT, b"after")
        await asyncio.gather(sending, after)
        ws.abort()


async def broken():
    yield "begun"
    raise RuntimeError("broken")


@pytest.mark.parametrize("pieces", [broken, lambda: ["begun", b"bytes"], lambda: ["begun", None]])
async def test_a_message_that_breaks_off_ends_the_connection(pieces):
    async with held() as (ws, peer):
        with pytest.raises((RuntimeError, TypeError)):
            await ws.send(pieces())
        assert await peer.reader.readexactly(7) == frame(False, TEXT, b"begun", fin=False)
        assert await peer.close_code() == 1011


async def not_begun():
    raise RuntimeError("not begun")
    yield


@pytest.mark.parametrize("pieces", [not_begun, list, lambda: [3], lambda: {"a": "dict"}, lambda: 3])
async def test_a_message_that_does_not_begin_changes_nothing(pieces):
    async with held() as (ws, peer):
        with pytest.raises((RuntimeError, TypeError, ValueError)):
            await ws.send(pieces())
        await ws.send("fine")
        assert await peer.frame() == (TEXT, b"fine")
        ws.abort()


# Types.


async def test_text_is_bytes_where_it_is_not_to_be_decoded():
    async def handler(ws):
        message = await ws.recv()
        assert type(message) is bytes
        await ws.send(message, text=True)
        await ws.send("binary", text=False)

    async with serve(handler, *HERE, decode=False) as server, Peer(server) as peer:
        await peer.open()
        peer.text("aé")
        assert await peer.frame() == (TEXT, "aé".encode())
        assert await peer.frame() == (2, b"binary")
        assert await peer.close_code() == 1000


async def test_bytes_that_are_not_text_are_not_sent_as_such():
    async with held() as (ws, peer):
        with pytest.raises(ValueError, match="UTF-8"):
            await ws.send(b"\xff", text=True)
        await ws.send(bytearray(b"fine"), text=True)
        assert await peer.frame() == (TEXT, b"fine")
        ws.abort()


# Afterwards.


@pytest.mark.parametrize("end", ["close", "reset", "violation", "half", "ours"])
@pytest.mark.parametrize("handle", [echo, Callbacks(on_message=callback)])
async def test_nothing_is_left_behind(handle, end):
    gone = asyncio.get_running_loop().create_future()
    async with serve(handle, *HERE) as server:
        gc.collect()
        gc.disable()
        try:
            async with Peer(server) as peer:
                await peer.open()
                peer.send(texts("a", "b") + frame(True, PING))
                for _ in range(3):
                    await peer.frame()
                [ws] = server.connections
                alive = weakref.ref(ws, gone.set_result)
                if end == "close":
                    peer.close()
                elif end == "violation":
                    peer.send(RESERVED)
                elif end == "half":
                    peer.writer.write_eof()
                elif end == "ours":
                    ws.close()
                    await peer.close_code()
                    peer.close()
                del ws
                if end == "reset":
                    peer.reset()
                else:
                    await peer.ended()
            assert await asyncio.wait_for(gone, 5) is alive
        finally:
            gc.enable()
