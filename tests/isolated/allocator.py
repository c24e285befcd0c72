"""Let memory run out at every place of a call, in a process of its own.

A scenario prepares something, makes one call without memory, and looks at what is left. For each
allocation that the call makes, there is one run in which this one fails, and one in which every
later one fails with it. A crash ends the process; whoever started it sees that.
"""

import sys
from importlib import import_module

try:
    from _testcapi import remove_mem_hooks, set_nomemory
except ImportError:
    sys.exit(f"SKIPPED: this {sys.implementation.name} has no _testcapi, and so no set_nomemory")

# No call here makes as many allocations. One that never passes would run for ever.
MOST = 20_000


def load(module):
    """The twin of this module that the command line names."""
    return import_module(f"wsfast.{module}_{sys.argv[1]}")


# What CPython itself makes of a traceback that it has no memory for, whoever raised the error.
OF_CPYTHON = ["error return without exception set"]


class Failed:
    """What comes of a call that ran out of memory."""

    def __repr__(self):
        return "MemoryError"


FAILED = Failed()


def without_memory(call, start, stop):
    """Make the call while the allocations from number ``start`` on fail, up to ``stop``.

    Returns what it returned, the error that it raised, or FAILED.
    """
    set_nomemory(start, stop)
    try:
        result = call()
    except MemoryError:
        remove_mem_hooks()
        return FAILED
    except BaseException as exc:
        remove_mem_hooks()
        return FAILED if str(exc) in OF_CPYTHON else exc
    remove_mem_hooks()
    return result


def run_out(prepare, call, judge):
    """Run a scenario at every place where memory may run out.

    Args:
        prepare: returns a fresh object, with all the memory it wants.
        call: is given that object, and has no memory.
        judge: is given that object and what came of the call, an error included; raises
            AssertionError unless both are right. FAILED is right as long as the object is.
    """
    last = 0
    while last < MOST:  # all that follow fail, too
        if one_run(prepare, call, judge, last, 0) is not FAILED:
            break
        last += 1
    else:
        raise AssertionError(f"it wants more than {MOST} allocations")
    for start in range(last + 10):  # this one alone fails; it may not have been wanted
        one_run(prepare, call, judge, start, start + 1)
    return last


def one_run(prepare, call, judge, start, stop):
    prepared = prepare()
    outcome = without_memory(lambda: call(prepared), start, stop)
    try:
        judge(prepared, outcome)
    except AssertionError as exc:
        which = f"{start}" if stop else f"{start} and all that follow"
        raise AssertionError(f"without allocation {which}: {outcome!r}: {exc}") from exc
    return outcome


SCENARIOS = []


def scenario(make):
    """A function that returns what ``run_out`` takes."""
    SCENARIOS.append(make)
    return make


def main():
    """Run all scenarios, or those that the command line names."""
    unheard = []
    sys.unraisablehook = lambda unraisable: unheard.append(str(unraisable.exc_value))
    for make in SCENARIOS:
        if sys.argv[2:] and make.__name__ not in sys.argv[2:]:
            continue
        print(make.__name__, end=": ", flush=True)  # so that a crash has a name
        print(run_out(*make()), "allocations")
        assert not unheard, f"errors that nobody hears of: {unheard}"
