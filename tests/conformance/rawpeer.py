"""An echo of wsfast, as server and as client, and at the other end nothing but bytes."""

import asyncio
import base64
import contextlib
import hashlib
import re
import socket

from wires import CONTINUATION, FIN, KEY, header

ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3

REQUEST = (
    b"GET / HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)

RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\n"
    b"\r\n"
)

LARGEST = 16 << 20  # bytes


def combined(data, key):
    """Section 5.3, at once where ``wires.naive_mask`` goes byte by byte."""
    repeated = (key * (len(data) // 4 + 1))[: len(data)]
    number = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(data), "big")


def wire_of(masked, opcode, payload, fragment_size=None):
    """A message, whole or in fragments of this size."""
    wire, step = bytearray(), fragment_size or len(payload) or 1
    for start in range(0, len(payload) or 1, step):
        piece = payload[start : start + step]
        fin = FIN if start + step >= len(payload) else 0
        wire += header(fin | (CONTINUATION if start else opcode), len(piece), masked)
        wire += KEY + combined(piece, KEY) if masked else piece
    return bytes(wire)


class RawPeer:
    """The end that the test plays, on a bare socket: streams forget what came before a reset."""

    def __init__(self, sock, masked):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.masked = sock, masked
        self.buffer = bytearray()
        self.loop = asyncio.get_running_loop()

    async def send(self, chunks):
        """Write the chunks, each with a call of its own, or those that the other end stays for."""
        with contextlib.suppress(ConnectionError):
            for chunk in chunks:
                await self.loop.sock_sendall(self.sock, chunk)

    async def read_until(self, mark):
        """All bytes up to the mark, and the mark."""
        while mark not in self.buffer:
            await self.read_more()
        return await self.read(self.buffer.index(mark) + len(mark))

    async def read(self, size):
        """Just so many bytes."""
        while len(self.buffer) < size:
            await self.read_more()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    async def read_more(self):
        data = await self.loop.sock_recv(self.sock, 1 << 18)
        if not data:
            raise EOFError(f"the connection ended after {bytes(self.buffer[:1000])}")
        self.buffer += data

    async def receive(self):
        """The opcode and the payload of the next message or control frame."""
        opcode, payload, last = None, b"", False
        while not last:
            first, second = await self.read(2)
            length, masked = second & 0x7F, bool(second & 0x80)
            assert masked is not self.masked, "section 5.1: a client masks, a server does not"
            if length > 125:
                length = int.from_bytes(await self.read(2 if length == 126 else 8), "big")
            key = await self.read(4) if masked else None
            piece = await self.read(length)
            payload += combined(piece, key) if masked else piece
            assert (first & 0x0F == CONTINUATION) is (opcode is not None), "section 5.4"
            opcode = opcode or first & 0x0F
            last = first & FIN
        return opcode, payload

    async def receive_until(self, enough):
        """All that comes, until ``enough`` says so of what has come."""
        received = []
        while not enough(received):
            received.append(await self.receive())
        return received


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@contextlib.asynccontextmanager
async def echoing_server():
    """A ``RawPeer`` that is connected to wsfast's server."""
    from wsfast.asyncio import serve

    async with serve(echo, "127.0.0.1", 0, max_size=LARGEST, ping_interval=None) as server:
        with socket.create_connection(server.sockets[0].getsockname()) as sock:
            peer = RawPeer(sock, masked=True)
            await peer.send([REQUEST])
            response = await peer.read_until(b"\r\n\r\n")
            assert response.startswith(b"HTTP/1.1 101 ")
            yield peer


@contextlib.asynccontextmanager
async def echoing_client():
    """A ``RawPeer`` that wsfast's client is connected to."""
    from wsfast.asyncio import connect
    from wsfast.exceptions import ConnectionClosed

    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        accepting = asyncio.create_task(accepted(listener))
        async with connect(f"ws://{host}:{port}/", max_size=LARGEST, ping_interval=None) as ws:
            peer = await accepting
            echoes = asyncio.create_task(echo(ws))
            with peer.sock:
                yield peer
            with contextlib.suppress(ConnectionClosed):
                await echoes


async def accepted(listener):
    """The next client, its handshake answered."""
    listener.setblocking(False)
    sock, _ = await asyncio.get_running_loop().sock_accept(listener)
    peer = RawPeer(sock, masked=False)
    request = await peer.read_until(b"\r\n\r\n")
    key = re.search(rb"(?i)Sec-WebSocket-Key: *(\S+)", request)[1]
    await peer.send([RESPONSE % base64.b64encode(hashlib.sha1(key + ACCEPT_GUID).digest())])
    return peer
