"""The fixture that every row runs through, and the table at the end."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version

import pytest
from contest import Contestant, contest

import wsfast

_rows: list[tuple[str, str, float | None, float, float | None]] = []


@pytest.fixture
def row(benchmark):
    """Time ``ours`` against others: ``row(name, ours, {peer: (run, bar)})``."""

    def run(name, ours, others, rounds=15):
        result = contest(ours, [Contestant(peer, run) for peer, (run, _) in others.items()], rounds)
        benchmark.extra_info.update(result.ratios)
        benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
        report(
            name,
            result.seconds,
            {peer: (ratio, others[peer][1]) for peer, ratio in result.ratios.items()},
        )

    return run


def report(name, seconds, ratios):
    """Enter a row of the table: ``ratios`` maps each peer to (ratio, bar or None)."""
    for peer, (ratio, bar) in ratios.items():
        _rows.append((name, peer, seconds, ratio, bar))


def pytest_terminal_summary(terminalreporter):
    if not _rows:
        return
    line = terminalreporter.write_line
    peers = [
        "Cython",
        "websockets",
        "websocket-client",
        "aiohttp",
        "wsproto",
        "wsaccel",
        "autobahn",
    ]
    line("")
    line(
        f"{platform.processor() or platform.machine()}, Python {sys.version.split()[0]}, "
        f"wsfast {wsfast.__version__} ({wsfast.backend}, {wsfast.kernel}); "
        + ", ".join(f"{peer} {version(peer)}" for peer in peers)
    )
    line("")
    line("| row | against | wsfast takes | times as fast | at least |")
    line("|---|---|---|---|---|")
    for name, peer, seconds, ratio, bar in _rows:
        verdict = "" if bar is None else f"{bar:g}" + ("" if ratio >= bar else " **missed**")
        line(f"| {name} | {peer} | {_duration(seconds)} | {ratio:.2f} | {verdict} |")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, scale in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"
