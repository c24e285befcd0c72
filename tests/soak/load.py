"""The load: peers without any code of wsfast, as many as are to be open, new ones for those gone.

``python load.py client PORT ...`` connects to wsfast's server at the port. ``python load.py server
0 ...`` prints the port that it listens at, for wsfast's clients, and ends when its standard input
does. Either prints what it has seen as one line of JSON. All that is random comes from the seed and
the number of a life; only who is quicker than whom does not.
"""

import argparse
import asyncio
import json
import random
import socket
import sys
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from lives import LIVES, Life
from peer import Peer

HOST = "127.0.0.1"
TOLD = 20  # failures that are told in full


class Load:
    """What all lives have in common, and what came of them."""

    def __init__(self, options, seen):
        self.seconds, self.seed = options.seconds, options.seed
        self.connections = options.connections
        self.pause = options.connections / options.rate
        self.lifetime = min(20, options.seconds / 5)
        self.stopping = asyncio.Event()
        self.lived = Counter()
        self.totals = Counter()
        self.failures = []
        self.late = 0.0  # seconds, the longest that this loop was behind
        self.failed = 0
        self.seen = seen
        self._numbers = count(1)

    async def watch(self):
        """See how late this loop is: the load must keep its own times to try wsfast's."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(0.5)
            self.late = max(self.late, loop.time() - began - 0.5)

    async def run(self, sock, *, masks):
        """Live a life on a socket."""
        number = next(self._numbers)
        rng = random.Random(f"{self.seed}/{number}")
        kind = rng.choices(list(LIVES), LIVES.values())[0]
        peer = Peer(sock, rng, masks=masks)
        life = Life(peer, number, kind, self)
        try:
            if masks:
                if rng.random() < 0.2:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
                await asyncio.get_running_loop().sock_connect(sock, self.address)
            await life.live()
        except Exception as exc:
            self._fail(life, exc)
        else:
            self.totals["asked_to_raise"] += kind == "make_it_raise"
            if life.seen is not None:
                print(life.number, life.seen, file=self.seen)
        self.lived[kind] += 1
        self.totals.update(sent=peer.sent, echoed=peer.echoed, pings=peer.pinged)
        if kind != "reset" and peer.sent != peer.echoed:
            self._fail(life, f"{peer.sent} messages sent, {peer.echoed} echoed")

    def _fail(self, life, what):
        self.failed += 1
        if len(self.failures) < TOLD:
            told = what if isinstance(what, str) else f"{type(what).__name__}: {what}"
            self.failures.append(f"life {life.number}, {life.kind} {life.detail}: {told}")

    def told(self):
        return {
            "lives": dict(self.lived.most_common()),
            **self.totals,
            "late": round(self.late, 2),
            "failed": self.failed,
            "failures": self.failures,
        }

    async def connect_to(self, port):
        """Keep the connections open until the time is up, and see the last ones through."""
        self.address = HOST, port

        async def one_after_the_other(delay):
            await asyncio.sleep(delay)
            while not self.stopping.is_set():
                await self.run(socket.socket(), masks=True)

        # Not all at the same moment: nobody has that many in the backlog.
        together = max(2, self.seconds / 60)
        slots = [
            one_after_the_other(together * i / self.connections) for i in range(self.connections)
        ]
        await asyncio.gather(*slots)

    async def listen(self, ended):
        """Serve whoever comes until ``ended`` is done, and see the last ones through."""
        loop, lives = asyncio.get_running_loop(), set()
        with socket.create_server((HOST, 0), backlog=1024) as listener:
            listener.setblocking(False)
            print(listener.getsockname()[1], flush=True)

            async def accept():
                while True:
                    sock, _ = await loop.sock_accept(listener)
                    life = asyncio.create_task(self.run(sock, masks=False))
                    lives.add(life)
                    life.add_done_callback(lives.discard)

            accepting = asyncio.create_task(accept())
            await ended
            accepting.cancel()
            with suppress(asyncio.CancelledError):
                await accepting
            await asyncio.gather(*lives)


async def main(options):
    loop = asyncio.get_running_loop()
    with open(options.seen, "w") as seen:
        load = Load(options, seen)
        loop.call_later(options.seconds, load.stopping.set)
        watching = asyncio.create_task(load.watch())
        if options.role == "client":
            await load.connect_to(options.port)
        else:
            await load.listen(loop.run_in_executor(None, sys.stdin.read))
        watching.cancel()
    print(json.dumps(load.told()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Peers for wsfast, good and bad.")
    parser.add_argument("role", choices=["client", "server"], help="what the peers are")
    parser.add_argument("port", type=int, help="of the server that is to be tried")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float, required=True, help="writes a second, of all")
    parser.add_argument("--seed", required=True)
    parser.add_argument("--seen", required=True, help="file for what wsfast must have seen")
    asyncio.run(main(parser.parse_args()))
