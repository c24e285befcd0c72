"""The contest of servers over loopback: a server on the first core, the load on the last.

    cd bench
    python -m echo                               every row
    python -m echo pipelined idle                some rows
    python -m echo pipelined --servers picows,wsfast@asyncio
    python -m echo --loop asyncio                all on asyncio
    python -m echo --loop both                   wsfast on both, its peers on uvloop
    python -m echo --loop both --base DIR        also against another revision, built in DIR

All servers of a row run at once and are loaded in turn, round after round, so that what the machine
does meanwhile hits all alike; a ratio is the median over the rounds. Two ratios: by the clock, and
in CPU time of the server, which tells more where other programs run, or the load generator had to
wait for nothing.

The exit status is 1 where an idle connection takes more than 2 KiB over the floor, and with --base
where a row takes more CPU time than on that revision: by more than the tolerance in the median, and
more at all in three rounds of four. Whatever looks so is measured again before that is said, with
more starts of its servers.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import fill

from .base import Base
from .paired import Comparison, compare
from .rig import Payloads
from .rounds import measure, measure_idle
from .rows import FLOOR, ROWS, WSFAST, Row, base_of, floor_of
from .table import idle_lines, room_lines, turn_lines
from .turns import Turns

PEERS = ("wsfast", "picows", "aiofastnet", "uvloop", "websockets", "aiohttp")
IDLE_STARTS = 3
IDLE_LIMIT = 2048  # bytes of an idle connection over those of the floor
# Two processes of the same program differ by a few percent, which more rounds would not show.
STARTS_AGAIN = 3


def main() -> None:
    """Run the rows that were asked for, and print a table for each."""
    options = _options()
    versions = ", ".join(map(_version, PEERS))
    print(fill(f"Python {sys.version.split()[0]}; {versions}", 98))
    if options.base:
        print(f"\nThe base: {options.base.title}")
    complaints = []
    rooms: dict[int, Turns] = {}
    for name in options.rows or ROWS:
        row = ROWS[name]
        print(f"\n### {name}: {row.title}", flush=True)
        payloads, names = Payloads(name, row), _names(row, options)
        if row.mode == "idle":
            found = _run_idle(row, payloads, names, options)
        else:
            turns = measure(row, payloads, names, options.rounds, options.seconds, options.base)
            found = _judge(row, payloads, names, turns, options)
            if row.mode == "broadcast":
                rooms[row.connections] = turns
        complaints += [f"{name}: {complaint}" for complaint in found]
    if len(rooms) > 1:
        print("\n### broadcast: CPU time for a message and connection, by their number\n")
        print("\n".join(room_lines(rooms)))
    if options.base or complaints:
        print("\n### Verdict\n")
        print("\n".join(f"- {each}" for each in complaints) or "Nothing is worse than it may be.")
    sys.exit(bool(complaints))


def _judge(row: Row, payloads: Payloads, names: list[str], turns: Turns, options) -> list[str]:
    """Print a row that was measured under load; returns what is worse than it may be."""
    comparisons = compare(turns)
    print("\n".join(["", *turn_lines(row, turns, comparisons)]), flush=True)
    with_base = [name for name in names if base_of(name) in names]
    complaints = [
        f"{name} or its base took no part" for name in with_base if name not in comparisons
    ]
    for name, comparison in comparisons.items():
        if comparison.is_worse(options.tolerance):
            comparison = _compare_again(row, payloads, name, options) or comparison
            print(f"- {name} against its base, again: {comparison}", flush=True)
            if comparison.is_worse(options.tolerance):
                complaints.append(f"{name} takes {comparison} more CPU time than its base")
    return complaints


def _compare_again(row: Row, payloads: Payloads, name: str, options) -> Comparison | None:
    """Compare a server with its base once more, from fresh starts of both."""
    pair = [name, base_of(name)]
    turns: Turns = {each: [] for each in pair}
    for start in range(STARTS_AGAIN):
        order = pair[:: -1 if start % 2 else 1]
        more = measure(row, payloads, order, options.rounds, options.seconds, options.base)
        if len(more) == len(pair):
            for each in pair:
                turns[each] += more[each]
    return compare(turns).get(name)


def _run_idle(row: Row, payloads: Payloads, names: list[str], options) -> list[str]:
    """Measure the memory of idle connections; returns what is more than it may be."""
    sizes = measure_idle(row, payloads, names, IDLE_STARTS, options.base)
    print("\n".join(["", *idle_lines(sizes)]), flush=True)
    complaints = []
    for name in names:
        floor = floor_of(name)
        if name.partition("@")[0] in WSFAST and name in sizes and floor in sizes:
            over = sizes[name] - sizes[floor]
            if over > IDLE_LIMIT:
                starts = IDLE_STARTS * STARTS_AGAIN
                again = measure_idle(row, payloads, [name, floor], starts, options.base)
                over = again[name] - again[floor]
                print(f"- {name}, again: {over:,.0f} bytes over the floor's", flush=True)
            if over > IDLE_LIMIT:
                complaints.append(f"{name} takes {over:,.0f} bytes over the floor's")
    return complaints


def _names(row: Row, options) -> list[str]:
    """The servers of a row on the loops that were asked for, each wsfast next to its base."""
    if options.servers:
        return options.servers.split(",")
    suffixes = {"uvloop": [""], "asyncio": ["@asyncio"], "both": ["", "@asyncio"]}[options.loop]
    names = []
    for server in row.servers:
        foreign = server == "uwebsockets"
        peer = server not in (*WSFAST, FLOOR)
        for suffix in [""] if foreign else suffixes[: 1 if peer else None]:
            names.append(server + suffix)
            if options.base and server in WSFAST:
                names.append(base_of(server + suffix))
    return names


def _version(peer: str) -> str:
    try:
        return f"{peer} {version(peer)}"
    except PackageNotFoundError:
        return f"no {peer}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m echo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--servers", help="these, NAME or NAME@LOOP, by commas")
    parser.add_argument("--loop", choices=["uvloop", "asyncio", "both"], default="uvloop")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--base", type=Path, help="a built checkout, with its environment in .venv")
    parser.add_argument("--tolerance", type=float, default=0.03, help="against the base")
    options = parser.parse_args()
    for name in options.rows:
        if name not in ROWS:
            parser.error(f"no row {name}; there are {', '.join(ROWS)}")
    if options.base:
        try:
            options.base = Base(options.base)
        except ValueError as error:
            parser.error(str(error))
    return options


if __name__ == "__main__":
    main()
