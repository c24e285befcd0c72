"""autobahn, patched, on sockets, against peers without wsfast; and the seams themselves."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from autobahn_memory import ON_TWISTED, connected, framework, memory, receive
from patching import patched
from streams import CLOSE, FIN, TEXT, frame

from wsfast.integrations import autobahn as wsfast_autobahn
from wsfast.integrations.autobahn import integration

PEER = Path(__file__).with_name("autobahn_peer.py")

own = pytest.mark.parametrize("name", ["twisted" if ON_TWISTED else "asyncio"])


@pytest.fixture(scope="module", autouse=True)
def in_memory():
    with memory():
        yield


@pytest.fixture
def autobahn():
    """Start a program of ``autobahn_peer.py``."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, PEER, *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@own
@pytest.mark.parametrize("client", ["websockets-client", "websocket-client"])
def test_a_client_without_wsfast_agrees(autobahn, peer, name, client):
    port = int(autobahn(name, "server").stdout.readline())
    assert peer(client, port).stdout.readline() == "ok\n"


@own
def test_a_server_without_wsfast_agrees(autobahn, peer, name):
    port = int(peer("websockets-server").stdout.readline())
    assert autobahn(name, "client", port).stdout.readline() == "ok\n"


def test_the_library_calls_what_is_patched(monkeypatch):
    """The seams are those that are called, and not merely those that can be seen."""
    calls = set()

    def spied(name):
        function = getattr(wsfast_autobahn, name)

        def spy(*args, **options):
            calls.add(name)
            return function(*args, **options)

        return spy

    for name in ("split_frames", "is_valid_utf8", "serialize_frame", "_is_silent"):
        monkeypatch.setattr(wsfast_autobahn, name, spied(name))
    for name in ("apply_mask", "Utf8Validator"):
        monkeypatch.setattr(wsfast_autobahn, name, spied(name))

    def called():
        found = calls.copy()
        calls.clear()
        return found

    with patched(integration):
        connection = connected("server")
        assert called() == {"Utf8Validator"}
        wire = frame(FIN | TEXT, b"Hello", masked=True)
        receive(connection, wire)
        assert called() - {"_is_silent"} == {"split_frames", "is_valid_utf8"}
        receive(connection, wire[:8])
        assert called() - {"_is_silent"} == {"split_frames", "apply_mask"}
        receive(connection, wire[8:])
        connection.sendMessage(b"Hello")
        assert called() >= {"apply_mask", "serialize_frame", "_is_silent"}
        receive(connection, frame(FIN | CLOSE, b"\x03\xe8bye", masked=True))
        assert called() >= {"Utf8Validator"}
        assert connection.remoteCloseReason == "bye"


@pytest.mark.skipif(ON_TWISTED, reason="asyncio's part")
@pytest.mark.parametrize("answer", [None, 3, "coroutine"])
def test_a_hook_may_be_a_coroutine(answer):
    async def coroutine():
        pass

    def asked():
        value = coroutine() if answer == "coroutine" else answer
        try:
            return framework.yields(value)
        finally:
            if inspect.iscoroutine(value):
                value.close()

    plain = asked()
    with patched(integration):
        assert asked() is plain is (answer == "coroutine")


def owned():
    """All that the modules and classes with seams own."""
    found = {}
    for seam in integration.seams:
        if seam.module in sys.modules:
            owner, _, _ = seam.find()
            found[str(seam)] = list(vars(owner).items())
    return found


def test_unpatch_restores_the_very_objects():
    before = owned()
    assert len(before) == 6
    with patched(integration):
        during = owned()
        assert all(during[seam] != before[seam] for seam in before)
    assert owned() == before


def test_replacements_take_the_same_arguments():
    originals = {seam: seam.find()[2] for seam in integration.seams if seam.module in sys.modules}
    with patched(integration):
        for seam, original in originals.items():
            replacement = seam.find()[2]
            assert replacement is not original
            if inspect.isfunction(original):
                arguments = inspect.getfullargspec(original).args
                code = replacement.__code__
                assert list(code.co_varnames[: code.co_argcount]) == arguments
                assert replacement.__defaults__ == original.__defaults__


@own
def test_patching_imports_nothing(name):
    other = "asyncio" if name == "twisted" else "twisted"
    program = (
        "import sys\n"
        "from wsfast.integrations import autobahn\n"
        "assert autobahn.patch()\n"
        "assert not {'autobahn', 'txaio', 'twisted'} & sys.modules.keys()\n"
        f"import autobahn.{name}.websocket\n"
        "from wsfast.integrations.autobahn import integration\n"
        "assert len(integration.in_place()) == 6, integration.in_place()\n"
        f"assert 'autobahn.{other}.websocket' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
