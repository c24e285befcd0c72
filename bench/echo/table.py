"""The tables of the contest of servers, in Markdown."""

from __future__ import annotations

from statistics import median

from .rows import MEBIBYTE, Row

FLOOR = "floor"

Turns = dict[str, list[dict]]


def echo_lines(row: Row, turns: Turns) -> list[str]:
    """Rates, CPU time and ratios of the servers of a row."""
    if not turns:
        return ["Nobody took part."]
    columns = ["server", "MB/s" if row.size >= MEBIBYTE else "a second"]
    latencies = "p50" in next(iter(turns.values()))[0]
    columns += ["p50", "p99"] if latencies else []
    columns += ["CPU time each", "of the floor"] if FLOOR in turns else ["CPU time each"]
    ours = [name for name in turns if name.startswith("wsfast")]
    columns += [f"{name} is times as fast (by CPU time)" for name in ours]
    columns += ["generator waited"]
    lines = [_line(columns), _line(["---"] * len(columns))]
    for name, each in turns.items():
        rate = median(_rate(turn) for turn in each)
        cells = [name, f"{rate * row.size / 1e6:,.0f}" if row.size >= MEBIBYTE else f"{rate:,.0f}"]
        if latencies:
            cells += [_duration(median(turn[p] for turn in each)) for p in ("p50", "p99")]
        cells.append(_duration(median(_cpu(turn) for turn in each)))
        if FLOOR in turns:
            cells.append(f"{_ratio(each, turns[FLOOR], _rate):.2f}")
        for our in ours:
            by_clock, by_cpu = _ratio(turns[our], each, _rate), _ratio(each, turns[our], _cpu)
            cells.append(f"{by_clock:.2f} ({by_cpu:.2f})")
        cells.append(f"{median(turn['waited'] for turn in each):.0%}")
        lines.append(_line(cells))
    agreed = {name: each[0]["extensions"] for name, each in turns.items() if each[0]["extensions"]}
    return [*lines, *(f"- {name} agreed on: {what}" for name, what in agreed.items())]


def idle_lines(sizes: dict[str, float]) -> list[str]:
    """Memory of idle connections, over what the floor takes."""
    lines = [_line(["server", "bytes a connection", "over the floor's"]), _line(["---"] * 3)]
    for name, size in sizes.items():
        over = f"{size - sizes[FLOOR]:,.0f}" if FLOOR in sizes else ""
        lines.append(_line([name, f"{size:,.0f}", over]))
    return lines


def _rate(turn: dict) -> float:
    return _done(turn) / turn["seconds"]


def _cpu(turn: dict) -> float:
    return max(turn["cpu_seconds"], 1e-9) / _done(turn)


def _done(turn: dict) -> int:
    """At least one: a turn in which another program had the core is no reason to divide by zero."""
    return max(1, turn.get("messages", turn.get("handshakes")))


def _ratio(these: list[dict], those: list[dict], measure) -> float:
    return median(measure(a) / measure(b) for a, b in zip(these, those, strict=True))


def _duration(seconds: float) -> str:
    unit, scale = ("us", 1e6) if seconds < 0.9995e-3 else ("ms", 1e3)
    return f"{seconds * scale:.3g} {unit}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
