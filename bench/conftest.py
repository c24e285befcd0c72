"""The fixture that every row runs through, and the table at the end."""

from __future__ import annotations

import pytest
import table
from contest import ROUNDS, Contestant, contest


@pytest.fixture
def row(benchmark):
    """Time ``ours`` against others: ``row(name, ours, {peer: (run, bar)})``."""

    def enter(name, ours, others, rounds=ROUNDS):
        result = contest(ours, [Contestant(peer, run) for peer, (run, _) in others.items()], rounds)
        benchmark.extra_info.update(result.ratios)
        benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
        bars = {peer: bar for peer, (_, bar) in others.items()}
        ratios = {peer: (ratio, bars[peer]) for peer, ratio in result.ratios.items()}
        table.report(name, result.seconds, ratios)

    return enter


def pytest_terminal_summary(terminalreporter):
    for line in table.lines():
        terminalreporter.write_line(line)
