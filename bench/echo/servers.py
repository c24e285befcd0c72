"""The echo servers, each written as the documents of its library show it, at its best settings.

    python -m echo.servers NAME [--loop asyncio] [--deflate] [--payloads FILE --size BYTES ...]

It prints its port when it is ready. Pings and logs of access are off everywhere, and so is
compression, unless --deflate asks for the one that the contest agrees on.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import importlib
import logging
from collections.abc import Awaitable, Callable

from loopback import GUID

MAX_SIZE = 1 << 24
HOST = "127.0.0.1"
WINDOW_BITS, MEM_LEVEL, LEVEL = 12, 5, 6  # websockets' own, and zlib's

Options = argparse.Namespace
Start = Callable[[Options], Awaitable[object]]


async def wsfast(options: Options) -> object:
    """wsfast, the face of coroutines."""
    from wsfast.asyncio import serve

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    return await serve(echo, HOST, 0, **wsfast_settings(options))


async def wsfast_callbacks(options: Options) -> object:
    """wsfast, the face of callbacks."""
    from wsfast.asyncio import Callbacks, serve

    callbacks = Callbacks(on_message=lambda ws, message: ws.send(message))
    return await serve(callbacks, HOST, 0, **wsfast_settings(options))


def wsfast_settings(options: Options) -> dict[str, object]:
    """What both faces are given."""
    from wsfast.asyncio import Deflate

    deflate = Deflate(
        server_max_window_bits=WINDOW_BITS,
        client_max_window_bits=WINDOW_BITS,
        mem_level=MEM_LEVEL,
        level=LEVEL,
        threshold=0,
    )
    return {
        "compression": deflate if options.deflate else False,
        "max_size": MAX_SIZE,
        "ping_interval": None,
    }


async def picows(options: Options) -> object:
    """picows, echoing the view of its read buffer as its own example does."""
    from picows import WSListener, WSMsgType, ws_create_server

    class Echo(WSListener):
        def on_ws_frame(self, transport, frame):
            if frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
            else:
                view = frame.get_payload_as_memoryview()
                transport.send(frame.msg_type, view, frame.fin, frame.rsv1)

    return await ws_create_server(lambda request: Echo(), HOST, 0, max_frame_size=MAX_SIZE)


async def picows_text(options: Options) -> object:
    """picows, handing out ``str`` and sending it, as an application that reads texts does."""
    from picows import WSListener, WSMsgType, ws_create_server

    class Echo(WSListener):
        def on_ws_frame(self, transport, frame):
            if frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
            else:
                transport.send(WSMsgType.TEXT, frame.get_payload_as_utf8_text())

    return await ws_create_server(lambda request: Echo(), HOST, 0, max_frame_size=MAX_SIZE)


async def picows_websockets(options: Options) -> object:
    """picows behind its face after websockets."""
    from picows.websockets.asyncio.server import serve

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    return await serve(
        echo,
        HOST,
        0,
        compression="deflate" if options.deflate else None,
        ping_interval=None,
        max_size=MAX_SIZE,
    )


async def websockets(options: Options) -> object:
    """websockets, with its speedups in C."""
    import websockets.speedups  # noqa: F401  - the contest is not for its twin in Python
    from websockets.asyncio.server import serve
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

    deflate = ServerPerMessageDeflateFactory(
        server_max_window_bits=WINDOW_BITS,
        client_max_window_bits=WINDOW_BITS,
        compress_settings={"memLevel": MEM_LEVEL, "level": LEVEL},
    )

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    return await serve(
        echo,
        HOST,
        0,
        compression=None,
        extensions=[deflate] if options.deflate else None,
        ping_interval=None,
        max_size=MAX_SIZE,
    )


async def aiohttp(options: Options) -> object:
    """aiohttp, with its compiled reader."""
    import aiohttp._websocket.reader_c  # noqa: F401  - the contest is not for its twin in Python
    from aiohttp import WSMsgType, web

    async def echo(request):
        ws = web.WebSocketResponse(compress=options.deflate, max_msg_size=MAX_SIZE)
        await ws.prepare(request)
        async for message in ws:
            if message.type == WSMsgType.TEXT:
                await ws.send_str(message.data)
            else:
                await ws.send_bytes(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    return runner


async def floor(options: Options) -> object:
    """What no server on asyncio can do without: it counts bytes, and answers with frames made
    beforehand, in the order in which the load generator sends them. It parses nothing."""
    answers, size = prepared(options)
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Floor(answers, size), HOST, 0)


class Floor(asyncio.BufferedProtocol):
    """A connection of the floor.

    Args:
        answers: every answer, one after the other, twice.
        size: bytes of one answer; four more with a masking key, as it comes in.
    """

    READ = memoryview(bytearray(256 * 1024))

    def __init__(self, answers: memoryview, size: int) -> None:
        self._answers = answers
        self._size = size
        self._count = len(answers) // size // 2
        self._received = 0  # bytes that have not made a whole frame
        self._next = 0
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.READ

    def buffer_updated(self, nbytes: int) -> None:
        if not self._open:
            self._upgrade(bytes(self.READ[:nbytes]))
            return
        if nbytes == 8 and self.READ[0] == 0x88:
            self._transport.write(b"\x88\x02\x03\xe8")
            self._transport.close()
            return
        frames, self._received = divmod(self._received + nbytes, self._size + 4)
        while frames:
            run = min(frames, self._count)
            begin = self._next * self._size
            self.answer(self._answers[begin : begin + run * self._size])
            self._next = (self._next + run) % self._count
            frames -= run

    def answer(self, frames: memoryview) -> None:
        """Send what is due for messages that have come."""
        self._transport.write(frames)

    def _upgrade(self, request: bytes) -> None:
        at = request.find(b"Sec-WebSocket-Key: ") + 19
        key = request[at : request.find(b"\r", at)]
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._open = True


def prepared(options: Options) -> tuple[memoryview, int]:
    """The payloads as frames of a server, twice over, and the size of one."""
    with open(options.payloads, "rb") as file:
        payloads = file.read()
    first = b"\x82" if options.binary else b"\x81"
    size = options.size
    if size < 126:
        header = first + bytes([size])
    elif size < 65536:
        header = first + b"\x7e" + size.to_bytes(2, "big")
    else:
        header = first + b"\x7f" + size.to_bytes(8, "big")
    frames = b"".join(header + payloads[i : i + size] for i in range(0, len(payloads), size))
    return memoryview(frames * 2), len(header) + size


SERVERS: dict[str, Start] = {
    "wsfast": wsfast,
    "wsfast-callbacks": wsfast_callbacks,
    "picows": picows,
    "picows-text": picows_text,
    "picows-websockets": picows_websockets,
    "websockets": websockets,
    "aiohttp": aiohttp,
    "floor": floor,
}


def _port(server: object) -> int:
    """The port of a Server of any of these libraries, or of an aiohttp runner."""
    if hasattr(server, "addresses"):
        return server.addresses[0][1]
    return next(iter(server.sockets)).getsockname()[1]


async def _serve(start: Start, options: Options) -> None:
    server = await start(options)
    print(_port(server), flush=True)
    await asyncio.get_running_loop().create_future()


def main(servers: dict[str, Start]) -> None:
    """Run one of the servers that the command line names, until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=servers)
    parser.add_argument("--loop", default="uvloop", choices=["uvloop", "asyncio"])
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--binary", action="store_true")
    parser.add_argument("--payloads")
    parser.add_argument("--size", type=int)
    options = parser.parse_args()
    logging.disable()  # a load that ends by hanging up is no news
    run = importlib.import_module("uvloop").run if options.loop == "uvloop" else asyncio.run
    run(_serve(servers[options.name], options))


if __name__ == "__main__":
    main(SERVERS)
