"""Rounds of a row: all its servers at once, loaded in turn."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median

from .base import Base
from .rig import NotThereError, Payloads, idle_memory, load_of, server_of
from .rows import Row
from .turns import Turns


def measure(
    row: Row, payloads: Payloads, names: list[str], rounds: int, seconds: float, base: Base | None
) -> Turns:
    """Load all servers in turn, the order reversed in every second round.

    Returns:
        The turns of each server that took part in all rounds; why others did not is printed.
    """
    turns: Turns = {}
    with ExitStack() as stack:
        loads = {}
        for name in names:
            try:
                server = stack.enter_context(server_of(name, row, payloads, base))
                loads[name] = stack.enter_context(load_of(server, row, payloads, seconds))
                turns[name] = []
            except NotThereError as error:
                print(f"\n- {name} takes no part: {error}")
        for number in range(rounds):
            for name in list(turns)[:: -1 if number % 2 else 1]:
                try:
                    turns[name].append(loads[name]())
                except NotThereError as error:
                    print(f"\n- {name} is out: {error}")
                    del turns[name]
    return turns


def measure_idle(
    row: Row, payloads: Payloads, names: list[str], starts: int, base: Base | None
) -> dict[str, float]:
    """Measure the bytes of an idle connection, from so many starts of each server.

    Returns:
        The medians, by the name of the server.
    """
    found = {}
    for name in names:
        try:
            sizes = []
            for _ in range(starts):
                with server_of(name, row, payloads, base) as server:
                    sizes.append(idle_memory(server, row, payloads))
            found[name] = median(sizes)
        except NotThereError as error:
            print(f"\n- {name} takes no part: {error}")
    return found
