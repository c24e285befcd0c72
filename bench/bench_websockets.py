"""An echo server of websockets on asyncio, as it is and on wsfast.

Two servers, each in a process on the first core, and this process on the last one, with prebuilt
frames and no compression. They take turns, round after round, so that what the machine does
meanwhile hits both alike; each answer is checked. Two figures a row: the time of a message by the
clock, and the CPU time that the server spends on it. They agree where nothing else is running.

    python bench/bench_websockets.py
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from contextlib import closing

from loopback import Server, connect, exchange, pin
from texts import text_of

from wsfast import Opcode, serialize_frame

ROUNDS = 15
ROWS = {  # name: (bytes in a text, texts in flight, exchanges a round)
    "64 KiB texts": (64 * 1024, 1, 100),
    "100-byte texts, 32 in flight": (100, 32, 50),
}
KEY = b"\x37\xfa\x21\x3d"
CLOCK = "{:020.9f}"
WAYS = {"plain": (), "wsfast": ("-m", "wsfast", "run", "--")}


def ratios() -> dict[str, float]:
    """Measure how many times as fast wsfast makes the server."""
    found = {}
    for row, ways in measure().items():
        for i, what in enumerate(("by the clock", "in CPU time of the server")):
            plain, wsfast = ways["plain"], ways["wsfast"]
            name = f"websockets echo server, {row}, {what}"
            found[name] = statistics.median(p[i] / w[i] for p, w in zip(plain, wsfast, strict=True))
    return found


def measure() -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Time one message for each row, way and round: by the clock, and in CPU time, in seconds."""
    times: dict[str, dict[str, list[tuple[float, float]]]] = {
        row: {way: [] for way in WAYS} for row in ROWS
    }
    with (
        Server(*WAYS["plain"], __file__, "serve") as plain,
        Server(*WAYS["wsfast"], __file__, "serve") as wsfast,
        closing(Echo(plain.port)) as plain_end,
        closing(Echo(wsfast.port)) as wsfast_end,
    ):
        ends = {"plain": plain_end, "wsfast": wsfast_end}
        for _ in range(ROUNDS):
            for row, (size, in_flight, exchanges) in ROWS.items():
                for way, end in ends.items():
                    times[row][way].append(end.time(text_of("mixed", size), in_flight, exchanges))
    return times


class Echo:
    """A client of the echo server, and of the clock that it serves beside."""

    def __init__(self, port: int) -> None:
        self._end = connect(port)
        self._clock = connect(port, "/cpu-time")

    def close(self) -> None:
        self._end.close()
        self._clock.close()

    def time(self, text: str, in_flight: int, exchanges: int) -> tuple[float, float]:
        wire = serialize_frame(Opcode.TEXT, text, key=KEY) * in_flight
        answer = serialize_frame(Opcode.TEXT, text) * in_flight
        assert exchange(self._end, wire, len(answer)) == answer
        cpu, start = self._cpu_time(), time.perf_counter()
        for _ in range(exchanges):
            exchange(self._end, wire, len(answer))
        elapsed = time.perf_counter() - start
        messages = exchanges * in_flight
        return elapsed / messages, (self._cpu_time() - cpu) / messages

    def _cpu_time(self) -> float:
        ask = serialize_frame(Opcode.TEXT, "?", key=KEY)
        return float(exchange(self._clock, ask, 2 + len(CLOCK.format(0)))[2:])


async def serve() -> None:
    """Echo texts, or tell how much CPU time this process has taken."""
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def clock(connection: ServerConnection) -> None:
        async for _ in connection:
            await connection.send(CLOCK.format(time.process_time()))

    async def choose(connection: ServerConnection) -> None:
        assert connection.request
        await (clock if connection.request.path == "/cpu-time" else echo)(connection)

    pin(0)
    async with serve(choose, "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


def main() -> None:
    """Print the ratios."""
    pin(-1)
    for name, ratio in ratios().items():
        print(f"{name}: {ratio:.2f}x")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        main()
