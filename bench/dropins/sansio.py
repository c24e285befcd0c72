"""wsproto alone, without sockets: masked texts off the wire, to its events.

It is patched and unpatched for every turn, in one process. The messages are compared in a turn of
their own, beforehand; in the timed turns each is dropped as it comes, as a server would do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

from wsproto.connection import Connection, ConnectionType

import wsfast
from wsfast import Opcode, masking_key, serialize_frame

from .cases import mixed

READ = 65536
ROUNDS = 15
# The size of a text, how many of them, and how many times as fast it should be.
TRAFFIC = {"100 B": (100, 2000, 8), "64 KiB": (65536, 16, 4)}


def wsproto_ratios() -> Iterator[tuple[str, float, float]]:
    """Measure; yields the traffic, the ratio, and the ratio that was hoped for."""
    for traffic, (size, count, hoped) in TRAFFIC.items():
        payloads = [mixed(i, size) for i in range(count)]
        wire = b"".join(
            serialize_frame(Opcode.TEXT, payload, key=masking_key()) for payload in payloads
        )
        reads = [wire[i : i + READ] for i in range(0, len(wire), READ)]
        texts = [payload.decode() for payload in payloads]
        ways = {"plain": partial(_time, reads), "wsfast": partial(_on_wsfast, _time, reads)}
        assert _texts(reads) == _on_wsfast(_texts, reads) == texts
        times = [{way: run() for way, run in ways.items()} for _ in range(ROUNDS)]
        yield traffic, median(turn["plain"] / turn["wsfast"] for turn in times), hoped


def _on_wsfast(function: Callable[[list[bytes]], Any], reads: list[bytes]) -> Any:
    assert wsfast.patch("wsproto")
    try:
        return function(reads)
    finally:
        wsfast.unpatch("wsproto")


def _time(reads: list[bytes]) -> float:
    """Seconds that it takes to receive all of it."""
    events = _events(reads)
    start = perf_counter()
    deque(events, maxlen=0)
    return perf_counter() - start


def _texts(reads: list[bytes]) -> list[str]:
    """The messages that the events are parts of."""
    texts, parts = [], []
    for event in _events(reads):
        parts.append(event.data)
        if event.message_finished:
            texts.append("".join(parts))
            parts = []
    return texts


def _events(reads: list[bytes]) -> Iterator[Any]:
    connection = Connection(ConnectionType.SERVER)
    for read in reads:
        connection.receive_data(read)
        yield from connection.events()
