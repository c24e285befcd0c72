"""Every library on wsfast, put there only from outside, against an other end without it.

Each end is a process of its own: what both would do wrong in the same way is seen.
"""

import subprocess
import sys
from pathlib import Path

import pytest

# Any import mode of pytest finds the helpers of these tests.
sys.path.append(str(Path(__file__).parent))

from programs import CLIENTS, HERE, SERVERS, not_in_place, on_wsfast, plain

PATIENCE = 120  # seconds


@pytest.mark.parametrize(("program", "names"), [("servers.py", SERVERS), ("clients.py", CLIENTS)])
def test_no_program_is_forgotten(program, names):
    usage = subprocess.run(
        [sys.executable, HERE / program, "--help"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert "{" + ",".join(names) + "}" in "".join(usage.split())


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_on_wsfast_echoes_to_a_client_without(name):
    with on_wsfast("servers.py", name, "--deflate") as server:
        url = f"ws://127.0.0.1:{server.stdout.readline().strip()}/"
        options = ["--no-empty"] if name == "daphne" else []  # it sends none
        with plain("examiner.py", "client", url, *options) as examiner:
            verdict, _ = examiner.communicate(timeout=PATIENCE)
        output, _ = server.communicate(timeout=PATIENCE)
    assert verdict == "ok\n"
    assert not not_in_place(output, SERVERS[name])


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_on_wsfast_echoes_to_a_server_without(name):
    with plain("examiner.py", "server") as examiner:
        url = f"ws://127.0.0.1:{examiner.stdout.readline().strip()}"
        with on_wsfast("clients.py", name, url, "--deflate") as client:
            assert client.wait(PATIENCE) == 0
            output = client.stdout.read()
        verdict, _ = examiner.communicate(timeout=PATIENCE)
    assert verdict == "ok\n"
    assert not not_in_place(output, CLIENTS[name])
