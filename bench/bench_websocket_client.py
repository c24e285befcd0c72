"""websocket-client receiving texts in mixed languages from another process.

Three ways of running the same library, in one process and in interleaved rounds: as it is, with
wsaccel (where that is installed), and on wsfast. Each way is checked before it is timed; the ratios
are of medians.

    python bench/bench_websocket_client.py
"""

from __future__ import annotations

import importlib
import socket
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from types import ModuleType

from loopback import Server, accept, pin
from texts import text_of

from wsfast import Opcode, serialize_frame
from wsfast.integrations import websocket_client

ROUNDS = 7
# Bytes of a text, by its name in the table, and how many to time at once: plain, else.
SIZES = {"100 B": (100, 2_000, 5_000), "64 KiB": (65_536, 5, 300)}


def ratios() -> dict[str, float]:
    """Measure how many times faster wsfast makes the library."""
    found = {}
    for name, terms in SIZES.items():
        medians = {way: statistics.median(times) for way, times in measure(*terms).items()}
        patched = medians.pop("wsfast")
        for way, taken in medians.items():
            found[f"websocket-client, {name} texts: wsfast against {way}"] = taken / patched
    return found


def measure(size: int, few: int, many: int) -> dict[str, list[float]]:
    """Time one message, in seconds, for each way and round."""
    plain = load(wsaccel=False)
    with_wsaccel = load(wsaccel=True) if find_spec("wsaccel") else None
    use(plain)
    text = text_of("mixed", size)
    ways: dict[str, tuple[ModuleType, int]] = {"plain": (plain, few), "wsfast": (plain, many)}
    if with_wsaccel:
        ways["wsaccel"] = with_wsaccel, many // 3
    times: dict[str, list[float]] = {way: [] for way in ways}
    with Server(__file__, "flood", str(size)) as server:
        for _ in range(ROUNDS):
            for way, (library, count) in ways.items():
                if way == "wsfast":
                    assert websocket_client.patch()
                connection = library.create_connection(f"ws://127.0.0.1:{server.port}/")
                assert connection.recv() == text
                times[way].append(time_of(connection.recv, count))
                connection.shutdown()
                websocket_client.unpatch()
    return times


def time_of(receive: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        receive()
    return (time.perf_counter() - start) / count


def load(*, wsaccel: bool) -> ModuleType:
    """Import websocket-client once more, with or without wsaccel for it to find."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("websocket", "wsaccel")]:
        del sys.modules[name]
    if not wsaccel:
        sys.modules["wsaccel"] = None
    try:
        return importlib.import_module("websocket")
    finally:
        if not wsaccel:
            del sys.modules["wsaccel"]


def use(library: ModuleType) -> None:
    """Make this the ``websocket`` that a patch finds."""
    name = library.__name__
    sys.modules[name] = library
    for part in vars(library).values():
        if isinstance(part, ModuleType) and part.__name__.startswith(name + "."):
            sys.modules[part.__name__] = part


def flood(size: int) -> None:
    """Serve one client after the other: send as fast as it reads, until it leaves."""
    pin(-1)
    frames = serialize_frame(Opcode.TEXT, text_of("mixed", size)) * (1 + 200_000 // size)
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            with accept(server) as client, suppress(OSError):
                while True:
                    client.sendall(frames)


def main() -> None:
    """Print the ratios."""
    pin(0)
    for name, ratio in ratios().items():
        print(f"{name}: {ratio:.1f}x")


if __name__ == "__main__":
    if sys.argv[1:2] == ["flood"]:
        flood(int(sys.argv[2]))
    else:
        main()
