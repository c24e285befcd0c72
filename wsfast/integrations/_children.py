"""What ``python -m wsfast run`` has been told, and how the processes that it starts learn of it.

``WSFAST_PATCH`` says what to patch, ``auto`` or names by commas; ``WSFAST_DEFLATE`` what to
compress with. A child (a worker, a reloader, a ``multiprocessing`` process that is spawned) finds
``children/sitecustomize.py`` on its PYTHONPATH. One that ignores the environment
(``python -I`` or ``-E``) runs unpatched, and so does another Python, where wsfast is not installed.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import patch

__all__ = ["hand_down", "patch_as_told"]

_CHILDREN = str(Path(__file__).with_name("children"))


def patch_as_told() -> list[str]:
    """Patch what the environment says.

    Returns:
        The names of the libraries that run on wsfast.

    Raises:
        ValueError: it names what wsfast does not know.
        ImportError: it names a library for compression that is not installed.
    """
    told = os.environ.get("WSFAST_PATCH") or "auto"
    names = () if told == "auto" else [name.strip() for name in told.split(",")]
    return patch(*names, deflate=os.environ.get("WSFAST_DEFLATE") or None)


def hand_down() -> None:
    """Have the Python processes that this one starts do as this one was told."""
    inherited = os.environ.get("PYTHONPATH")
    entries = inherited.split(os.pathsep) if inherited else []
    if _CHILDREN not in entries:
        os.environ["PYTHONPATH"] = os.pathsep.join([_CHILDREN, *entries])
