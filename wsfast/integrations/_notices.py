"""What wsfast says of itself: which libraries it leaves as they are, and which it runs.

A warning about a library is given once in a tree of processes, so that workers do not repeat it,
whichever of them comes to it first. ``WSFAST_TREE`` names the tree: ``python -m wsfast run`` sets
it, and what it starts inherits it. Whoever can make an empty file of that name is the first; the
process that the tree is named after removes these files at its end.

With ``WSFAST_VERBOSE=1``, each ``patch()`` says in one line on standard error what it has done.
"""

from __future__ import annotations

import atexit
import os
import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

from .._backend import backend, kernel
from .._version import __version__

if TYPE_CHECKING:
    from ._seams import Integration

__all__ = ["begin_tree", "say_what_runs", "tend_tree", "warn_once"]

_TREE = "WSFAST_TREE"

# Files of wsfast itself, and of the import system, which stands between an import and its effects.
_NOT_THE_PROGRAM = (os.path.dirname(os.path.dirname(__file__)), "<frozen importlib")


def begin_tree() -> None:
    """Have this process and those that it starts give a warning once between them."""
    if not os.environ.get(_TREE):
        os.environ[_TREE] = f"{os.getpid()}-{os.urandom(8).hex()}"


def tend_tree() -> None:
    """If the tree is named after this process, remove at its end what the tree has left."""
    process, tree = os.getpid(), os.environ.get(_TREE, "")
    if tree.startswith(f"{process}-"):
        atexit.register(_remove_marks, tree, process)


def warn_once(library: str, text: str) -> None:
    """Give a RuntimeWarning about a library, at the line of the program that led to it.

    Raises:
        RuntimeWarning: warnings are errors.
    """
    tree = os.environ.get(_TREE)
    if tree and not _leave_mark(tree, library):
        return
    frame: FrameType = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_NOT_THE_PROGRAM):
        frame = frame.f_back
    warnings.warn_explicit(
        text,
        RuntimeWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        frame.f_globals.get("__name__"),
        frame.f_globals.setdefault("__warningregistry__", {}),
    )


def say_what_runs(integrations: Sequence[Integration]) -> None:
    """Say which of these libraries run on wsfast, where ``WSFAST_VERBOSE`` asks for it."""
    if os.environ.get("WSFAST_VERBOSE", "0") in ("", "0") or sys.stderr is None:
        return
    named = {each: f"{each.distribution} {each.installed}" for each in integrations}
    line = f"wsfast {__version__} ({backend}, {kernel}), process {os.getpid()}: runs "
    line += ", ".join(named[each] for each in integrations if each.patched) or "nothing"
    left = ", ".join(named[each] for each in integrations if not each.patched)
    print(f"{line}; leaves {left} unpatched" if left else line, file=sys.stderr, flush=True)


def _mark(tree: str, library: str) -> str:
    from tempfile import gettempdir  # it takes long to import, and is hardly ever needed

    return os.path.join(gettempdir(), f"wsfast-{tree}-{library}")


def _leave_mark(tree: str, library: str) -> bool:
    """Tell whether no process of the tree has left this mark before."""
    try:
        os.close(os.open(_mark(tree, library), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    except OSError:
        return True  # there is nowhere to leave one
    return True


def _remove_marks(tree: str, process: int) -> None:
    if os.getpid() != process:
        return  # forked off, with what was registered to run at the end
    folder, beginning = os.path.split(_mark(tree, ""))
    for name in os.listdir(folder):
        if name.startswith(beginning):
            os.unlink(os.path.join(folder, name))
