"""Libraries patched and unpatched, and peers in another process that know nothing of wsfast."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from wsfast.integrations import KNOWN

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


@contextmanager
def patched(integration):
    assert integration.patch()
    try:
        yield
    finally:
        integration.unpatch()
