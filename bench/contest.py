"""Interleaved timing: every contestant in turn, round after round, so that what the machine does
meanwhile hits all of them alike. A ratio is the median over the rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

ROUNDS = 15
SECONDS_A_TURN = 0.01


@dataclass(frozen=True)
class Contestant:
    """Something to time: ``run`` does the work once and returns its answer."""

    name: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Result:
    """What one row came to."""

    seconds: float  # ours, a run
    ratios: dict[str, float]  # how many times as long the others take


def contest(ours: Callable[[], object], others: list[Contestant], rounds: int = ROUNDS) -> Result:
    """Check that all give the same answer, then time them against each other."""
    answer = ours()
    for other in others:
        assert other.run() == answer, f"{other.name} gives another answer"
    runs = [ours, *(other.run for other in others)]
    loops = [_loops(run) for run in runs]
    times = [[_time(run, n) for run, n in zip(runs, loops, strict=True)] for _ in range(rounds)]
    return Result(
        seconds=median(row[0] for row in times),
        ratios={
            other.name: median(row[i] / row[0] for row in times)
            for i, other in enumerate(others, start=1)
        },
    )


def _loops(run: Callable[[], object]) -> int:
    once = min(_time(run, 1) for _ in range(3))
    return max(1, round(SECONDS_A_TURN / max(once, 1e-7)))


def _time(run: Callable[[], object], loops: int) -> float:
    turns = [None] * loops
    start = perf_counter()
    for _ in turns:
        run()
    return (perf_counter() - start) / loops
