"""The peers, each driven the way its own library drives it, with its best settings."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp
from aiohttp._websocket.reader_c import WebSocketDataQueue, WebSocketReader
from aiohttp._websocket.writer import WebSocketWriter
from websockets.frames import Frame
from websockets.streams import StreamReader
from wsproto.connection import Connection, ConnectionType

MAX_SIZE = 1 << 24


class _Transport:
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.write = self.writes.append

    def is_closing(self) -> bool:
        return False


class _Protocol:
    _paused = False
    _reading_paused = False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def aiohttp_feed():
    """aiohttp's compiled reader, its queue emptied after every read."""
    queue = WebSocketDataQueue(_Protocol(), 1 << 30, loop=_LOOP)
    reader = WebSocketReader(queue, MAX_SIZE, compress=False, decode_text=True)
    buffered = queue._buffer

    def feed(read: bytes) -> list[str]:
        reader.feed_data(read)
        texts = [message.data for message, _ in buffered]
        buffered.clear()
        return texts

    return feed


def websockets_feed():
    """websockets' Frame.parse over its StreamReader, then str: what its Protocol does a frame."""
    reader = StreamReader()
    parser = Frame.parse(reader.read_exact, mask=True, max_size=MAX_SIZE)

    def feed(read: bytes) -> list[str]:
        nonlocal parser
        texts: list[str] = []
        reader.feed_data(read)
        while True:
            try:
                next(parser)
            except StopIteration as done:
                texts.append(done.value.data.decode())
                parser = Frame.parse(reader.read_exact, mask=True, max_size=MAX_SIZE)
            else:
                return texts

    return feed


def wsproto_feed():
    """wsproto's Connection, the parts of a message joined."""
    connection = Connection(ConnectionType.SERVER)
    parts: list[str] = []

    def feed(read: bytes) -> list[str]:
        texts: list[str] = []
        connection.receive_data(read)
        for event in connection.events():
            parts.append(event.data)
            if event.message_finished:
                texts.append("".join(parts))
                parts.clear()
        return texts

    return feed


def aiohttp_sender(client: bool):
    """aiohttp's writer as ``send_str`` uses it; it answers the bytes that it wrote."""
    transport = _Transport()
    writer = WebSocketWriter(_Protocol(), transport, use_mask=client, limit=1 << 62)

    def send(text: str) -> bytes:
        transport.writes.clear()
        with suppress(StopIteration):
            writer.send_frame(text.encode("utf-8"), aiohttp.WSMsgType.TEXT).send(None)
        return b"".join(transport.writes)

    return send


_LOOP = asyncio.new_event_loop()
