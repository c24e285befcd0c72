"""The command line: ``python -m wsfast run -- COMMAND...`` and ``python -m wsfast doctor``.

``run`` becomes the program. The libraries that are known and installed, or those that
``WSFAST_PATCH`` names, are patched in it and in every Python process that it starts.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from . import __version__, backend, kernel
from .integrations import KNOWN, unknown
from .integrations._children import hand_down
from .integrations._program import CommandError, become, command_line

if TYPE_CHECKING:
    from .integrations._seams import Integration

__all__ = ["main"]

_USAGE = """\
usage: python -m wsfast run [--deflate NAME] -- COMMAND...   run a Python program on wsfast
       python -m wsfast doctor [LIBRARY]                     say what is here, and what it gains

COMMAND is what would follow "python", or a Python program beside this Python or on PATH:
    [option]... script.py [argument]...
    [option]... -m module [argument]...
    [option]... -c code [argument]...
    [option]... - [argument]...                              the script is standard input
    program [argument]...

NAME is zlib-ng or isal, to compress with it what libraries compress with zlib.

environment:
    WSFAST_PATCH     auto (the default), or the libraries to patch: websockets,tornado
    WSFAST_DEFLATE   the same as --deflate
    WSFAST_VERBOSE   1: each process says on standard error what it runs on wsfast
"""


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says.

    Raises:
        SystemExit: it says nothing that makes sense, or the program ended so.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    match arguments:
        case ["-h" | "--help"] | ["run" | "doctor", "-h" | "--help"]:
            print(_USAGE, end="")
        case ["doctor"]:
            doctor()
        case ["doctor", library] if library in KNOWN:
            print(_verdict(KNOWN[library]))
        case ["doctor", library] if library[:1] != "-":
            sys.exit(unknown(library))
        case ["run", "--", "-m" | "-c"]:
            sys.exit(_USAGE)
        case ["run", "--deflate", name, "--", first, *rest]:
            os.environ["WSFAST_DEFLATE"] = name
            run([first, *rest])
        case ["run", "--", first, *rest]:
            run([first, *rest])
        case ["run", first, *rest] if first[:2] != "--":
            run([first, *rest])
        case _:
            sys.exit(_USAGE)


def doctor() -> None:
    """Print what wsfast runs on and, of each library that it knows, what of it runs on wsfast.

    Each is patched and imported in a process of its own: some exclude each other.
    """
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"wsfast {__version__} on {python}: backend {backend}, kernel {kernel}")
    for library in KNOWN:
        print(flush=True)
        subprocess.run([sys.executable, "-m", "wsfast", "doctor", library])


def _verdict(integration: Integration) -> str:
    name, version = integration.distribution, integration.installed
    if version is None:
        return f"{name} is not installed"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        integration.patch()
        modules = sorted({seam.module for seam in integration.seams})
        absent = {module for module in modules if not _is_there(module)}
    refusals = [str(warning.message) for warning in caught if warning.category is RuntimeWarning]
    lines = [f"    gains {integration.gains}"]
    lines += [f"    {refusal}" for refusal in refusals if refusal.startswith("wsfast ")]
    on = set(integration.in_place())
    for seam in integration.seams:
        state = "on " if str(seam) in on else "off"
        why = " (cannot be imported)" if seam.module in absent else ""
        lines.append(f"    {state} {seam}{why}")
    there = sum(seam.module not in absent for seam in integration.seams)
    return "\n".join([f"{name} {version}: {len(on)} of {there} seams on", *lines])


def _is_there(module: str) -> bool:
    try:
        import_module(module)
    except Exception:  # of autobahn's two, for asyncio and for Twisted, the second refuses
        return False
    return True


def run(command: list[str]) -> NoReturn:
    """Become a Python program, as ``python COMMAND...`` would run it, on wsfast.

    Raises:
        SystemExit: there is no such program, it is none for this Python, or the environment names
            what wsfast does not know.
    """
    try:
        hand_down()
        become(command_line(command))
    except (ValueError, ImportError, CommandError) as exc:
        sys.exit(f"wsfast: {exc}")
