"""Whatever the place where memory runs out, nothing crashes; see the scripts in isolated/."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted(Path(__file__).with_name("isolated").glob("nomemory_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_call_without_memory_fails_and_does_no_harm(backend, script):
    done = subprocess.run([sys.executable, script, backend.name], capture_output=True, text=True)
    if "SKIPPED" in done.stderr:
        pytest.skip(done.stderr.strip())
    # A crash has no words: the last scenario that was begun has its name at the end.
    assert done.returncode == 0, f"{done.returncode}: {done.stdout[-200:]}{done.stderr}"
    # In the Python twin it may be CPython's own, such as bytes(bytearray) that keeps its buffer.
    assert backend.name == "py" or done.stderr == ""
