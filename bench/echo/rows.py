"""What is measured: the rows of the contest, and the messages that they send."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from texts import text_of

WSFAST = ("wsfast", "wsfast-callbacks")
FLOOR = "floor"
BASE = "-base"  # what follows the name of a server that runs on the base's wsfast
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        mode: what the load generator does: echo, handshake, idle or broadcast.
        servers: those that take part, by their names in servers.py, or rooms.py for broadcast.
        batch: whether ``in_flight`` messages are sent when all that were sent before are back; else
            each that is back makes room for one more.
        payload: makes message number i, of exactly ``size`` bytes.
        opening: options of the load generator that say how to open a connection.
        messages: how many different messages there are.
    """

    title: str
    servers: tuple[str, ...]
    mode: str = "echo"
    size: int = 100
    connections: int = 1
    in_flight: int = 1
    messages: int = 256
    payload: Callable[[int, int], bytes] = lambda i, size: _text("ascii", i, size)
    binary: bool = False
    deflate: bool = False
    batch: bool = False
    opening: tuple[str, ...] = ()

    def payloads(self) -> bytes:
        """All messages, one after the other; no two are alike."""
        made = [self.payload(i, self.size) for i in range(self.messages)]
        assert len(set(made)) == len(made)
        assert {len(payload) for payload in made} == {self.size}
        return b"".join(made)


def base_of(name: str) -> str:
    """The same server, on the same loop, with the base's wsfast."""
    server, at, loop = name.partition("@")
    return f"{server}{BASE}{at}{loop}"


def floor_of(name: str) -> str:
    """The floor of the loop that a server runs on."""
    _, at, loop = name.partition("@")
    return f"{FLOOR}{at}{loop}"


def _text(name: str, i: int, size: int) -> bytes:
    number = f"{i:06} "
    return (number + text_of(name, size - len(number))).encode()


def _json(i: int, size: int) -> bytes:
    """A document as an interface of events sends it: keys that come again, values that do not."""
    items = [
        {"id": i * 1000 + n, "user": f"user{i * 37 % 101}", "price": (i * 79 + n * 104) % 997 / 10}
        for n in range(size // 50)
    ]
    while True:
        document = json.dumps({"type": "update", "sequence": i, "items": items})
        if len(document) <= size:
            return document.encode().ljust(size)
        items.pop()


def _room(members: int) -> Row:
    return Row(
        f"1 message of 100 B after the other to {members:,} connections",
        ("wsfast", "websockets", "picows", FLOOR),
        mode="broadcast",
        connections=members,
        messages=16,
    )


ROWS = {
    "pipelined": Row(
        "1 connection, 100 messages of 100 B in flight",
        (*WSFAST, "picows", "websockets", "uwebsockets", FLOOR),
        in_flight=100,
    ),
    "round-trip": Row(
        "1 connection, 1 message of 100 B in flight",
        (*WSFAST, "picows", "uwebsockets", FLOOR),
    ),
    "many": Row(
        "200 connections, 1 message of 100 B in flight on each",
        (*WSFAST, "picows", "uwebsockets", FLOOR),
        connections=200,
        messages=16,
    ),
    "large-ascii": Row(
        "4 connections, 1 text of 1 MiB of ASCII in flight on each, to `str` and back",
        ("wsfast", "picows-websockets", "websockets", "aiohttp"),
        size=MEBIBYTE,
        connections=4,
        messages=4,
    ),
    "large-mixed": Row(
        "4 connections, 1 text of 1 MiB of many scripts in flight on each, to `str` and back",
        ("wsfast", "picows-websockets", "websockets", "aiohttp"),
        size=MEBIBYTE,
        connections=4,
        messages=4,
        payload=lambda i, size: _text("mixed", i, size),
    ),
    "large-binary": Row(
        "4 connections, 1 message of 1 MiB of bytes in flight on each",
        ("wsfast", "picows", "uwebsockets", FLOOR),
        size=MEBIBYTE,
        connections=4,
        messages=4,
        binary=True,
    ),
    "texts": Row(
        "20 connections, 20 texts of 1,000 B of many scripts in flight on each, to `str` and back",
        (*WSFAST, "picows-text", "uwebsockets", FLOOR),
        size=1000,
        connections=20,
        in_flight=20,
        messages=64,
        payload=lambda i, size: _text("mixed", i, size),
    ),
    "deflate": Row(
        "4 connections, 1 JSON text of 1 KiB in flight on each, compressed both ways",
        (*WSFAST, "websockets"),
        size=1024,
        connections=4,
        messages=64,
        payload=_json,
        deflate=True,
    ),
    "idle": Row(
        "4,000 connections that have echoed one message and are idle, beside 1,000 others",
        ("wsfast", "wsfast-callbacks", "picows", "websockets", FLOOR),
        mode="idle",
        connections=4000,
        messages=4,
    ),
    "handshakes": Row(
        "8 connections at once that open, upgrade and close, over and over",
        (*WSFAST, "picows", "websockets", FLOOR),
        mode="handshake",
        connections=8,
        messages=1,
    ),
    **{f"broadcast-{members}": _room(members) for members in (100, 1_000, 5_000, 10_000)},
}
