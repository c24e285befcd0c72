"""One message to many connections, over sockets."""

import asyncio
import zlib
from contextlib import AsyncExitStack

import pytest
from raw import Peer
from wires import BINARY, TEXT

from wsfast.asyncio.broadcasting import broadcast
from wsfast.asyncio.server import serve

RSV1 = 0x40

HERE = ("127.0.0.1", 0)


async def listen(ws):
    async for _ in ws:
        pass


async def opened(stack, server, count=1, **headers):
    peers = []
    for _ in range(count):
        peers.append(await stack.enter_async_context(Peer(server)))
        await peers[-1].open(**headers)
    return peers


@pytest.mark.parametrize(
    ("message", "text", "opcode", "payload"),
    [
        ("Hellö", None, TEXT, "Hellö".encode()),
        (b"\xff", None, BINARY, b"\xff"),
        (memoryview(b"abc"), None, BINARY, b"abc"),
        (b"abc", True, TEXT, b"abc"),
        ("abc", False, BINARY, b"abc"),
    ],
)
async def test_everybody_gets_the_message(message, text, opcode, payload):
    async with serve(listen, *HERE) as server, AsyncExitStack() as stack:
        peers = await opened(stack, server, 3)
        broadcast(server.connections, message, text=text)
        for peer in peers:
            assert await peer.frame() == (opcode, payload)
            peer.close()


async def test_it_is_in_order_with_what_else_is_sent():
    async with serve(listen, *HERE) as server, AsyncExitStack() as stack:
        (peer,) = await opened(stack, server)
        (ws,) = server.connections
        await ws.send("before")
        broadcast([ws], "all")
        await ws.send("after")
        assert [(await peer.frame())[1] for _ in range(3)] == [b"before", b"all", b"after"]
        peer.close()


async def test_who_is_not_open_gets_nothing():
    async with serve(listen, *HERE) as server, AsyncExitStack() as stack:
        stays, _ = await opened(stack, server, 2)
        connections = list(server.connections)
        leaves = next(
            ws for ws in connections
            if ws.remote_address != stays.writer.get_extra_info("sockname")
        )  # fmt: skip
        leaves.abort()
        await leaves.wait_closed()
        broadcast(connections, "Hello")
        assert await stays.frame() == (TEXT, b"Hello")
        stays.close()


@pytest.mark.parametrize("message", [5, None, ["a"], "\ud800"])
async def test_what_is_no_message_is_an_error_and_nothing_is_sent(message):
    async with serve(listen, *HERE) as server, AsyncExitStack() as stack:
        (peer,) = await opened(stack, server)
        with pytest.raises((TypeError, UnicodeEncodeError)):
            broadcast(server.connections, message)
        broadcast(server.connections, "good")
        assert await peer.frame() == (TEXT, b"good")
        peer.close()


async def test_a_slow_peer_holds_up_nobody_and_is_given_up_at_last():
    megabyte = bytes(1 << 20)
    async with serve(listen, *HERE, max_outgoing=1 << 21) as server, AsyncExitStack() as stack:
        reads, _ = await opened(stack, server, 2)
        received = 0
        while len(server.connections) == 2:
            broadcast(server.connections, megabyte)
            await asyncio.sleep(0)
            received += len((await reads.reader.readexactly(10 + len(megabyte)))[10:])
        assert received >= 1 << 21
        reads.close()


async def test_a_slow_peer_misses_messages_where_the_settings_say_so():
    megabyte = bytes(1 << 20)
    async with serve(listen, *HERE, slow_consumer="drop") as server, AsyncExitStack() as stack:
        await opened(stack, server)
        (ws,) = server.connections
        while not ws.dropped:
            broadcast([ws], megabyte)
            await asyncio.sleep(0)
        ws.abort()


async def test_a_connection_with_compression_gets_a_message_of_its_own():
    offer = {"Sec_WebSocket_Extensions": "permessage-deflate; server_no_context_takeover"}
    async with serve(listen, *HERE, compression=True) as server, AsyncExitStack() as stack:
        (plain,) = await opened(stack, server)
        (packed,) = await opened(stack, server, **offer)
        broadcast(server.connections, "Hello" * 1000)
        assert await plain.frame() == (TEXT, b"Hello" * 1000)
        first, length = await packed.reader.readexactly(2)
        assert first == 0x80 | RSV1 | TEXT
        payload = await packed.reader.readexactly(length)
        inflate = zlib.decompressobj(wbits=-15).decompress
        assert inflate(payload + b"\x00\x00\xff\xff") == b"Hello" * 1000
        for peer in (plain, packed):
            peer.close()
