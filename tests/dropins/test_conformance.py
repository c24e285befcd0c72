"""The Autobahn test suite on a library of each kind, as far as it takes seconds.

``make conformance-dropins`` runs all of it, on all libraries.
"""

import subprocess
import sys
from pathlib import Path

import pytest

QUICK = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.1.*", "6.2.*", "6.3.*", "6.5.*", "7.*"]


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("server", "websockets"),
        ("server", "uvicorn"),
        ("server", "wsproto"),
        ("server", "aiohttp"),
        ("server", "tornado"),
        ("server", "autobahn"),
        ("client", "websocket-client"),
    ],
)
def test_no_quick_case_is_judged_worse_on_wsfast(role, name, tmp_path):
    conformance = Path(__file__).with_name("conformance.py")
    command = [sys.executable, conformance, name, "--role", role, "--reports", tmp_path]
    done = subprocess.run([*command, "--cases", *QUICK], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout
