"""uvicorn in this process, with a protocol class of its own or wsfast's, and raw peers of it.

No code of wsfast: requests are texts, frames are those of ``streams``.
"""

import asyncio
import struct
from contextlib import asynccontextmanager, suppress

from streams import CLOSE, FIN, TEXT, frame
from uvicorn import Config, Server

CLASSES = {
    "wsfast": "wsfast.integrations.uvicorn:WebSocketProtocol",
    "sansio": "websockets-sansio",
}
UPGRADE = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
ACCEPT_KEY = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # for that key: RFC 6455 section 1.3
PATIENCE = 5.0


def request(target="/", headers=UPGRADE, **more):
    """A request; ``more`` headers are given with underscores, and None leaves one out."""
    fields = {**headers, **{name.replace("_", "-"): value for name, value in more.items()}}
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return f"GET {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1")


def run(loop_kind, coroutine):
    """Run a coroutine on a loop of its own; nothing may be left that only the loop was told."""
    if loop_kind == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    untold = []
    loop.set_exception_handler(lambda loop, context: untold.append(context))
    try:
        answer = loop.run_until_complete(asyncio.wait_for(coroutine, 60))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    assert not untold
    return answer


@asynccontextmanager
async def serving(app, ws, **settings):
    """A server without the waits of ``Server.serve``; at the end all connections are aborted."""
    settings = {"lifespan": "off", "log_config": None, "ws_ping_interval": None} | settings
    config = Config(app, port=0, ws=CLASSES[ws], **settings)
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.on_tick(0)  # makes the default headers
    await server.startup()
    try:
        yield server
    finally:
        for listener in server.servers:
            listener.close()
        tasks = list(server.server_state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=0.2)
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=0.2)
            for task in left:
                task.cancel()
            await asyncio.gather(*left)
        await asyncio.sleep(0)


class Peer:
    """A TCP connection to a server."""

    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer

    @classmethod
    async def connect(cls, server, **options):
        address = server.servers[0].sockets[0].getsockname()
        if isinstance(address, str):
            return cls(server, *await asyncio.open_unix_connection(address, **options))
        return cls(server, *await asyncio.open_connection(*address[:2], **options))

    @property
    def connection(self):
        """The server's end, where it has but one."""
        (connection,) = self.server.server_state.connections
        return connection

    def send(self, data):
        self.writer.write(data)

    def text(self, text):
        self.send(frame(FIN | TEXT, text.encode(), masked=True))

    def close(self, code=1000, reason=""):
        payload = struct.pack("!H", code) + reason.encode()
        self.send(frame(FIN | CLOSE, payload, masked=True))

    async def ask(self, target="/", headers=UPGRADE, **more):
        """Send a request, and read the head of the answer."""
        self.send(request(target, headers, **more))
        return await self.head()

    async def open(self, target="/", **more):
        status, headers = await self.ask(target, **more)
        assert status == 101
        return headers

    async def head(self):
        """The status of a response, and its headers: pairs, with names in lower case."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        pairs = [line.split(": ", 1) for line in lines]
        return int(first.split(" ")[1]), [(name.lower(), value) for name, value in pairs]

    async def frame(self):
        """The next frame: its first byte, and its payload."""
        first, length = await self._exactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._exactly(8))
        return first, await self._exactly(length)

    async def receive(self):
        """The text of the next frame."""
        first, payload = await self.frame()
        assert first == FIN | TEXT
        return payload.decode()

    async def closed(self):
        """The close frame that comes next, and that the connection ends with it."""
        first, payload = await self.frame()
        assert first == FIN | CLOSE
        assert await self.rest() == b""
        return (struct.unpack("!H", payload[:2])[0], payload[2:].decode()) if payload else None

    async def rest(self):
        """All that comes until the connection ends."""
        received = b""
        with suppress(ConnectionError):
            while data := await asyncio.wait_for(self.reader.read(1 << 16), PATIENCE):
                received += data
        return received

    async def _exactly(self, size):
        return await asyncio.wait_for(self.reader.readexactly(size), PATIENCE)

    def abort(self):
        self.writer.transport.abort()


class Recording:
    """An application that accepts, remembers every event, and echoes until it is disconnected."""

    def __init__(self):
        self.events = []
        self.scope = None

    async def __call__(self, scope, receive, send):
        self.scope = scope
        self.events.append(await receive())
        await send({"type": "websocket.accept"})
        while True:
            event = await receive()
            self.events.append(event)
            if event["type"] == "websocket.disconnect":
                return
            await send(event | {"type": "websocket.send"})


def talk_to(app, talk, ws, loop_kind, **settings):
    """Serve an application, have one peer talk to it, and answer what ``talk`` does."""

    async def main():
        async with serving(app, ws, **settings) as server:
            peer = await Peer.connect(server)
            try:
                return await talk(peer)
            finally:
                peer.writer.close()

    return run(loop_kind, main())


# Events.

CONNECT = {"type": "websocket.connect"}
ACCEPT = {"type": "websocket.accept"}


def text(message):
    return {"type": "websocket.receive", "text": message}


def binary(message):
    return {"type": "websocket.receive", "bytes": message}


def disconnect(code, reason=None):
    event = {"type": "websocket.disconnect", "code": code}
    return event if reason is None else event | {"reason": reason}


def sending(*events):
    """An application that accepts, sends some events, and keeps the errors that it gets."""
    errors = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        for event in events:
            try:
                await send(event)
            except Exception as exc:
                errors.append(exc)
        await receive()

    app.errors = errors
    return app


async def until(condition):
    """Wait for what the other side does."""
    for _ in range(5_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come about")
