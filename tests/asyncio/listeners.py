"""Foreign peers on loopback: websockets' server, proxies, and servers that misbehave."""

import asyncio
import socket
import ssl
import struct
from contextlib import asynccontextmanager, suppress
from functools import lru_cache

import trustme
from websockets.asyncio.server import serve

from wsfast.protocol.upgrade_h1 import accept_key

HOST = "127.0.0.1"


@lru_cache(maxsize=1)
def authority():
    return trustme.CA()


@lru_cache
def server_context(name="localhost"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(name, HOST).configure_cert(context)
    return context


@lru_cache(maxsize=1)
def client_context():
    """Trusts the certificates of ``server_context``."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def url(port, path="/", scheme="ws"):
    return f"{scheme}://{HOST}:{port}{path}"


async def without_a_connection(connector):
    """Go through a loop that never gets to its body."""
    async for _ws in connector:
        raise AssertionError("a connection was made")


def resolving(monkeypatch, *addresses):
    """Let every name have these addresses; gives the names that are looked up."""
    looked_up = []

    async def getaddrinfo(host, port, **options):
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        if not host.removesuffix(".").endswith(".test"):  # uvloop resolves addresses, too
            return [(*kind, (host, port))]
        looked_up.append(host)
        return [(*kind, address) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    return looked_up


@asynccontextmanager
async def listening(serve_one, **options):
    """Call ``serve_one(reader, writer)`` for each connection; gives the port."""
    tasks = set()

    async def serve_and_close(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            # Cancelled below; asyncio's streams take a task that says so for broken.
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await serve_one(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve_and_close, HOST, 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def reset(writer):
    """End a connection as a process does that is killed with unread data: by RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def echoing(**options):
    """An echo server of the library websockets; gives its port, and whom it has served."""
    served = []

    async def echo(ws):
        served.append(ws)
        async for message in ws:
            await ws.send(message)

    options = {"ping_interval": None, "compression": None, **options}
    async with serve(echo, HOST, 0, **options) as server:
        yield server.sockets[0].getsockname()[1], served


def switching(head):
    """The 101 that belongs to the head of a request."""
    key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()


def upgrading(more):
    """Serve a good 101 and ``more`` in one write, and keep the connection open."""

    async def serve_one(reader, writer):
        writer.write(switching(await reader.readuntil(b"\r\n\r\n")) + more)
        await reader.read()

    return serve_one


class Silence:
    """Serves nothing at all, and tells when somebody has come, and gone."""

    def __init__(self):
        self.came = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, reader, writer):
        self.came.set()
        try:
            while await reader.read(1 << 16):
                pass
        finally:
            self.gone.set()


class Answer(Silence):
    """Serves one answer, whatever is asked, and keeps the connection open."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    async def __call__(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer)
        await super().__call__(reader, writer)


async def relay(reader, writer, host, port):
    """Carry bytes both ways between a connection and another that is opened for it."""
    there_reader, there_writer = await asyncio.open_connection(host, port)
    try:
        await asyncio.gather(_carry(reader, there_writer), _carry(there_reader, writer))
    finally:
        there_writer.transport.abort()


async def _carry(reader, writer):
    try:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
    finally:
        writer.transport.abort()


class HttpProxy:
    """Does what CONNECT asks, and keeps the heads of the requests."""

    def __init__(self, answer=b"HTTP/1.1 200 Connection established\r\n\r\n"):
        self.answer = answer
        self.asked = []

    async def __call__(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        target = head.split()[1]
        for at in range(len(self.answer)):  # byte by byte
            writer.write(self.answer[at : at + 1])
            await writer.drain()
        if self.answer.startswith(b"HTTP/1.1 2"):
            host, _, port = target.rpartition(":")
            await relay(
                reader,
                writer,
                HOST if host.rstrip(".").endswith(".test") else host.strip("[]"),
                port,
            )
        else:
            await reader.read()


class SocksProxy:
    """Speaks as much of SOCKS 4a and 5 (RFC 1928, 1929) as is needed, and keeps the hosts."""

    def __init__(self, reply=0, credentials=None):
        self.reply = reply
        self.credentials = credentials
        self.asked = []

    async def __call__(self, reader, writer):
        version = (await reader.readexactly(1))[0]
        host, port = await (self.read_4 if version == 4 else self.read_5)(reader, writer)
        self.asked.append(host)
        if version == 4:
            writer.write(bytes([0, self.reply or 90]) + bytes(6))
        else:
            writer.write(bytes([5, self.reply, 0, 1]) + bytes(6))
        if not self.reply:
            await relay(reader, writer, HOST if host.endswith(".test") else host, port)

    async def read_4(self, reader, writer):
        head = await reader.readexactly(7)
        await reader.readuntil(b"\0")
        host = ".".join(map(str, head[3:]))
        if host.startswith("0.0.0."):
            host = (await reader.readuntil(b"\0"))[:-1].decode()
        return host, int.from_bytes(head[1:3], "big")

    async def read_5(self, reader, writer):
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(bytes([5, 2 if self.credentials else 0]))
        if self.credentials:
            await reader.readexactly(1)
            given = tuple([await self.read_text(reader) for _ in range(2)])
            writer.write(bytes([1, given != self.credentials]))
        kind = (await reader.readexactly(4))[3]
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            host = await self.read_text(reader)
        return host, int.from_bytes(await reader.readexactly(2), "big")

    async def read_text(self, reader):
        return (await reader.readexactly((await reader.readexactly(1))[0])).decode()
