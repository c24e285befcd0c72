"""The tables of the contest of servers, in Markdown."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from textwrap import fill

from .paired import Comparison
from .rows import BASE, FLOOR, MEBIBYTE, Row, base_of, floor_of
from .turns import Turn, Turns, cpu_time, rate


def turn_lines(row: Row, turns: Turns, comparisons: dict[str, Comparison]) -> list[str]:
    """Rates, CPU time and ratios of the servers of a row."""
    if not turns:
        return ["Nobody took part."]
    columns = ["server", "MB/s" if row.size >= MEBIBYTE else "a second"]
    latencies = "p50" in next(iter(turns.values()))[0]
    columns += ["p50", "p99"] if latencies else []
    floors = any(name.startswith(FLOOR) for name in turns)
    columns += ["CPU time each", "of the floor"] if floors else ["CPU time each"]
    ours = [name for name in turns if name.startswith("wsfast") and BASE not in name]
    columns += [f"{name} is times as fast (by CPU time)" for name in ours]
    columns += ["CPU time against base"] if comparisons else []
    columns += ["generator waited"]
    lines = [_line(columns), _line(["---"] * len(columns))]
    for name, each in turns.items():
        speed = median(map(rate, each))
        cells = [name, f"{speed * row.size / 1e6 if row.size >= MEBIBYTE else speed:,.0f}"]
        if latencies:
            cells += [_duration(median(turn[p] for turn in each)) for p in ("p50", "p99")]
        cells.append(_cpu_time(each))
        if floors:
            floor = turns.get(floor_of(name))
            cells.append(f"{_ratio(each, floor, rate):.2f}" if floor else "")
        for our in ours:
            by_clock, by_cpu = _ratio(turns[our], each, rate), _ratio(each, turns[our], cpu_time)
            cells.append(f"{by_clock:.2f} ({by_cpu:.2f})")
        if comparisons:
            cells.append(str(comparisons.get(name, "")))
        cells.append(f"{median(turn['waited'] for turn in each):.0%}")
        lines.append(_line(cells))
    agreed: dict[str, list[str]] = {}
    for name, each in turns.items():
        agreed.setdefault(each[0]["extensions"], []).append(name)
    notes = (f"- {', '.join(names)}: {what}" for what, names in agreed.items() if what)
    return [*lines, *(fill(note, 98, subsequent_indent="  ") for note in notes)]


def idle_lines(sizes: dict[str, float]) -> list[str]:
    """Memory of idle connections, over that of the floor and of the base."""
    columns = ["server", "bytes a connection", "over the floor's", "over the base's"]
    lines = [_line(columns), _line(["---"] * len(columns))]
    for name, size in sizes.items():
        others = (sizes.get(other(name)) for other in (floor_of, base_of))
        over = ("" if other is None else f"{size - other:,.0f}" for other in others)
        lines.append(_line([name, f"{size:,.0f}", *over]))
    return lines


def room_lines(rooms: dict[int, Turns]) -> list[str]:
    """CPU time of a message to one connection, by the number of connections."""
    columns = ["server", *(f"{members:,}" for members in rooms)]
    lines = [_line(columns), _line(["---"] * len(columns))]
    for name in dict.fromkeys(name for turns in rooms.values() for name in turns):
        each = (turns.get(name) for turns in rooms.values())
        lines.append(_line([name, *(_cpu_time(turns) if turns else "" for turns in each)]))
    return lines


def _cpu_time(turns: list[Turn]) -> str:
    return _duration(median(map(cpu_time, turns)))


def _ratio(these: list[Turn], those: list[Turn], measure: Callable[[Turn], float]) -> float:
    return median(measure(a) / measure(b) for a, b in zip(these, those, strict=True))


def _duration(seconds: float) -> str:
    unit, scale = ("us", 1e6) if seconds < 0.9995e-3 else ("ms", 1e3)
    return f"{seconds * scale:.3g} {unit}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
