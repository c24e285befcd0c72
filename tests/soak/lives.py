"""The lives of connections: how each is opened, what is said in it, and how it ends.

A life is played by a ``Peer`` in either role. It returns normally if wsfast did what it had to, and
``Life.seen`` is then what wsfast must have seen of it: a close code, the name of an exception
that ``connect`` raised, or None where that is for chance to decide.
"""

import asyncio
import itertools

import faults
import payloads
from handshakes import answer, ask, new_key, read_request, request, response
from peer import NO_CODE, PATIENCE, WrongError
from terms import CLOSE_COMMAND, MAX_SIZE, RAISE_COMMAND, times
from wires import PONG, TEXT

ABNORMAL = 1006
MUCH = 2 << 20  # bytes without an echo, beyond which a peer waits

# How often each is lived. The first are ends of an open connection, the others know no such thing.
OPEN_LIVES = {
    "close": 20,
    "be_closed": 12,
    "close_both": 4,
    "leave_unanswered": 3,
    "make_it_raise": 3,
    "break_a_rule": 18,
    "reset": 18,
    "vanish": 6,
    "fall_mute": 3,
    "go_deaf": 3,
}
HANDSHAKES = {"reset_the_handshake": 5, "leave_it_unfinished": 4, "get_it_wrong": 4}
LIVES = OPEN_LIVES | HANDSHAKES


class Life:
    """One connection.

    Args:
        peer: who lives it.
        number: of the life; a client tells it in its request, a server reads it there.
        kind: one of LIVES.
        load: what the lives have in common: ``lifetime`` and ``pause``, both means in seconds,
            ``seconds`` of the run, and ``stopping``, an asyncio.Event.
    """

    def __init__(self, peer, number, kind, load):
        self.peer, self.number, self.kind, self.load = peer, number, kind, load
        self.rng = peer.rng
        self.times = times(load.seconds)
        self.seen = None
        self.detail = ""
        self.compressed = self.rng.random() < 0.25
        self._headers = {}
        self._reader = None

    async def live(self):
        """From the first byte to the last."""
        peer = self.peer
        try:
            if not peer.masks:
                self.number, self._headers = await read_request(peer)
            if self.kind in HANDSHAKES:
                await getattr(self, self.kind)()
                return
            await self._open()
            self._reader = asyncio.create_task(peer.read())
            await self._converse()
            await getattr(self, self.kind)()
            peer.check()
        finally:
            if self._reader is not None:
                self._reader.cancel()
                await asyncio.gather(self._reader, return_exceptions=True)
            peer.sock.close()

    async def _open(self):
        peer = self.peer
        first = self._few_words() if self.rng.random() < 0.3 else b""
        if peer.masks:
            await ask(peer, self.number, compressed=self.compressed, behind=first)
        else:
            await peer.write(answer(peer, self._headers) + first)

    # What is said.

    async def _converse(self):
        loop = asyncio.get_running_loop()
        until = loop.time() + self.rng.expovariate(1 / self.load.lifetime)
        while loop.time() < until and not self.load.stopping.is_set():
            if self.rng.random() < 0.04:
                await self._read_slowly()
            else:
                await self._say(self.rng.randint(1, 6))
            # Who is silent for longer is taken for dead.
            longest = min(3 * self.load.pause, self.times["ping_timeout"] / 4)
            await asyncio.sleep(min(self.rng.expovariate(1 / self.load.pause), longest))
            self._check_alive()

    def _check_alive(self):
        self.peer.check()
        if self.peer.ended or self.peer.code is not None:
            raise WrongError(f"the connection ended of itself; close code {self.peer.code}")

    async def _say(self, count):
        peer = self.peer
        wires = [peer.pongs(), *self._messages(count)]
        if self.rng.random() < 0.2:
            wires.append(peer.ping())
        if self.rng.random() < 0.1:
            wires.append(peer.frame(PONG, b"nobody asked"))
        if self.rng.random() < 0.5:
            wires = [b"".join(wires)]
        for wire in wires:
            await peer.write(wire)
        await peer.until(lambda: peer.waiting <= MUCH, "echoes of much that was sent")

    def _few_words(self):
        return self._words(100, self.rng.randint(0, 3))

    def _many_words(self, size):
        return self._words(size, self.rng.randint(1, 12))

    def _words(self, size, count):
        messages = (payloads.message(self.rng, size) for _ in range(count))
        return b"".join(self.peer.message(*message) for message in messages)

    def _messages(self, count):
        # What cannot be compressed becomes larger, and the limit is for both sizes.
        largest = MAX_SIZE if self.peer.deflate is None else MAX_SIZE * 7 // 8
        for _ in range(count):
            size = payloads.size(self.rng, largest)
            yield self.peer.message(*payloads.message(self.rng, size))

    async def _read_slowly(self):
        """Read little or nothing for a while, although much is coming."""
        peer, rng = self.peer, self.rng
        if rng.random() < 0.5:
            peer.pause_reading()
        else:
            peer.bite, peer.delay = 2048, 0.02
        writing = asyncio.create_task(peer.write(self._many_words(40_000)))
        await asyncio.wait([writing], timeout=rng.uniform(0.2, 2))
        peer.resume_reading()
        await writing
        await peer.until_echoed()

    # How it ends.

    async def close(self):
        """We begin to close, perhaps with messages on their way."""
        code = self.rng.choice([1000, 1000, 1001, 3000, 4999, NO_CODE])
        await self.peer.until_echoed()
        last = self._few_words()
        reason = "" if code == NO_CODE else self.rng.choice(["", "so long", "ausgeschöpft"])
        await self.peer.write(last + self.peer.close(code, reason))
        await self._closed_with(code)
        await self._ends_in_order()
        self.seen = code

    async def be_closed(self):
        """wsfast begins to close, since we ask it to."""
        code = self.rng.choice([1000, 1001, 1008, 3456, NO_CODE])
        await self._say(1)
        await self._command(f"{CLOSE_COMMAND}{code}")
        await self._closed_with(code)
        await self.peer.write(self.peer.close(code))
        await self._ends_in_order()
        self.seen = code

    async def close_both(self):
        """Both begin to close, at about the same time."""
        await self.peer.until_echoed()
        command = self.peer.frame(TEXT, f"{CLOSE_COMMAND}4001".encode())
        await self.peer.write(command + self.peer.close(4002))
        await self._closed_with(4001, 4002)
        await self._ends_in_order()
        self.seen = 4002

    async def leave_unanswered(self):
        """wsfast begins to close, and we do not follow."""
        await self._command(f"{CLOSE_COMMAND}1000")
        await self._closed_with(1000)
        await self._ends()
        self.seen = ABNORMAL

    async def make_it_raise(self):
        """The handler of wsfast fails."""
        await self._command(RAISE_COMMAND)
        await self._closed_with(1011)
        await self.peer.write(self.peer.close(1011))
        await self._ends_in_order()
        self.seen = 1011

    async def break_a_rule(self):
        """Any fault; what was said before it is echoed before the close frame comes."""
        await self.peer.until_echoed()
        said = self._few_words()
        self.detail, wire, code = faults.fault(self.peer)
        more = payloads.junk(self.rng, self.rng.choice([0, 0, 10, 100_000]))
        await self.peer.write(said + wire + more)
        await self._closed_with(code)
        await self._ends_in_order()
        self.seen = ABNORMAL

    async def reset(self):
        """RST, at any moment."""
        peer, rng = self.peer, self.rng
        how = rng.choice(["between", "inside a frame", "unread", "closing", "closed"])
        self.detail = how
        self.seen = ABNORMAL
        if how == "inside a frame":
            wire = peer.message(*payloads.message(rng, payloads.size(rng)))
            await peer.write(wire[: rng.randint(1, len(wire) - 1)])
        elif how == "unread":
            peer.pause_reading()
            writing = asyncio.create_task(peer.write(self._many_words(60_000)))
            await asyncio.wait([writing], timeout=rng.uniform(0, 1))
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        elif how == "closing":
            await peer.write(peer.close(1000))
            self.seen = None
        elif how == "closed":
            await self._command(f"{CLOSE_COMMAND}1000")
            await self._closed_with(1000)
        peer.set_linger()

    async def vanish(self):
        """FIN without a close frame, perhaps inside a frame."""
        peer = self.peer
        await peer.until_echoed()
        if self.rng.random() < 0.5:
            await peer.write(peer.frame(TEXT, b"never told in whole")[:-4])
        peer.sock.shutdown(1)
        await self._ends_in_order()
        if peer.code is not None:
            raise WrongError(f"close code {peer.code} for one who has left")
        self.seen = ABNORMAL

    async def fall_mute(self):
        """Read on, and never say a word again."""
        peer = self.peer
        await peer.until_echoed()
        await peer.until(lambda: peer.code is not None, "close frame", answering=False)
        await self._closed_with(1011)
        await self._ends_in_order()
        self.seen = ABNORMAL

    async def go_deaf(self):
        """Neither read nor write, as one whose cable was pulled."""
        peer = self.peer
        await peer.until_echoed()
        peer.pause_reading()
        needed = ("ping_interval", "ping_timeout", "close_timeout")
        await asyncio.sleep(sum(self.times[name] for name in needed) + 1)
        peer.resume_reading()
        await self._closed_with(1011)
        await self._ends()
        self.seen = ABNORMAL

    async def _command(self, text):
        await self.peer.until_echoed()
        await self.peer.write(self.peer.frame(TEXT, text.encode()))

    async def _closed_with(self, *codes):
        peer = self.peer
        await peer.until(lambda: peer.code is not None, "close frame", answering=False)
        if peer.code not in codes:
            raise WrongError(f"closed with {peer.code}, and not with {codes}")
        if peer.expected:
            raise WrongError(f"closed with {len(peer.expected)} messages left without an echo")

    async def _ends_in_order(self):
        """TCP ends; where wsfast is the client, it waits for us to end it (section 7.1.1)."""
        if self.peer.masks or self.peer.code is None:
            await self._ends()
            if self.peer.was_reset:
                raise WrongError("reset, and not ended in order")

    async def _ends(self):
        peer = self.peer
        await peer.until(lambda: peer.ended, "end of TCP", answering=False)

    # Lives that know no open connection.

    async def reset_the_handshake(self):
        peer = self.peer
        wire = self._handshake()
        await peer.write(wire[: self.rng.choice([0, 1, self.rng.randint(0, len(wire)), len(wire)])])
        peer.set_linger()

    async def leave_it_unfinished(self):
        """Say a part, or one byte after the other, until wsfast gives us up."""
        peer, loop = self.peer, asyncio.get_running_loop()
        wire = self._handshake()[: self.rng.randint(0, 100)]
        step = len(wire) if self.rng.random() < 0.5 else 1
        slow = self.times["open_timeout"] / 20
        reading = asyncio.create_task(asyncio.wait_for(loop.sock_recv(peer.sock, 100), PATIENCE))
        try:
            for start in itertools.count(0, max(step, 1)):
                await peer.write(wire[start : start + step])
                await asyncio.wait([reading], timeout=slow)
                if reading.done() or start >= len(wire):
                    break
        except ConnectionError:
            pass  # given up in the middle of it
        try:
            if await reading:
                raise WrongError("an answer to half a handshake")
        except ConnectionError:
            pass
        except asyncio.TimeoutError:
            raise WrongError("not given up within open_timeout") from None
        self.seen = None if peer.masks else "TimeoutError"

    async def get_it_wrong(self):
        peer, key = self.peer, new_key(self.rng)
        if not peer.masks:
            wrong = self.rng.choice(
                [
                    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
                    response("of another client"),
                    b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
                    response(self._headers["Sec-WebSocket-Key"], "unknown-extension"),
                ]
            )
            await peer.write(wrong)
            self.seen = "HandshakeError"
            return
        status, wrong = self.rng.choice(
            [
                ("426", request(self.number, key, version="12")),
                ("405", request(self.number, key, method="POST")),
                ("400", request(self.number, "no key")),
                ("400", b"\x16\x03\x01\x02\x00\r\n\r\n"),
                ("414", b"GET /" + b"x" * 100_000),
            ]
        )
        await peer.write(wrong)
        line, *_ = await peer.read_head()
        if line.split()[1] != status:
            raise WrongError(f"{line!r}, and not {status}")
        self._reader = asyncio.create_task(self._read_the_rest())
        await self._reader

    async def _read_the_rest(self):
        loop = asyncio.get_running_loop()
        while await asyncio.wait_for(loop.sock_recv(self.peer.sock, 1 << 16), PATIENCE):
            pass

    def _handshake(self):
        if self.peer.masks:
            return request(self.number, new_key(self.rng))
        return response(self._headers["Sec-WebSocket-Key"])
