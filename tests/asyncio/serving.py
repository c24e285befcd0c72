"""Servers under test: where they listen, the usual handlers, and a connection for the test."""

import asyncio
from contextlib import asynccontextmanager

from raw import Peer

from wsfast.asyncio.server import serve

HERE = ("127.0.0.1", 0)


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def forever(ws):
    await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def held(kind=Peer, *, headers=None, **settings):
    """A connection whose handler stands still, so that the test uses it; and its peer."""
    opened = asyncio.get_running_loop().create_future()

    async def stand(ws):
        opened.set_result(ws)
        await ws.wait_closed()

    async with serve(stand, *HERE, **settings) as server, kind(server) as peer:
        await peer.open(**headers or {})
        yield await opened, peer
