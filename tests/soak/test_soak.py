"""The soak test in short; ``make soak`` runs it for minutes, with a thousand connections."""

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).with_name("soak.py")
SHORT = ["--connections", "40", "--seconds", "5", "--seed", "6455"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="it counts file descriptors")
@pytest.mark.parametrize(
    ("kind", "loop"),
    [
        ("coroutine", "uvloop"),
        ("callbacks", "asyncio"),
        ("clients", "uvloop"),
        ("clients", "asyncio"),
    ],
)
def test_nothing_goes_wrong_and_nothing_is_left(kind, loop):
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    command = [sys.executable, SOAK, kind, loop, *SHORT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
