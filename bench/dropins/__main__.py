"""Echo servers of libraries and frameworks, as they are and on wsfast: same program, same settings.

    cd bench
    python -m dropins                            all
    python -m dropins tornado starlette          some
    python -m dropins --rows large --rounds 9

Both servers of a case run at once on the first core, and are loaded in turn from the last one,
round after round; every echo is checked. A ratio is the median over the rounds: by the clock and,
in parentheses, in CPU time of the server.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from textwrap import fill

from echo.rig import ForeignServer, NotThereError, Payloads, Server, run_load
from echo.turns import Turns, cpu_time, rate

from .cases import ROWS, Case
from .frameworks import FRAMEWORKS
from .libraries import LIBRARIES
from .sansio import wsproto_ratios

CASES = LIBRARIES | FRAMEWORKS
DISTRIBUTIONS = (
    *("uvicorn", "websockets", "wsproto", "hypercorn", "simple-websocket", "tornado", "autobahn"),
    *("daphne", "aiohttp", "ws4py", "eventlet", "gevent-websocket", "uvloop"),
    *("starlette", "fastapi", "litestar", "quart", "django", "channels", "python-engineio"),
    *("python-socketio", "sanic", "flask-sock", "jupyter_server"),
)


def main() -> None:
    """Run the cases that were asked for, and print a table."""
    options = _options()
    versions = ", ".join(map(_version, DISTRIBUTIONS))
    print(fill(f"Python {sys.version.split()[0]}; {versions}", 98) + "\n")
    print("| server | traffic | plain, a second | wsfast, a second | times as fast | hoped for |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in options.cases or CASES:
        case = CASES[name]
        for row_name, hoped in case.hoped.items():
            if row_name in options.rows:
                print(
                    f"| {case.title} | {row_name} | {_run(case, row_name, hoped, options)} |",
                    flush=True,
                )
    if not options.cases:
        for traffic, ratio, hoped in wsproto_ratios():
            print(f"| wsproto, sans-IO | {traffic} | | | {ratio:.2f} | {_verdict(ratio, hoped)} |")
    print("\n" + "\n".join(f"- {name}: {ROWS[name].title}" for name in options.rows))


def _run(case: Case, row_name: str, hoped: float | None, options: argparse.Namespace) -> str:
    row = case.row(row_name)
    payloads = Payloads(f"dropins-{row_name}", row)
    turns: Turns = {"plain": [], "wsfast": []}
    try:
        with ExitStack() as stack:
            servers = {
                way: stack.enter_context(_start(command, case.environment))
                for way, command in case.commands().items()
            }
            for number in range(options.rounds):
                for way in list(servers)[:: -1 if number % 2 else 1]:
                    turns[way].append(run_load(servers[way], row, payloads, options.seconds))
    except NotThereError as error:
        return f"took no part: {error} | | |"
    plain, wsfast = turns["plain"], turns["wsfast"]
    rates = [median(map(rate, each)) for each in (plain, wsfast)]
    clock = median(rate(b) / rate(a) for a, b in zip(plain, wsfast, strict=True))
    cpu = median(cpu_time(a) / cpu_time(b) for a, b in zip(plain, wsfast, strict=True))
    cells = [*(f"{each:,.0f}" for each in rates), f"{clock:.2f} ({cpu:.2f})"]
    return " | ".join([*cells, _verdict(clock, hoped)])


def _start(command: list[str], environment: dict[str, str]) -> Server:
    told = any("{port}" in part for part in command)
    return (ForeignServer if told else Server)(command, environment)


def _verdict(ratio: float, hoped: float | None) -> str:
    if hoped is None:
        return ""
    return f"{hoped:g}" if ratio >= hoped else f"{hoped:g} **missed**"


def _version(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return f"no {distribution}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m dropins",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.6, help="of each turn")
    options = parser.parse_args()
    for name in options.cases:
        if name not in CASES:
            parser.error(f"no case {name}; there are {', '.join(CASES)}")
    return options


if __name__ == "__main__":
    main()
