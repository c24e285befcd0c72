"""A peer on websockets' asyncio API, which picows offers too."""

from contextlib import asynccontextmanager

import rig

# With TLS, picows waits for its next ping once its queue has been full.
SETTINGS = {"max_size": rig.LIMIT, "max_queue": None}


def peer(serve, connect, ConnectionClosed):
    """How to serve and how to connect, by these names of the API."""

    class End:
        def __init__(self, connection):
            self.connection = connection
            self.subprotocol = connection.subprotocol
            self.compressed = "Sec-WebSocket-Extensions" in connection.response.headers

        async def send(self, message):
            await self.connection.send(message)

        async def send_fragments(self, pieces):
            await self.connection.send(pieces)

        async def receive(self):
            try:
                return await self.connection.recv()
            except ConnectionClosed:
                code, reason = self.connection.close_code, self.connection.close_reason
                raise rig.Closed(code, reason or "") from None

        async def ping(self):
            await (await self.connection.ping())

        async def close(self, code, reason):
            await self.connection.close(code, reason)

    async def listen(converse, certificate):
        async def handler(connection):
            await converse(End(connection), connection.request.path)

        async with serve(
            handler,
            "127.0.0.1",
            0,
            ssl=rig.server_tls(certificate),
            select_subprotocol=choose,
            **SETTINGS,
        ) as server:
            await rig.ready(server.sockets[0].getsockname()[1])

    def choose(connection, offered):
        return rig.SUBPROTOCOL if rig.SUBPROTOCOL in offered else None

    @asynccontextmanager
    async def call(uri, tls, subprotocols, compression):
        async with connect(
            uri,
            ssl=tls,
            subprotocols=subprotocols or None,
            compression="deflate" if compression else None,
            **SETTINGS,
        ) as connection:
            yield End(connection)

    return listen, call
