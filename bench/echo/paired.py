"""What a server costs against its own base, from rounds in which both took part."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import quantiles

from .rows import base_of
from .turns import Turns, cpu_time


@dataclass(frozen=True)
class Comparison:
    """CPU time a message over that of the base: 1.02 is 2 % more.

    Attributes:
        low, median, high: the quartiles over the rounds.
    """

    low: float
    median: float
    high: float

    def is_worse(self, tolerance: float) -> bool:
        """Whether it is slower by more than ``tolerance``, and not by a few odd rounds alone: three
        rounds in four have to be slower at all."""
        return self.median > 1 + tolerance and self.low > 1

    def __str__(self) -> str:
        quartiles = (self.low, self.median, self.high)
        low, median, high = (f"{(quartile - 1) * 100:+.1f}" for quartile in quartiles)
        return f"{median} % ({low} to {high})"


def compare(turns: Turns) -> dict[str, Comparison]:
    """Compare every server whose base took part, too; by the name of the server."""
    found = {}
    for name, ours in turns.items():
        base = turns.get(base_of(name))
        if base:
            ratios = [cpu_time(a) / cpu_time(b) for a, b in zip(ours, base, strict=True)]
            # Of a single round, which is for trying things out, all quartiles are the same.
            several = ratios if len(ratios) > 1 else ratios * 2
            found[name] = Comparison(*quantiles(several, method="inclusive"))
    return found
