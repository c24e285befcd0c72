"""aiohttp. It sends every message as one frame: no fragments."""

from contextlib import asynccontextmanager

import rig
from aiohttp import ClientSession, WSMsgType, web

OVER = {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}


class End:
    """Pings are answered here, since otherwise aiohttp would keep the pongs to itself."""

    def __init__(self, connection):
        self.connection = connection
        self.subprotocol = connection.ws_protocol if server(connection) else connection.protocol
        self.compressed = bool(connection.compress)
        self.reason = ""

    async def send(self, message):
        if isinstance(message, str):
            await self.connection.send_str(message)
        else:
            await self.connection.send_bytes(message)

    async def receive(self):
        while True:
            message = await self.connection.receive()
            if message.type in OVER:
                self.reason = message.extra or self.reason
                raise rig.Closed(self.connection.close_code, self.reason)
            if message.type is WSMsgType.PING:
                await self.connection.pong(message.data)
            else:
                return message.data

    async def ping(self):
        await self.connection.ping(b"are you there?")
        pong = await self.connection.receive()
        assert (pong.type, bytes(pong.data)) == (WSMsgType.PONG, b"are you there?")

    async def close(self, code, reason):
        await self.connection.close(code=code, message=reason.encode())


def server(connection):
    return isinstance(connection, web.WebSocketResponse)


async def serve(converse, certificate):
    async def handler(request):
        connection = web.WebSocketResponse(
            protocols=[rig.SUBPROTOCOL], autoping=False, max_msg_size=rig.LIMIT
        )
        await connection.prepare(request)
        await converse(End(connection), request.path_qs)
        return connection

    app = web.Application()
    app.router.add_get("/{path}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=rig.server_tls(certificate)).start()
    await rig.ready(runner.addresses[0][1])


@asynccontextmanager
async def connect(uri, tls, subprotocols, compression):
    async with (
        ClientSession() as session,
        session.ws_connect(
            uri,
            ssl=tls or True,
            protocols=subprotocols,
            compress=15 if compression else 0,
            autoping=False,
            max_msg_size=rig.LIMIT,
        ) as connection,
    ):
        yield End(connection)


if __name__ == "__main__":
    rig.main(serve, connect)
