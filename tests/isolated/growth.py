"""Run something over and over in a process of its own, and see whether memory grows."""

import gc
import sys
import tracemalloc
from importlib import import_module

# As many as there are masking keys in a block of entropy: however many keys a round takes, as many
# are left after the last as before the first.
ROUNDS = 1023

# What the interpreter may keep meanwhile. The smallest object, kept each round, is four times that.
SLACK = 8 * 1024


def load(module):
    """The twin of this module that the command line names; from here on memory is watched."""
    tracemalloc.start()
    return import_module(f"wsfast.{module}_{sys.argv[1]}")


def refused(error, call, *arguments, **options):
    """Make a call that raises this error."""
    try:
        call(*arguments, **options)
    except error:
        return
    raise AssertionError(f"{call} took it")


def grown(scenario):
    """Bytes that are in use after many rounds, and were not after a few."""
    for _ in range(ROUNDS // 4):
        scenario()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(ROUNDS):
        scenario()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    return after - before


def main(*scenarios):
    """Exit with the names of those that leak."""
    growth = {scenario.__name__: grown(scenario) for scenario in scenarios}
    leaks = [f"{name}: {size} bytes" for name, size in growth.items() if size > SLACK]
    if leaks:
        sys.exit("\n".join(leaks))
