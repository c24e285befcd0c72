"""wsproto alone, without sockets: masked texts off the wire, to its events.

It is patched and put back for every turn, in one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median
from time import perf_counter

import wsfast
from wsfast import Opcode, masking_key, serialize_frame

from .cases import mixed

READ = 65536
ROUNDS = 15
# The size of a text, how many of them, and how many times as fast it should be.
TRAFFIC = {"100 B": (100, 2000, 8), "64 KiB": (65536, 16, 4)}


def wsproto_ratios() -> Iterator[tuple[str, float, float]]:
    """Measure; answers the traffic, the ratio, and what was hoped for."""
    for traffic, (size, count, hoped) in TRAFFIC.items():
        payloads = [mixed(i, size) for i in range(count)]
        wire = b"".join(
            serialize_frame(Opcode.TEXT, payload, key=masking_key()) for payload in payloads
        )
        texts = [payload.decode() for payload in payloads]
        ways = {"plain": partial(_time, wire, texts), "wsfast": partial(_patched, wire, texts)}
        times = [{way: run() for way, run in ways.items()} for _ in range(ROUNDS)]
        yield traffic, median(turn["plain"] / turn["wsfast"] for turn in times), hoped


def _patched(wire: bytes, texts: list[str]) -> float:
    assert wsfast.patch("wsproto")
    try:
        return _time(wire, texts)
    finally:
        wsfast.unpatch("wsproto")


def _time(wire: bytes, texts: list[str]) -> float:
    from wsproto.connection import Connection, ConnectionType

    connection = Connection(ConnectionType.SERVER)
    reads = [wire[i : i + READ] for i in range(0, len(wire), READ)]
    received = []
    start = perf_counter()
    for read in reads:
        connection.receive_data(read)
        for event in connection.events():
            received.append(event)
    taken = perf_counter() - start
    assert _joined(received) == texts
    return taken


def _joined(events: list) -> list[str]:
    """The messages that these events are parts of."""
    texts, parts = [], []
    for event in events:
        parts.append(event.data)
        if event.message_finished:
            texts.append("".join(parts))
            parts = []
    return texts
