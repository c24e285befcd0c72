"""Nothing stays patched behind a test, and peers run in another process, without wsfast."""

import subprocess
import sys
from pathlib import Path

import pytest

from wsfast.integrations import KNOWN

# Any import mode of pytest finds the helpers of these tests.
sys.path.append(str(Path(__file__).parent))

PEERS = Path(__file__).with_name("peers.py")


@pytest.fixture(autouse=True)
def nothing_stays_patched():
    yield
    for integration in KNOWN.values():
        integration.unpatch()


@pytest.fixture
def peer():
    """Start a program of ``peers.py``; its first line of output tells when it is ready."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, PEERS, *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
