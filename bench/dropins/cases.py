"""What is compared: every library as it is, and the same program on wsfast."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from echo.rows import Row
from texts import text_of

SERVERS = Path(__file__).resolve().parents[2] / "tests" / "dropins" / "servers.py"
RUN = ("-m", "wsfast", "run", "--")


def mixed(i: int, size: int) -> bytes:
    """Message number ``i``, of many scripts."""
    number = f"{i:06} "
    return (number + text_of("mixed", size - len(number))).encode()


ROWS = {
    "pipelined": Row("1 connection, 32 texts of 100 B in flight", (), in_flight=32, payload=mixed),
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
    """One library, twice.

    Attributes:
        plain: the server as it is, of ``tests/dropins/servers.py``.
        hoped: at least so many times as fast, by row; rows that are not here are not run.
        wsfast: another server, which runs on wsfast by itself; else it is ``plain`` under
            ``python -m wsfast run``.
        environment: of both.
    """

    title: str
    plain: str
    hoped: dict[str, float | None]
    wsfast: str = ""
    loop: str = "asyncio"
    environment: dict[str, str] = field(default_factory=dict)

    def commands(self) -> dict[str, list[str]]:
        """The two programs."""
        plain = [str(SERVERS), self.plain, "--loop", self.loop]
        fast = [str(SERVERS), self.wsfast, *plain[2:]] if self.wsfast else [*RUN, *plain]
        return {"plain": [sys.executable, *plain], "wsfast": [sys.executable, *fast]}


def echoes(small: float | None, large: float | None) -> dict[str, float | None]:
    """The two rows that most libraries take part in."""
    return {"pipelined": small, "large": large}


UVICORN_CLASS = "uvicorn-wsfast"

CASES = {
    "uvicorn-class-sansio": Case(
        "uvicorn, wsfast's class against websockets-sansio",
        "uvicorn-websockets-sansio",
        {"pipelined": 4, "large": 2.5, "many": 2},
        UVICORN_CLASS,
        "uvloop",
    ),
    "uvicorn-class-wsproto": Case(
        "uvicorn, wsfast's class against wsproto",
        "uvicorn-wsproto",
        {"pipelined": 6, "large": 4, "many": 2},
        UVICORN_CLASS,
        "uvloop",
    ),
    "websockets": Case("websockets, asyncio", "websockets", echoes(1.3, 2)),
    "websockets-legacy": Case("websockets, legacy", "websockets-legacy", echoes(None, None)),
    "uvicorn-sansio": Case(
        "uvicorn, websockets-sansio", "uvicorn-websockets-sansio", echoes(None, None), "", "uvloop"
    ),
    "uvicorn-wsproto": Case("uvicorn, wsproto", "uvicorn-wsproto", echoes(1.9, 2.3), "", "uvloop"),
    "hypercorn": Case("hypercorn", "hypercorn", echoes(1.6, 2.3)),
    "simple-websocket": Case("simple-websocket", "simple-websocket", echoes(1.4, 1.3)),
    "tornado": Case("tornado", "tornado", echoes(1.5, 1.5)),
    "tornado-pure": Case(
        "tornado without its extension",
        "tornado",
        echoes(None, 20),
        environment={"TORNADO_EXTENSION": "0"},
    ),
    "autobahn": Case("autobahn with NVX", "autobahn", echoes(2.2, 4)),
    "autobahn-pure": Case(
        "autobahn without NVX",
        "autobahn",
        echoes(2.5, 40),
        environment={"AUTOBAHN_USE_NVX": "0"},
    ),
    "daphne": Case("daphne with NVX", "daphne", echoes(1.5, None)),
    "aiohttp": Case("aiohttp", "aiohttp", echoes(1.15, 1.4)),
    "aiohttp-pure": Case(
        "aiohttp without its extensions",
        "aiohttp",
        echoes(1.3, 2.5),
        environment={"AIOHTTP_NO_EXTENSIONS": "1"},
    ),
    "ws4py": Case("ws4py", "ws4py", echoes(1.6, 30)),
    "eventlet": Case("eventlet", "eventlet", echoes(1.6, 30)),
    "gevent-websocket": Case("gevent-websocket", "gevent-websocket", echoes(1.6, 30)),
}
