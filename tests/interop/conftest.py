"""The programs of ``peers/`` as processes, started once and spoken to in lines of JSON."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme

# Any import mode of pytest finds the helpers of these tests.
sys.path += [str(Path(__file__).parent), str(Path(__file__).with_name("peers"))]

PROGRAMS = Path(__file__).with_name("peers")


class Program:
    """A process that answers a line with a line, or tells what happens, a line each."""

    def __init__(self, name, *arguments):
        how = ["node"] if name.endswith(".mjs") else [sys.executable]
        self.process = subprocess.Popen(
            [*how, PROGRAMS / name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def write(self, **what):
        print(json.dumps(what), file=self.process.stdin, flush=True)

    def read(self):
        line = self.process.stdout.readline()
        assert line, f"{self.process.args} ended: see its standard error"
        return json.loads(line)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        with suppress(BrokenPipeError):
            self.process.stdin.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Files in PEM: ``authority``, and ``server`` with its key, good for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        folder / "server.pem"
    )
    return SimpleNamespace(authority=folder / "authority.pem", server=folder / "server.pem")


@pytest.fixture(scope="session")
def programs(certificates):
    """Give the client, or the server with or without TLS, that a program of ``peers/`` is."""
    started = {}

    def program(name, role, *arguments):
        what = (name, role, *arguments)
        if what not in started:
            started[what] = Program(*what)
            if role == "server":
                started[what].port = started[what].read()["port"]
        return started[what]

    def server(peer, tls):
        return program(peer.program, "server", *([certificates.server] if tls else []))

    def client(peer):
        return program(peer.program, "client")

    def end_all():
        """After a failure a late answer could be taken for the next one's."""
        while started:
            started.popitem()[1].end()

    yield SimpleNamespace(server=server, client=client, end_all=end_all)
    end_all()
