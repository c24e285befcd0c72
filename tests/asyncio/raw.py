"""Peers of a server that send what a test says, right or wrong, and show what comes back.

No code of wsfast: requests are texts, and frames are those of ``wires``.
"""

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from functools import cache

from wires import CLOSE, TEXT, frame

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the one of RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

UPGRADE = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def request(target="/", headers=UPGRADE, method="GET", **more):
    """A request; ``more`` headers are given with underscores."""
    fields = {**headers, **{name.replace("_", "-"): value for name, value in more.items()}}
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()


def page(target="/", method="GET", **more):
    """A request that wants no WebSocket."""
    return request(target, {"Host": "localhost"}, method, **more)


class Peer:
    """A TCP connection to a server: ``async with Peer(server) as peer``."""

    def __init__(self, server, *, tls=None, **options):
        self._address = server.sockets[0].getsockname()
        self._options = {"ssl": tls, **options}

    async def __aenter__(self):
        if isinstance(self._address, str):
            streams = await asyncio.open_unix_connection(self._address)
        else:
            if self._options["ssl"] is not None:
                self._options["server_hostname"] = "localhost"
            streams = await asyncio.open_connection(*self._address[:2], **self._options)
        self.reader, self.writer = streams
        return self

    async def __aexit__(self, *_):
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()

    def send(self, data):
        self.writer.write(data)

    async def open(self, target="/", **more):
        """Shake hands; answer the head of the 101."""
        self.send(request(target, **more))
        head = await self.head()
        assert head.status == 101, head
        return head

    async def head(self):
        """The head of a response."""
        return Head(await self.reader.readuntil(b"\r\n\r\n"))

    async def answer(self):
        """A whole response, and that the connection ends with it: its head and its body."""
        head = await self.head()
        return head, await self.reader.read()

    async def frame(self):
        """The next frame: its opcode and its payload."""
        first, length = await self.reader.readexactly(2)
        assert first & 0xF0 == 0x80
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        return first & 0xF, await self.reader.readexactly(length)

    async def close_code(self):
        """The code of the close frame that must come next."""
        opcode, payload = await self.frame()
        assert opcode == CLOSE
        return int.from_bytes(payload[:2], "big")

    def text(self, text):
        self.send(frame(True, TEXT, text.encode()))

    def close(self, code=1000):
        self.send(frame(True, CLOSE, code.to_bytes(2, "big")))

    async def ended(self):
        """Wait until the server has ended the connection, by whatever means."""
        with suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass

    def reset(self):
        """End the connection as a process does that is killed with unread data: by RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Head:
    """The status line and the headers of a response."""

    def __init__(self, wire):
        line, *fields = wire.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        self.version, status, self.phrase = line.split(" ", 2)
        self.status = int(status)
        self.headers = {}
        for name, value in (field.split(": ", 1) for field in fields):
            assert name.lower() not in self.headers
            self.headers[name.lower()] = value

    def __repr__(self):
        return f"{self.status} {self.phrase} {self.headers}"


@cache
def certificates():
    """TLS contexts for a server at localhost, and for a client that trusts it."""
    import trustme

    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(ours)
    authority.configure_trust(theirs)
    return ours, theirs
