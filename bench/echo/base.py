"""The revision to compare with: a checkout of it that is built, in an environment of its own.

It brings its library and nothing else: the servers are those of this folder, run by its interpreter
and loaded as all others are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent

# Printed by an interpreter: where it finds wsfast, and all else that could make a difference.
_TELL = """\
import json, sys
from importlib.metadata import version
import wsfast
conditions = {name: version(name) for name in ("uvloop", "h11")}
conditions |= {"Python": sys.version, "backend": wsfast.backend, "kernel": wsfast.kernel}
print(json.dumps([wsfast.__file__, conditions]))
"""


class Base:
    """A checkout to compare with.

    Args:
        checkout: the folder, with the environment in ``.venv``.

    Raises:
        ValueError: its interpreter does not run its own wsfast, or not under our conditions.
    """

    def __init__(self, checkout: Path) -> None:
        checkout = checkout.resolve()
        self.python = str(checkout / ".venv" / "bin" / "python")
        found, theirs = _tell(self.python)
        _, ours = _tell(sys.executable)
        if not Path(found).is_relative_to(checkout):
            raise ValueError(f"{self.python} imports wsfast from {found}: build it in {checkout}")
        for name, value in ours.items():
            if theirs[name] != value:
                raise ValueError(
                    f"nothing but wsfast may differ: {name} is {value} here, and {theirs[name]}"
                    f" in {checkout}"
                )
        git = ["git", "-C", str(checkout), "log", "-1", "--format=%h, %s"]
        self.title = subprocess.run(git, stdout=subprocess.PIPE, text=True).stdout.strip()


def _tell(python: str) -> tuple[str, dict[str, str]]:
    environment = os.environ | {"PYTHONPATH": str(BENCH)}
    try:
        done = subprocess.run(
            [python, "-c", _TELL], cwd=BENCH, env=environment, capture_output=True, text=True
        )
    except OSError as error:
        raise ValueError(f"{python}: {error.strerror}") from None
    if done.returncode:
        raise ValueError(f"{python} cannot tell its wsfast: {done.stderr.strip()}")
    found, conditions = json.loads(done.stdout)
    return found, conditions
