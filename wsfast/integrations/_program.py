"""The program that ``python -m wsfast run -- COMMAND...`` names, and how this process becomes it.

Python itself runs the program: this process becomes ``python COMMAND...``, in an environment by
which it patches what it was told before the program begins (``_children``). So nothing else about
the program is different: options, arguments, ``sys.path``, ``__main__``, standard input,
tracebacks, exit status and process id are what they are without wsfast.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from contextlib import suppress
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import NamedTuple, NoReturn
from zipfile import is_zipfile

__all__ = ["CommandError", "become", "command_line"]

_PYTHON = re.compile(r"(python|pypy)[\d.]*w?(\.exe)?", re.IGNORECASE)

# Options of Python by which it would not patch at its start: -I and -E ignore the environment, -S
# leaves sitecustomize out.
_UNPATCHED = "IES"


class CommandError(Exception):
    """There is no such program, or it is none for this Python."""


class _Split(NamedTuple):
    options: list[str]  # of Python itself
    letters: str  # the short ones among them
    program: list[str]  # what they are followed by


def command_line(command: list[str]) -> list[str]:
    """Put together what runs a program: this Python, with its options, and the command.

    Args:
        command: what would follow ``python``, or a Python program and its arguments. The program
            can be ``python`` itself.

    Raises:
        CommandError: there is no such program, or it is none for this Python.
    """
    ours, asked = _split(sys.orig_argv[1:]), _split(command)
    options, letters = [*ours.options, *asked.options], ours.letters + asked.letters
    program = asked.program
    if program and _PYTHON.fullmatch(os.path.basename(program[0])):
        interpreter = _find(program[0])
        if interpreter is not None:
            if not _is_this_python(interpreter):
                raise CommandError(_elsewhere(interpreter, interpreter, program[1:]))
            asked = _split(program[1:])
            options, letters, program = [*options, *asked.options], asked.letters, asked.program
    for letter in letters:
        if letter in _UNPATCHED:
            raise CommandError(
                f"with -{letter}, Python does not look at what tells it to patch: leave it out, or "
                "call wsfast.patch() in the program"
            )
    if program and not program[0].startswith("-"):
        program = [_script(program), *program[1:]]
    return [sys.executable, *options, *program]


def become(command_line: list[str]) -> NoReturn:
    """Run a program in the place of this one."""
    if sys.platform != "win32":
        os.execv(command_line[0], command_line)
    # There, the caller would take it for the end of the program.
    with subprocess.Popen(command_line) as process:
        while True:
            with suppress(KeyboardInterrupt):  # the program gets it, too
                sys.exit(process.wait())


def _split(arguments: list[str]) -> _Split:
    """Split the command line of a Python after its options, as it does itself."""
    options: list[str] = []
    letters = ""
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        option = rest.pop(0)
        if option == "--":
            break
        if option.startswith("--"):
            options.append(option)
            if option == "--check-hash-based-pycs":
                options += rest[:1]
                del rest[:1]
            continue
        ends = re.match("-([^cmWX]*)([cmWX]?)(.*)", option, re.DOTALL)
        assert ends is not None
        plain, last, value = ends.groups()
        letters += plain
        if last in ("c", "m"):
            options += [f"-{plain}"] if plain else []
            rest = [f"-{last}", *([value] if value else []), *rest]
            break
        options.append(option)
        if last and not value:
            options += rest[:1]
            del rest[:1]
    return _Split(options, letters, rest)


def _script(program: list[str]) -> str:
    """Find the file, or directory, that this Python is to run.

    Raises:
        CommandError: there is none.
    """
    name = program[0]
    if os.path.isdir(name) and any(map(os.path.isfile, _mains(name))):
        return name
    if os.path.exists(name) and not os.path.isdir(name):
        _check(name, program, on_path=False)
        return name
    found = _find(name)
    if found is not None:
        _check(found, program, on_path=True)
        return found
    if os.path.isdir(name):
        raise CommandError(f"no __main__ in {name}")
    raise CommandError(f"no such file, and no such program on PATH: {name}")


def _mains(directory: str) -> list[str]:
    return [os.path.join(directory, name) for name in ("__main__.py", "__main__.pyc")]


def _find(program: str) -> str | None:
    """Find a program, one that belongs to this Python rather than another on PATH."""
    beside = [os.path.dirname(sys.executable), sysconfig.get_path("scripts")]
    places = [*beside, os.environ.get("PATH", os.defpath)]
    return shutil.which(program, path=os.pathsep.join(places))


def _check(path: str, program: list[str], *, on_path: bool) -> None:
    """Check that a file can be a Python program.

    Raises:
        CommandError: it is none, or one on PATH that belongs to another Python.
    """
    if not os.path.isfile(path) or is_zipfile(path):
        return  # Python runs an archive with a __main__, and reads a pipe
    with open(path, "rb") as file:
        beginning = file.read(1024)
    if beginning.startswith(MAGIC_NUMBER):
        return  # compiled by this Python
    # The interpreter stands in the first line, or, where its path is long, in an exec below it.
    first_line = re.match(rb"#!(?:/bin/sh\n'''exec' )?([^\n]*)", beginning)
    words = os.fsdecode(first_line[1]).split() if first_line else []
    interpreter = words[0].strip('"') if words else ""
    if os.path.basename(interpreter) == "env":
        # Behind its own options and variables.
        words = [word for word in words[1:] if word[0] != "-" and "=" not in word]
        interpreter = _find(words[0]) or words[0] if words else ""
    if b"\0" in beginning or (on_path and not interpreter):
        raise CommandError(f"{path} is not a Python script")
    if not interpreter or path.endswith((".py", ".pyw")):
        return
    if not os.path.basename(interpreter).startswith(("python", "pypy")):
        raise CommandError(f"{path} is not a Python script: {interpreter} runs it")
    if on_path and not _is_this_python(interpreter):
        raise CommandError(_elsewhere(path, interpreter, program))


def _is_this_python(interpreter: str) -> bool:
    # By directory: the file in a virtual environment is a link to the Python that made it.
    return Path(interpreter).parent.resolve() == Path(sys.executable).parent.resolve()


def _elsewhere(path: str, interpreter: str, command: list[str]) -> str:
    return (
        f"{path} belongs to another Python; install wsfast there, and run\n"
        f"    {interpreter} -m wsfast run -- {' '.join(command)}"
    )
