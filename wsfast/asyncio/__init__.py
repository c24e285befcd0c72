"""WebSocket on asyncio: a server, a client, and the connection that both give you.

::

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async with serve(echo, "localhost", 8765) as server:
        async with connect(f"ws://localhost:{server.port}") as ws:
            await ws.send("Hello")
            print(await ws.recv())

Thin on purpose: what the protocol says is in ``wsfast.protocol``, without sockets.
"""

from ..protocol.deflate import Deflate
from ..protocol.http import Headers, HttpLimits, Request, Response
from .broadcasting import broadcast
from .client import connect
from .handlers import Callbacks
from .routing import Page, Route, Router
from .server import Server, serve
from .settings import Settings
from .websocket import WebSocket

__all__ = [
    "Callbacks",
    "Deflate",
    "Headers",
    "HttpLimits",
    "Page",
    "Request",
    "Response",
    "Route",
    "Router",
    "Server",
    "Settings",
    "WebSocket",
    "broadcast",
    "connect",
    "serve",
]
