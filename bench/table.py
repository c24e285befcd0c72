"""The table of ratios: rows are entered while the benchmarks run, and printed at the end."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version

import wsfast

PEERS = [
    "Cython",
    "websockets",
    "websocket-client",
    "aiohttp",
    "wsproto",
    "wsaccel",
    "autobahn",
]

_rows: list[tuple[str, str, float | None, float, float | None]] = []


def report(name: str, seconds: float | None, ratios: dict[str, tuple[float, float | None]]) -> None:
    """Enter a row: what it measures, the time of wsfast, and for each peer how many times as long
    it takes and the least that is hoped for, if anything is."""
    for peer, (ratio, bar) in ratios.items():
        _rows.append((name, peer, seconds, ratio, bar))


def lines() -> list[str]:
    """Write the table in Markdown, under the conditions it was measured in."""
    if not _rows:
        return []
    table = [
        "",
        f"{_processor()}, Python {sys.version.split()[0]}, "
        f"wsfast {wsfast.__version__} ({wsfast.backend}, {wsfast.kernel}); "
        + ", ".join(f"{peer} {version(peer)}" for peer in PEERS),
        "",
        "| what | against | wsfast takes | times as fast | at least |",
        "|---|---|---|---|---|",
    ]
    for name, peer, seconds, ratio, bar in _rows:
        verdict = "" if bar is None else f"{bar:g}" + ("" if ratio >= bar else " **missed**")
        table.append(f"| {name} | {peer} | {_duration(seconds)} | {ratio:.2f} | {verdict} |")
    return table


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, scale in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
