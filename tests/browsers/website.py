"""A server of wsfast with a page, and with what the page connects to on the same port."""

import asyncio
import socket
import ssl
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from wsfast import ConnectionClosed
from wsfast.asyncio import Page, Response, Route, Router, serve

PAGE = Path(__file__).with_name("page.html")
LIMIT = 16 << 20


class Website:
    """What tests see of the server: its ``origin``, and how connections to /watched ended."""

    def __init__(self):
        self.endings = SimpleQueue()  # of (code, reason, clean)

    async def serve(self, started, certificate):
        self._released, self._finish = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        context = None
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
        html = {"Content-Type": "text/html; charset=utf-8", "Set-Cookie": "visitor=4711"}
        router = Router(
            [
                Page("/", Response(200, html, PAGE.read_bytes())),
                Route("/echo", self._echo),
                Route("/watched", self._watched),
                Route("/chat", self._echo, subprotocols=["chat.v2"]),
                Route("/elsewhere", self._echo, origins=["https://elsewhere.example"]),
                Route("/close/{code}", self._close),
                Route("/abort", self._abort),
                Route("/ping", self._ping),
                Route("/fragments", self._fragments),
                Route("/headers", self._headers),
                Route("/flood", self._flood),
                Route("/slow", self._slow),
                Route("/release", self._release),
            ]
        )
        listening = socket.create_server(("127.0.0.1", 0))
        # A kernel that takes little in, so that it soon shows when the server takes nothing.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        async with serve(
            router, sock=listening, ssl=context, max_size=LIMIT, compression=True
        ) as server:
            self.origin = f"{'https' if certificate else 'http'}://127.0.0.1:{server.port}"
            started.put(None)
            await self._finish.wait()

    def stop(self):
        self._loop.call_soon_threadsafe(self._finish.set)

    async def _echo(self, ws):
        async for message in ws:
            await ws.send(message)

    async def _watched(self, ws):
        try:
            await ws.recv()
        except ConnectionClosed as closed:
            self.endings.put((closed.code, closed.reason, closed.clean))

    async def _close(self, ws):
        await ws.close(int(ws.path_params["code"]), await ws.recv())

    async def _abort(self, ws):
        await ws.recv()
        ws.abort()

    async def _ping(self, ws):
        await ws.ping()
        await ws.send("the pong came")

    async def _fragments(self, ws):
        await ws.send(await ws.recv())
        await ws.send([await ws.recv() for _ in range(3)])

    async def _headers(self, ws):
        for name in ("Origin", "Cookie"):
            await ws.send(ws.request.headers[name])

    async def _flood(self, ws):
        for number in range(int(await ws.recv())):
            await ws.send(str(number))

    async def _slow(self, ws):
        """Receive nothing before somebody comes to /release; then tell how much it was."""
        await self._released.wait()
        self._released.clear()
        total = 0
        while (message := await ws.recv()) != "all":
            total += len(message)
        await ws.send(str(total))

    async def _release(self, ws):
        self._released.set()


@contextmanager
def website(certificate=None):
    """Run the server in a thread of its own."""
    site, started = Website(), SimpleQueue()
    thread = Thread(target=asyncio.run, args=[site.serve(started, certificate)])
    thread.start()
    started.get(timeout=30)
    yield site
    site.stop()
    thread.join()
