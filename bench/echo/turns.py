"""What the load generator measured in one turn, and what follows from it."""

from __future__ import annotations

from typing import Any

Turn = dict[str, Any]
Turns = dict[str, list[Turn]]  # by the name of the server


def done(turn: Turn) -> float:
    """Messages or handshakes. At least one: a turn in which another program had the core is no
    reason to divide by zero."""
    return max(1, turn.get("messages", turn.get("handshakes", 0)))


def rate(turn: Turn) -> float:
    """Messages a second."""
    return done(turn) / turn["seconds"]


def cpu_time(turn: Turn) -> float:
    """Seconds of CPU time of the server for one message."""
    return max(turn["cpu_seconds"], 1e-9) / done(turn)
