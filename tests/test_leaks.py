"""Nothing that is done over and over keeps memory; see the scripts in isolated/."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted(Path(__file__).with_name("isolated").glob("leak_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_memory_does_not_grow(backend, script):
    done = subprocess.run(
        [sys.executable, "-W", "error", script, backend.name], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
