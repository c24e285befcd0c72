"""daphne, patched, against itself unpatched, and against a client without wsfast.

daphne wants Twisted, and txaio allows a process one framework; so these tests have a process of
their own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from patching import patched
from peers import MESSAGES, MIXED
from websockets.sync.client import connect

from wsfast.integrations import daphne as wsfast_daphne
from wsfast.integrations.daphne import integration

OWN = os.environ.get("WSFAST_TEST_FRAMEWORK") == "twisted"

in_memory = pytest.mark.skipif(not OWN, reason="runs in a process of its own")
outside = pytest.mark.skipif(OWN, reason="once is enough")

if OWN:
    from daphne.ws_protocol import WebSocketProtocol


@outside
def test_a_process_of_its_own():
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"PYTEST_ADDOPTS": "", "WSFAST_TEST_FRAMEWORK": "twisted"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.returncode == 0, run.stdout


@outside
def test_a_client_without_wsfast_agrees():
    command = [sys.executable, Path(__file__).with_name("daphne_peer.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline())
            with connect(f"ws://127.0.0.1:{port}/", max_size=None) as client:
                for message in filter(None, MESSAGES[:-1]):  # the last passes its limit
                    client.send(message)
                    assert client.recv() == message
                client.send(["frag", "ments: ", MIXED])
                assert client.recv() == "fragments: " + MIXED
        finally:
            server.kill()


def protocol(**attributes):
    """A protocol without a connection, which notes what it tells, and what it is told to send."""

    class Recording(WebSocketProtocol):
        client_addr = None
        state = WebSocketProtocol.STATE_OPEN

        def __init__(self):
            self.events = []
            self.application_queue = self

        def put_nowait(self, event):
            self.events.append(event)

        def sendMessage(self, *arguments):
            self.events.append((type(arguments[0]), arguments))

    made = Recording()
    vars(made).update(attributes)
    return made


def outcome(method, *arguments, **attributes):
    made = protocol(**attributes)
    try:
        getattr(made, method)(*arguments)
    except Exception as exc:
        return type(exc), str(exc), made.events
    return made.events


def both(function):
    plain = function()
    with patched(integration):
        assert function() == plain
    return plain


@in_memory
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    "payload", [b"", b"Hello", MIXED.encode() * 300, b"abc\xff", b"\xed\xa0\x80", b"\xe2\x82"]
)
def test_receives_the_same(payload, binary):
    for muted in (False, True):
        both(lambda muted=muted: outcome("onMessage", payload, binary, muted=muted))


class Text(str):
    __slots__ = ()

    def encode(self, *arguments):
        return b"its own"


@in_memory
@pytest.mark.parametrize(
    "content", ["", "Hello", MIXED * 300, Text("Hello"), "a\ud800", b"Hello", b"", None, 3]
)
def test_sends_the_same(content):
    for binary in (False, True):
        both(lambda binary=binary: outcome("serverSend", content, binary))


@in_memory
def test_the_library_calls_what_is_patched(monkeypatch):
    calls = []

    def decode_utf8(payload):
        calls.append(payload)
        return "decoded"

    monkeypatch.setattr(wsfast_daphne, "decode_utf8", decode_utf8)
    monkeypatch.setattr(wsfast_daphne, "encode_utf8", lambda content: calls.append(content))
    with patched(integration):
        events = outcome("onMessage", b"Hello", False)
        outcome("serverSend", "Hello")
    assert calls == [b"Hello", "Hello"]
    assert events == [{"type": "websocket.receive", "text": "decoded"}]


@in_memory
def test_unpatch_restores_the_very_objects():
    before = dict(vars(WebSocketProtocol))
    with patched(integration):
        changed = {
            name for name, found in vars(WebSocketProtocol).items() if found is not before[name]
        }
    assert changed == {"onMessage", "serverSend"}
    assert dict(vars(WebSocketProtocol)) == before


@outside
def test_patching_imports_nothing():
    program = (
        "import sys\n"
        "from wsfast.integrations import daphne\n"
        "assert daphne.patch()\n"
        "assert not {'daphne', 'autobahn', 'twisted'} & sys.modules.keys()\n"
        "import daphne.ws_protocol\n"
        "from wsfast.integrations.daphne import integration\n"
        "assert len(integration.in_place()) == 2\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
