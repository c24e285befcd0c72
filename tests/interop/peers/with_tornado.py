"""tornado. It sends every message as one frame: no fragments."""

import asyncio
from contextlib import asynccontextmanager

import rig
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect


class End:
    """A tornado connection of either role; ``on_message`` and ``on_pong`` fill the queues."""

    def __init__(self, connection):
        self.connection = connection
        self.subprotocol = connection.selected_subprotocol
        self.received = asyncio.Queue()
        self.pongs = asyncio.Queue()
        connection.on_pong = self.pongs.put_nowait

    async def send(self, message):
        await self.connection.write_message(message, isinstance(message, bytes))

    async def receive(self):
        message = await self.received.get()
        if message is None:
            raise rig.Closed(self.connection.close_code, self.connection.close_reason or "")
        return message

    async def ping(self):
        self.connection.ping(b"are you there?")
        assert await self.pongs.get() == b"are you there?"

    async def close(self, code, reason):
        self.connection.close(code, reason)


class Handler(WebSocketHandler):
    def initialize(self, converse):
        self.converse = converse

    def select_subprotocol(self, subprotocols):
        return rig.SUBPROTOCOL if rig.SUBPROTOCOL in subprotocols else None

    def get_compression_options(self):
        return {}

    def open(self):
        self.end = End(self)
        self.on_message = self.end.received.put_nowait
        self.task = asyncio.create_task(self.converse(self.end, self.request.uri))

    def on_message(self, message):
        raise NotImplementedError

    def on_close(self):
        self.end.received.put_nowait(None)


async def serve(converse, certificate):
    sockets = bind_sockets(0, "127.0.0.1")
    app = Application(
        [("/.*", Handler, {"converse": converse})], websocket_max_message_size=rig.LIMIT
    )
    HTTPServer(app, ssl_options=rig.server_tls(certificate)).add_sockets(sockets)
    await rig.ready(sockets[0].getsockname()[1])


@asynccontextmanager
async def connect(uri, tls, subprotocols, compression):
    connection = await websocket_connect(
        HTTPRequest(uri, ssl_options=tls),
        subprotocols=subprotocols or None,
        compression_options={} if compression else None,
        max_message_size=rig.LIMIT,
    )
    end = End(connection)
    end.compressed = "Sec-WebSocket-Extensions" in connection.headers
    reading = asyncio.create_task(read(connection, end.received))
    yield end
    connection.close()
    await reading


async def read(connection, received):
    message = ""
    while message is not None:
        message = await connection.read_message()
        received.put_nowait(message)


if __name__ == "__main__":
    rig.main(serve, connect)
