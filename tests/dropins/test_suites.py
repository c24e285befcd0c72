"""Two small suites of libraries, plain and on wsfast; ``make peers`` runs them all.

The sources come from PyPI the first time, and from build/peers then.
"""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["wsproto", "websocket-client"])
def test_a_librarys_own_tests_come_out_as_without_wsfast(name, tmp_path):
    suites = Path(__file__).with_name("suites.py")
    command = [sys.executable, suites, "--here", name, "--runs", tmp_path]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout
