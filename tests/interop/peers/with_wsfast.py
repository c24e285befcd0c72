"""wsfast, by its asyncio client and server."""

from contextlib import asynccontextmanager

import rig

from wsfast import ConnectionClosed
from wsfast.asyncio import connect as wsfast_connect
from wsfast.asyncio import serve as wsfast_serve


class End:
    def __init__(self, ws):
        self.ws = ws
        self.subprotocol = ws.subprotocol
        self.compressed = "Sec-WebSocket-Extensions" in ws.response.headers

    async def send(self, message):
        await self.ws.send(message)

    async def send_fragments(self, pieces):
        await self.ws.send(pieces)

    async def receive(self):
        try:
            return await self.ws.recv()
        except ConnectionClosed:
            raise rig.Closed(self.ws.close_code, self.ws.close_reason) from None

    async def ping(self):
        await self.ws.ping()

    async def close(self, code, reason):
        await self.ws.close(code, reason)


async def serve(converse, certificate):
    async def handler(ws):
        await converse(End(ws), ws.request.target)

    async with wsfast_serve(
        handler,
        "127.0.0.1",
        0,
        ssl=rig.server_tls(certificate),
        subprotocols=[rig.SUBPROTOCOL],
        compression=True,
        max_size=rig.LIMIT,
    ) as server:
        await rig.ready(server.sockets[0].getsockname()[1])


@asynccontextmanager
async def connect(uri, tls, subprotocols, compression):
    async with wsfast_connect(
        uri, ssl=tls, subprotocols=subprotocols, compression=compression, max_size=rig.LIMIT
    ) as ws:
        yield End(ws)


if __name__ == "__main__":
    rig.main(serve, connect)
