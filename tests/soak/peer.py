"""One end of a WebSocket on a bare socket, of either role, which says whatever it is told to say.

It writes frames and cuts them anywhere, reads what comes, and holds every echo against what was
sent. No code of wsfast; what is checked of frames are the rules that wsfast has to keep.
"""

import asyncio
import socket
import struct
import zlib
from collections import deque
from itertools import pairwise

from wires import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, header

RSV1 = 0x40
READ_SIZE = 1 << 16
PATIENCE = 120  # seconds, after which something that has to come will never come
NO_CODE = 1005

_TAIL = b"\x00\x00\xff\xff"  # RFC 7692 section 7.2.1


class WrongError(Exception):
    """wsfast did what it must not do, or did not do what it must."""


class Peer:
    """The end that the load plays. One task writes; another one, ``read``, reads.

    Attributes:
        masks: whether we are the client.
        expected: opcodes and payloads of messages whose echoes have not come.
        code: that of the close frame that came; NO_CODE for none in it; None before it came.
        ended: whether TCP has ended, and ``was_reset``, whether by RST.
        bite, delay: how many bytes are read at once, and the seconds to wait after that.
    """

    def __init__(self, sock, rng, *, masks):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.rng, self.masks = sock, rng, masks
        self.deflate = None
        self.expected = deque()
        self.waiting = 0  # bytes in it
        self.sent = self.echoed = self.pinged = 0
        self.code = None
        self.ended = self.was_reset = False
        self.bite, self.delay = READ_SIZE, 0.0
        self.buffer = bytearray()
        self._fragments = None  # opcode, RSV1 and payload so far
        self._pings = deque()  # payloads without a pong
        self._pongs = []  # owed
        self._wrong = None
        self._news = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._loop = asyncio.get_running_loop()

    # Writing

    async def write(self, wire):
        """Send bytes as they are, in as many pieces as chance will have it."""
        pieces = _cut(self.rng, wire)
        for piece in pieces:
            await self._loop.sock_sendall(self.sock, piece)
            # A turn of the loop, which may take long, for the other end to read meanwhile.
            if len(pieces) > 1 and self.rng.random() < 3 / len(pieces):
                await asyncio.sleep(0)

    def frame(self, opcode, payload=b"", *, fin=True, rsv=0, masked=None):
        """A frame; ``masked`` contrary to the role is a fault."""
        masked = self.masks if masked is None else masked
        head = header((FIN if fin else 0) | rsv | opcode, len(payload), masked)
        if not masked:
            return head + payload
        key = self.rng.randbytes(4)
        return head + key + combined(payload, key)

    def message(self, opcode, payload):
        """The frames of a message whose echo has to come: a ping may stand before each of them."""
        self.expected.append((opcode, payload))
        self.waiting += len(payload)
        self.sent += 1
        rsv = 0
        if self.deflate is not None and self.rng.random() < 0.7:
            payload, rsv = self.deflate.compress(payload), RSV1
        pieces = [payload]
        if self.rng.random() < 0.3:
            pieces = _cut_in(self.rng, payload, self.rng.randint(2, 9))
        frames = []
        for i, piece in enumerate(pieces):
            if self.rng.random() < 0.1:
                frames.append(self.ping())
            first = i == 0
            frames.append(
                self.frame(
                    opcode if first else CONTINUATION,
                    piece,
                    fin=i == len(pieces) - 1,
                    rsv=rsv if first else 0,
                )
            )
        return b"".join(frames)

    def ping(self):
        """A ping whose pong has to come."""
        payload = self.rng.randbytes(self.rng.choice([0, 4, 125]))
        self._pings.append(payload)
        self.pinged += 1
        return self.frame(PING, payload)

    def close(self, code, reason=""):
        """A close frame."""
        payload = b"" if code == NO_CODE else code.to_bytes(2, "big") + reason.encode()
        return self.frame(CLOSE, payload)

    def pongs(self):
        """What is owed to the pings that came."""
        wire = b"".join(self.frame(PONG, payload) for payload in self._pongs)
        self._pongs.clear()
        return wire

    # Reading

    async def read_head(self):
        """The head of the handshake, as lines; what follows it stays."""
        while b"\r\n\r\n" not in self.buffer:
            data = await self._loop.sock_recv(self.sock, READ_SIZE)
            if not data:
                raise WrongError(f"ended in the handshake, after {bytes(self.buffer)}")
            self.buffer += data
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        self.buffer = bytearray(rest)
        return head.decode("latin-1").split("\r\n")

    async def read(self):
        """Take what comes until it ends."""
        try:
            self._take()
            while True:
                await self._may_read.wait()
                data = await self._loop.sock_recv(self.sock, self.bite)
                if not data:
                    break
                self.buffer += data
                self._take()
                self._news.set()
                if self.delay:
                    await asyncio.sleep(self.delay)
        except ConnectionError:
            self.was_reset = True
        except Exception as exc:
            self._wrong = exc
        self.ended = True
        self._news.set()

    def pause_reading(self):
        self._may_read.clear()

    def resume_reading(self):
        self.bite, self.delay = READ_SIZE, 0.0
        self._may_read.set()

    def _take(self):
        while (found := self._next_frame()) is not None:
            first, payload = found
            if self.code is not None:
                raise WrongError(f"frame {first:#x} behind the close frame")
            opcode, fin, rsv = first & 0xF, first & FIN, first & 0x70
            if opcode == PING:
                self._pongs.append(payload)
            elif opcode == PONG:
                self._meet_pong(payload)
            elif opcode == CLOSE:
                self.code = int.from_bytes(payload[:2], "big") if payload else NO_CODE
            elif opcode in (TEXT, BINARY, CONTINUATION):
                self._meet_data(opcode, payload, fin, rsv)
            else:
                raise WrongError(f"opcode {opcode:#x}")
            if opcode >= CLOSE and (rsv or not fin or len(payload) > 125):
                raise WrongError(f"control frame {first:#x} of {len(payload)} bytes")

    def _next_frame(self):
        """The first byte and the payload of a frame that is there in whole."""
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        if bool(second & 0x80) is self.masks:
            raise WrongError("section 5.1: a client masks, a server does not")
        length, start = second & 0x7F, 2
        if length > 125:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start], "big")
        key = None
        if not self.masks:
            key, start = bytes(buffer[start : start + 4]), start + 4
        if len(buffer) < start + length:
            return None
        payload = bytes(buffer[start : start + length])
        del buffer[: start + length]
        return first, combined(payload, key) if key else payload

    def _meet_pong(self, payload):
        if not self._pings or self._pings.popleft() != payload:
            raise WrongError("a pong that answers no ping, or not in order")

    def _meet_data(self, opcode, payload, fin, rsv):
        if (opcode == CONTINUATION) is (self._fragments is None):
            raise WrongError(f"section 5.4: opcode {opcode:#x}")
        if self._fragments is not None:
            if rsv:
                raise WrongError(f"reserved bits {rsv:#x} in a continuation")
            opcode, rsv, before = self._fragments
            payload = before + payload
        if not fin:
            self._fragments = opcode, rsv, payload
            return
        self._fragments = None
        if rsv:
            if rsv != RSV1 or self.deflate is None:
                raise WrongError(f"reserved bits {rsv:#x}")
            payload = self.deflate.decompress(payload)
        if not self.expected:
            raise WrongError(f"a message of {len(payload)} bytes too many")
        wanted = self.expected.popleft()
        self.waiting -= len(wanted[1])
        if (opcode, payload) != wanted:
            raise WrongError(
                f"opcode {opcode} and {len(payload)} bytes came, where opcode {wanted[0]} and "
                f"{len(wanted[1])} bytes were sent, or other bytes of this number"
            )
        self.echoed += 1

    # Waiting

    def check(self):
        """Raise what ``read`` has found wrong."""
        if self._wrong is not None:
            raise self._wrong

    async def until(self, condition, what, *, seconds=PATIENCE, answering=True):
        """Wait for something to come, and answer pings meanwhile."""

        async def wait():
            while True:
                self.check()
                if condition():
                    return
                if self.ended:
                    raise WrongError(f"ended without {what}: close code {self.code}")
                if answering and self._pongs:
                    await self.write(self.pongs())
                self._news.clear()
                await self._news.wait()

        try:
            await asyncio.wait_for(wait(), seconds)
        except asyncio.TimeoutError:
            raise WrongError(f"no {what} within {seconds} s") from None

    async def until_echoed(self):
        """Wait until all that was sent has come back."""
        await self.until(
            lambda: not self.expected and not self._pings,
            "the echoes of all messages and the pongs to all pings",
        )

    # The end

    def set_linger(self):
        """From here on closing the socket is an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Deflate:
    """permessage-deflate, as it was agreed on in the handshake."""

    def __init__(self, *, bits, takeover, their_takeover):
        self._bits, self._takeover, self._their_takeover = bits, takeover, their_takeover
        self._compressor = self._decompressor = None

    def compress(self, payload):
        if self._compressor is None or not self._takeover:
            self._compressor = zlib.compressobj(1, zlib.DEFLATED, -self._bits)
        data = self._compressor.compress(payload) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(_TAIL)

    def decompress(self, payload):
        if self._decompressor is None or not self._their_takeover:
            self._decompressor = zlib.decompressobj(-15)
        return self._decompressor.decompress(payload + _TAIL)


def combined(data, key):
    """Section 5.3, at once where ``wires.naive_mask`` goes byte by byte."""
    repeated = (key * (len(data) // 4 + 1))[: len(data)]
    number = int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")
    return number.to_bytes(len(data), "little")


def _cut_in(rng, data, count):
    """So many pieces, which may be empty."""
    places = [0, *sorted(rng.randint(0, len(data)) for _ in range(count - 1)), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def _cut(rng, data):
    """Pieces for TCP: mostly one, or some, or very small ones."""
    chance = rng.random()
    if chance < 0.6:
        return [data]
    return _cut_in(rng, data, rng.randint(2, 6) if chance < 0.9 else rng.randint(20, 60))
