"""Every library on wsfast, put there only from outside, against an other end without it.

Each end is a process of its own: what both would do wrong in the same way is seen.
"""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from wsfast.integrations import KNOWN

HERE = Path(__file__).parent
PATIENCE = 120  # seconds

# The distributions whose seams the program runs on. The class for uvicorn is no seam: naming it is
# using it.
SERVERS = {
    "websockets": ["websockets"],
    "websockets-legacy": ["websockets"],
    "uvicorn-websockets-sansio": ["websockets"],
    "uvicorn-websockets": ["websockets"],
    "uvicorn-wsproto": ["wsproto"],
    "uvicorn-wsfast": [],
    "hypercorn": ["wsproto"],
    "daphne": ["autobahn"],
    "aiohttp": ["aiohttp"],
    "tornado": ["tornado"],
    "autobahn": ["autobahn"],
    "autobahn-twisted": ["autobahn"],
    "ws4py": ["ws4py"],
    "gevent-websocket": ["gevent-websocket"],
    "eventlet": ["eventlet"],
    "simple-websocket": ["wsproto"],
    "wsproto": ["wsproto"],
}
CLIENTS = [
    *["websockets", "websocket-client", "aiohttp", "tornado", "autobahn", "ws4py", "wsproto"],
]


@contextmanager
def started(*command):
    """A process that is ended with the block."""
    process = subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def on_wsfast(program, *arguments):
    run = ["-m", "wsfast", "run", "--", HERE / "witness.py", HERE / program]
    return started(*run, *arguments)


def assert_patched(testimony, distributions):
    said = json.loads(testimony.splitlines()[-1])
    for distribution in distributions:
        if distribution not in KNOWN:
            pytest.skip(f"{distribution} is not known yet")
        assert said[distribution]["on"]
        assert not said[distribution]["off"]


def test_no_server_is_forgotten():
    listed = subprocess.run(
        [sys.executable, HERE / "servers.py", "--help"], stdout=subprocess.PIPE, text=True
    ).stdout
    assert f"{{{','.join(SERVERS)}}}" in listed.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_on_wsfast_echoes_to_a_client_without(name):
    with on_wsfast("servers.py", name, "--deflate") as server:
        url = f"ws://127.0.0.1:{server.stdout.readline().strip()}/"
        options = ["--no-empty"] if name == "daphne" else []  # it sends none
        with started(HERE / "examiner.py", "client", url, *options) as examiner:
            verdict, _ = examiner.communicate(timeout=PATIENCE)
        testimony, _ = server.communicate(timeout=PATIENCE)
    assert verdict == "ok\n"
    assert_patched(testimony, SERVERS[name])


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_on_wsfast_echoes_to_a_server_without(name):
    with started(HERE / "examiner.py", "server") as examiner:
        url = f"ws://127.0.0.1:{examiner.stdout.readline().strip()}"
        with on_wsfast("clients.py", name, url, "--deflate") as client:
            assert client.wait(PATIENCE) == 0
            testimony = client.stdout.read()
        verdict, _ = examiner.communicate(timeout=PATIENCE)
    assert verdict == "ok\n"
    assert_patched(testimony, [name])
