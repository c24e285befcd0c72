"""What is compared: a program as it is, and the same program on wsfast."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from echo.rows import Row
from texts import text_of

RUN = ("-m", "wsfast", "run", "--")


def mixed(i: int, size: int) -> bytes:
    """Message number ``i``, of many scripts."""
    number = f"{i:06} "
    return (number + text_of("mixed", size - len(number))).encode()


ROWS = {
    "pipelined": Row("1 connection, 32 texts of 100 B in flight", (), in_flight=32, payload=mixed),
    "batch": Row(
        "1 connection, 32 texts of 100 B, then the next 32 when all are back",
        (),
        in_flight=32,
        batch=True,
        payload=mixed,
    ),
    "many": Row(
        "200 connections, 1 text of 100 B in flight on each",
        (),
        connections=200,
        messages=16,
        payload=mixed,
    ),
    "large": Row(
        "1 connection, 4 texts of 64 KiB in flight",
        (),
        size=65536,
        in_flight=4,
        messages=16,
        payload=mixed,
    ),
}


@dataclass(frozen=True)
class Case:
    """One program, twice.

    Attributes:
        program: the arguments of Python; it prints its port, or is told it where they say
            ``{port}``.
        hoped: at least so many times as fast, by row; rows that are not here are not run.
        wsfast: another program, which runs on wsfast by itself; else it is ``program`` under
            ``python -m wsfast run``.
        environment: of both.
        opening: how the load generator opens a connection, where that differs.
        payload: of the messages, where they have a form of their own.
    """

    title: str
    program: tuple[str, ...]
    hoped: dict[str, float | None]
    wsfast: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    opening: tuple[str, ...] = ()
    payload: Callable[[int, int], bytes] | None = None

    def commands(self) -> dict[str, list[str]]:
        """Both of its programs."""
        fast = self.wsfast or (*RUN, *self.program)
        return {
            "plain": [sys.executable, *self.program],
            "wsfast": [sys.executable, *fast],
        }

    def row(self, name: str) -> Row:
        """A row, as this case takes part in it."""
        row = replace(ROWS[name], opening=self.opening)
        return replace(row, payload=self.payload) if self.payload else row
