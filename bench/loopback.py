"""The other end of a benchmark on loopback: plain sockets, prebuilt frames, a core of its own."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import subprocess
import sys
from contextlib import suppress
from types import TracebackType

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


# What this process may use before it is pinned: its children would inherit the one core else.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []


def pin(index: int) -> None:
    """Keep this process on one of the cores that it may use: 0 is the first, -1 the last."""
    if CORES:
        os.sched_setaffinity(0, {CORES[index]})


def unpin() -> None:
    """Let this process run on all its cores again."""
    if CORES:
        os.sched_setaffinity(0, CORES)


class Server:
    """A Python program in another process that prints its port when it is ready."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, text=True, preexec_fn=unpin
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()


def connect(port: int, path: str = "/") -> socket.socket:
    """Open a WebSocket connection without extensions."""
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(
        b"GET " + path.encode() + b" HTTP/1.1\r\n"
        b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    read_head(client)
    return client


def accept(server: socket.socket) -> socket.socket:
    """Take the next WebSocket connection, without extensions."""
    client, _ = server.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = read_head(client).split(b"\r\n")
    key = next(
        line[18:].strip() for line in lines if line.lower().startswith(b"sec-websocket-key:")
    )
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: "
        + base64.b64encode(hashlib.sha1(key + GUID).digest())
        + b"\r\n\r\n"
    )
    return client


def read_head(end: socket.socket) -> bytes:
    """Read a request or a response up to the blank line, and not a byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += end.recv(1)
    return head


def exchange(end: socket.socket, wire: bytes, size: int) -> bytes:
    """Send all of ``wire``, and read ``size`` bytes, both at once and without ever sleeping.

    The other end would have to wake a sleeper, and its time is what is measured.
    """
    end.setblocking(False)
    to_send = memoryview(wire)
    received = bytearray(size)
    room = memoryview(received)
    while room:
        with suppress(BlockingIOError):
            if to_send:
                to_send = to_send[end.send(to_send) :]
        with suppress(BlockingIOError):
            room = room[end.recv_into(room) :]
    return bytes(received)
