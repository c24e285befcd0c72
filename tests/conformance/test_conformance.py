"""The Autobahn test suite as far as it takes seconds; ``make conformance`` runs all of it."""

import subprocess
import sys
from pathlib import Path

import pytest

QUICK = [
    *["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"],
    *["9.*.3", "9.*.4"],  # the large messages are in test_echoes, with what is in them
    *["12.1.11", "13.*.1"],  # a message in fragments, and every parameter of compression
]


@pytest.mark.parametrize("role", ["server", "client"])
def test_quick_cases_are_judged_as_expected(role, tmp_path):
    run = Path(__file__).with_name("run.py")
    kosoku = Path(sys.executable).with_name("kosoku")
    command = [sys.executable, run, kosoku, role, *QUICK, "--reports", tmp_path]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stdout
