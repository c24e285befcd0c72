"""The command line: ``python -m wsfast run -- COMMAND...`` and ``python -m wsfast doctor``.

``run`` patches the libraries that are known and installed, or those that ``WSFAST_PATCH`` names,
here and in every Python process that the program starts, and then becomes the program: same
arguments, same ``sys.path``, same exit status.
"""

from __future__ import annotations

import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import warnings
from importlib import import_module
from io import open_code
from pathlib import Path
from pkgutil import get_importer
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from . import __version__, backend, kernel
from .integrations import KNOWN
from .integrations._children import hand_down, patch_as_told

if TYPE_CHECKING:
    from .integrations._seams import Integration

__all__ = ["main"]

_USAGE = """\
usage: python -m wsfast run [--deflate NAME] -- COMMAND...   run a Python program on wsfast
       python -m wsfast doctor [LIBRARY]                     say what is here, and what it gains

COMMAND is what would follow "python", or a Python program on PATH:
    script.py [argument]...
    -m module [argument]...
    -c code [argument]...
    program [argument]...

NAME is zlib-ng or isal, to compress with it what libraries compress with zlib.

environment:
    WSFAST_PATCH     auto (the default), or the libraries to patch: websockets,tornado
    WSFAST_DEFLATE   the same as --deflate
"""

# With -P, Python puts nothing first on sys.path, neither for wsfast nor for a program.
_SAFE_PATH = getattr(sys.flags, "safe_path", False)


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says.

    Raises:
        SystemExit: it says nothing that makes sense, or the program ended so.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    match arguments:
        case ["doctor"]:
            doctor()
        case ["doctor", library] if library in KNOWN:
            print(_verdict(KNOWN[library]))
        case ["run", "--deflate", name, "--", *command] if command:
            os.environ["WSFAST_DEFLATE"] = name
            _patch_and_run(command)
        case ["run", "--", *command] | ["run", *command] if command and command[0][:2] != "--":
            _patch_and_run(command)
        case [*_, "-h" | "--help"]:
            print(_USAGE, end="")
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


def _patch_and_run(command: list[str]) -> None:
    try:
        patch_as_told()
    except (ValueError, ImportError) as exc:
        sys.exit(f"wsfast: {exc}")
    hand_down()
    run(command)


def run(command: list[str]) -> None:
    """Run a Python program in this process, as ``python COMMAND...`` would.

    Raises:
        SystemExit: there is no such program, it is none for this Python, or it ended so.
    """
    match command:
        case ["-m", module, *arguments]:
            sys.argv[:] = [module, *arguments]
            _begin_path_with(os.getcwd())
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *arguments]:
            sys.argv[:] = ["-c", *arguments]
            _begin_path_with("")
            _become(compile(code, "<string>", "exec", dont_inherit=True))
        case ["-m" | "-c"]:
            sys.exit(_USAGE)
        case [program, *arguments]:
            script = program if os.path.exists(program) else _find_on_path(program)
            sys.argv[:] = [script, *arguments]
            _run_script(os.path.join(os.getcwd(), script))


def _run_script(path: str) -> None:
    importer = get_importer(path)
    if importer is None:
        _begin_path_with(os.path.dirname(os.path.realpath(path)))
        with open_code(path) as file:
            _become(compile(file.read(), path, "exec", dont_inherit=True), __file__=path)
        return
    # A directory or a zip file, of which Python runs the __main__, and puts it first in any case.
    sys.path[0 : 0 if _SAFE_PATH else 1] = [path]
    spec = importer.find_spec("__main__")
    if spec is None:
        sys.exit(f"wsfast: no __main__ in {path}")
    loader: Any = spec.loader
    _become(loader.get_code("__main__"), __file__=spec.origin, __spec__=spec, __package__="")


def _begin_path_with(entry: str) -> None:
    """Replace what ``python -m wsfast`` has put first by what the program would find there."""
    if not _SAFE_PATH:
        sys.path[0] = entry


def _become(code: CodeType, **attributes: object) -> None:
    """Run code as ``__main__``, and leave it there for threads that go on when it has ended."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    vars(main).update(attributes)
    exec(code, vars(main))


def _find_on_path(program: str) -> str:
    """Find a program that is a Python script for this very Python."""
    found = shutil.which(program)
    if found is None:
        sys.exit(f"wsfast: no such file, and no such program on PATH: {program}")
    with open(found, "rb") as file:
        # The interpreter stands in the first line, or, where its path is long, in an exec below it.
        shebang = re.match(rb"#!(?:/bin/sh\n'''exec' )?\"?([^\s\"]*)(?: +(\S+))?", file.read(1024))
    if shebang is None:
        sys.exit(f"wsfast: {found} is not a Python script")
    interpreter, argument = (os.fsdecode(part or b"") for part in shebang.groups())
    if os.path.basename(interpreter) == "env":
        interpreter = shutil.which(argument) or argument
    if "python" not in os.path.basename(interpreter):
        sys.exit(f"wsfast: {found} is not a Python script: {interpreter} runs it")
    if not _is_this_python(Path(interpreter)):
        sys.exit(
            f"wsfast: {found} belongs to another Python; install wsfast there, and run\n"
            f"    {interpreter} -m wsfast run -- {program}"
        )
    return found


def _is_this_python(interpreter: Path) -> bool:
    # By directory: the file in a virtual environment is a link to the Python that made it.
    return interpreter.parent.resolve() == Path(sys.executable).parent.resolve()
