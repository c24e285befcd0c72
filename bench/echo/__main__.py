"""The contest of servers: echoes over loopback, a server on the first core, the load on the last.

    cd bench
    python -m echo                               every row
    python -m echo pipelined idle                some rows
    python -m echo pipelined --servers picows,wsfast@asyncio
    python -m echo --loop both                   wsfast on uvloop and on asyncio

All servers of a row run at once and are loaded in turn, round after round, so that what the machine
does meanwhile hits all alike; a ratio is the median over the rounds. Two ratios: by the clock, and
in CPU time of the server, which tells more where other programs run, or the load generator had to
wait for nothing.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from statistics import median

from .rig import NotThereError, Payloads, idle_memory, run_load, server_of
from .rows import ROWS, WSFAST, Row
from .table import echo_lines, idle_lines

PEERS = ("wsfast", "picows", "aiofastnet", "uvloop", "websockets", "aiohttp")


def main() -> None:
    """Run the rows that were asked for, and print a table for each."""
    options = _options()
    print(f"Python {sys.version.split()[0]}; " + ", ".join(_version(peer) for peer in PEERS))
    for name in options.rows or ROWS:
        row = ROWS[name]
        names = options.servers.split(",") if options.servers else _on_loops(row, options.loop)
        print(f"\n## {name}: {row.title}\n", flush=True)
        payloads = Payloads(name, row)
        if row.mode == "idle":
            lines = idle_lines(measure_idle(row, payloads, names))
        else:
            lines = echo_lines(row, measure(row, payloads, names, options))
        print("\n".join(lines), flush=True)


def measure(row: Row, payloads: Payloads, names: list[str], options) -> dict[str, list[dict]]:
    """Load all servers by turns; what each turn came to, by the name of the server."""
    turns: dict[str, list[dict]] = {}
    with ExitStack() as stack:
        servers = {}
        for name in names:
            try:
                servers[name] = stack.enter_context(server_of(name, payloads))
            except NotThereError as error:
                print(f"- {name} takes no part: {error}")
        for _ in range(options.rounds):
            for name, server in list(servers.items()):
                try:
                    turn = run_load(server, row, payloads, options.seconds)
                except NotThereError as error:
                    print(f"- {name} is out: {error}")
                    del servers[name]
                    turns.pop(name, None)
                else:
                    turns.setdefault(name, []).append(turn)
    return turns


def measure_idle(row: Row, payloads: Payloads, names: list[str]) -> dict[str, float]:
    """Bytes that an idle connection takes, by the name of the server: the median of three."""
    found = {}
    for name in names:
        try:
            sizes = []
            for _ in range(3):
                with server_of(name, payloads) as server:
                    sizes.append(idle_memory(server, row, payloads))
            found[name] = median(sizes)
        except NotThereError as error:
            print(f"- {name} takes no part: {error}")
    return found


def _on_loops(row: Row, loop: str) -> list[str]:
    """The servers of a row, wsfast on the loops that were asked for; all others run on uvloop."""
    suffixes = {"uvloop": [""], "asyncio": ["@asyncio"], "both": ["", "@asyncio"]}[loop]
    return [
        name + suffix for name in row.servers for suffix in (suffixes if name in WSFAST else [""])
    ]


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
    options = parser.parse_args()
    for name in options.rows:
        if name not in ROWS:
            parser.error(f"no row {name}; there are {', '.join(ROWS)}")
    return options


if __name__ == "__main__":
    main()
