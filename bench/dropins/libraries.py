"""Libraries: the programs of ``tests/dropins/servers.py``."""

from __future__ import annotations

from pathlib import Path

from .cases import Case

SERVERS = Path(__file__).resolve().parents[2] / "tests" / "dropins" / "servers.py"


def served(name: str, *options: str) -> tuple[str, ...]:
    """The arguments that start a server."""
    return (str(SERVERS), name, *options)


def on_uvloop(name: str) -> tuple[str, ...]:
    """The same on uvloop."""
    return served(name, "--loop", "uvloop")


def echoes(small: float | None, large: float | None) -> dict[str, float | None]:
    """The two rows that most libraries take part in."""
    return {"pipelined": small, "large": large}


# For a library that leaves Nagle's algorithm on, a client that waits for its batch waits for the
# delayed acknowledgements of TCP, whoever makes the frames.
NAGLE = {"batch": None}

LIBRARIES = {
    "uvicorn-class-sansio": Case(
        "uvicorn, wsfast's class against websockets-sansio",
        on_uvloop("uvicorn-websockets-sansio"),
        {"pipelined": 4, "large": 2.5, "many": 2},
        on_uvloop("uvicorn-wsfast"),
    ),
    "uvicorn-class-wsproto": Case(
        "uvicorn, wsfast's class against wsproto",
        on_uvloop("uvicorn-wsproto"),
        {"pipelined": 6, "large": 4, "many": 2},
        on_uvloop("uvicorn-wsfast"),
    ),
    "websockets": Case("websockets, asyncio", served("websockets"), echoes(1.3, 2)),
    "websockets-legacy": Case(
        "websockets, legacy", served("websockets-legacy"), echoes(None, None)
    ),
    "uvicorn-sansio": Case(
        "uvicorn, websockets-sansio", on_uvloop("uvicorn-websockets-sansio"), echoes(None, None)
    ),
    "uvicorn-wsproto": Case("uvicorn, wsproto", on_uvloop("uvicorn-wsproto"), echoes(1.9, 2.3)),
    "hypercorn": Case("hypercorn", served("hypercorn"), echoes(1.6, 2.3)),
    "simple-websocket": Case(
        "simple-websocket", served("simple-websocket"), echoes(1.4, 1.3) | NAGLE
    ),
    "tornado": Case("tornado", served("tornado"), echoes(1.5, 1.5) | NAGLE),
    "tornado-nodelay": Case(
        "tornado, `set_nodelay`", served("tornado", "--nodelay"), echoes(None, None) | NAGLE
    ),
    "tornado-pure": Case(
        "tornado without its extension",
        served("tornado"),
        echoes(None, 20),
        environment={"TORNADO_EXTENSION": "0"},
    ),
    "autobahn": Case("autobahn with NVX", served("autobahn"), echoes(2.2, 4)),
    "autobahn-pure": Case(
        "autobahn without NVX",
        served("autobahn"),
        echoes(2.5, 40),
        environment={"AUTOBAHN_USE_NVX": "0"},
    ),
    "daphne": Case("daphne with NVX", served("daphne"), echoes(1.5, None)),
    "aiohttp": Case("aiohttp", served("aiohttp"), echoes(1.15, 1.4)),
    "aiohttp-pure": Case(
        "aiohttp without its extensions",
        served("aiohttp"),
        echoes(1.3, 2.5),
        environment={"AIOHTTP_NO_EXTENSIONS": "1"},
    ),
    "ws4py": Case("ws4py", served("ws4py"), echoes(1.6, 30) | NAGLE),
    "eventlet": Case("eventlet", served("eventlet"), echoes(1.6, 30) | NAGLE),
    "eventlet-nodelay": Case(
        "eventlet, TCP_NODELAY", served("eventlet", "--nodelay"), echoes(None, None) | NAGLE
    ),
    "gevent-websocket": Case(
        "gevent-websocket", served("gevent-websocket"), echoes(1.6, 30) | NAGLE
    ),
    "gevent-websocket-nodelay": Case(
        "gevent-websocket, TCP_NODELAY",
        served("gevent-websocket", "--nodelay"),
        echoes(None, None) | NAGLE,
    ),
}
