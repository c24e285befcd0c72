"""How a program and the processes that it starts learn what ``python -m wsfast run`` was told.

``WSFAST_PATCH`` says what to patch, ``auto`` or names by commas; ``WSFAST_DEFLATE`` what to
compress with. Every Python that is started in that environment (the program itself, a worker, a
reloader, a ``multiprocessing`` process that is spawned) finds ``children/sitecustomize.py`` on its
PYTHONPATH. One that ignores the environment (``python -I`` or ``-E``) runs unpatched, and so does
another Python, where wsfast is not installed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from . import patch, resolve
from ._notices import begin_tree, tend_tree

__all__ = ["hand_down", "patch_as_told"]

_CHILDREN = str(Path(__file__).with_name("children"))
_ROOT = str(Path(__file__).parents[2])


def patch_as_told() -> list[str]:
    """Patch what the environment says.

    Returns:
        The names of the libraries that run on wsfast.

    Raises:
        ValueError: it names what wsfast does not know.
        ImportError: it names a library for compression that is not installed.
    """
    tend_tree()
    libraries, deflate = _told()
    return patch(*libraries, deflate=deflate)


def hand_down() -> None:
    """Have the Python processes that are started from now on do as this one was told.

    Raises:
        ValueError: the environment names what wsfast does not know.
        ImportError: it names a library for compression that is not installed.
    """
    resolve(*_told())
    begin_tree()
    inherited = os.environ.get("PYTHONPATH")
    entries = inherited.split(os.pathsep) if inherited else []
    if _CHILDREN not in entries:
        entries.insert(0, _CHILDREN)
    if _ROOT in sys.path[:1] and _ROOT not in sys.path[1:]:
        # wsfast was found only because this is the current directory, which python -m puts first.
        entries.append(_ROOT)
    os.environ["PYTHONPATH"] = os.pathsep.join(entries)


def _told() -> tuple[list[str], str | None]:
    told = os.environ.get("WSFAST_PATCH") or "auto"
    libraries = [] if told == "auto" else [name.strip() for name in told.split(",")]
    return libraries, os.environ.get("WSFAST_DEFLATE") or None
