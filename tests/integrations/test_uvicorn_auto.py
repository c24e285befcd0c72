"""``--ws auto`` of uvicorn on wsfast: who gets wsfast's class, and who what was there."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from patching import patched
from streams import MIXED
from uvicorn import Config
from uvicorn.protocols.websockets import auto
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from uvicorn_servers import CLASSES, Recording, talk_to
from websockets.sync.client import connect

import wsfast
from wsfast.integrations.uvicorn import WebSocketProtocol
from wsfast.integrations.uvicorn_auto import integration


@pytest.fixture(autouse=True)
def nothing_stays_patched():
    yield
    integration.unpatch()


def class_of(ws):
    config = Config(Recording(), ws=ws, lifespan="off", log_config=None)
    config.load()
    return config.ws_protocol_class


@pytest.mark.parametrize("loop_kind", ["asyncio", "uvloop"])
def test_auto_is_wsfast(monkeypatch, loop_kind):
    monkeypatch.setitem(CLASSES, "auto", "auto")

    async def talk(peer):
        await peer.open()
        assert isinstance(peer.connection, WebSocketProtocol)
        peer.text(MIXED)
        return await peer.receive()

    with patched(integration):
        assert talk_to(Recording(), talk, "auto", loop_kind) == MIXED


def test_it_goes_by_the_name_of_uvicorns_own_class():
    with patched(integration):
        cls = class_of("auto")
    assert issubclass(cls, WebSocketProtocol)
    assert cls.__name__ == cls.__qualname__ == "WebSocketsSansIOProtocol"
    assert cls.__module__ == WebSocketsSansIOProtocol.__module__


@pytest.mark.parametrize(
    ("ws", "expected"),
    [("websockets-sansio", WebSocketsSansIOProtocol), ("wsproto", WSProtocol), ("none", None)],
)
def test_a_class_that_is_named_is_the_one_named(ws, expected):
    with patched(integration):
        assert class_of(ws) is expected


@pytest.mark.parametrize("found", [WSProtocol, None])
def test_without_websockets_auto_is_what_it_was(monkeypatch, found):
    monkeypatch.setattr(auto, "AutoWebSocketsProtocol", found)
    with patched(integration):
        assert class_of("auto") is found


def test_a_method_that_somebody_has_replaced_is_kept(monkeypatch):
    monkeypatch.setattr(WebSocketsSansIOProtocol, "handle_ping", lambda self: None)
    with patched(integration):
        assert class_of("auto") is WebSocketsSansIOProtocol


def test_another_class_is_refused(monkeypatch):
    class Own:
        pass

    monkeypatch.setattr(auto, "AutoWebSocketsProtocol", Own)
    with pytest.warns(RuntimeWarning, match="AutoWebSocketsProtocol is not what wsfast knows"):
        assert not integration.patch()
    assert auto.AutoWebSocketsProtocol is Own


def test_unpatch_puts_the_very_class_back():
    integration.patch()
    integration.unpatch()
    assert auto.AutoWebSocketsProtocol is WebSocketsSansIOProtocol


def test_patching_comes_before_the_import_and_imports_nothing():
    code = (
        "import sys\n"
        "from wsfast.integrations import uvicorn_auto\n"
        "assert uvicorn_auto.patch()\n"
        "assert 'uvicorn' not in sys.modules\n"
        "import uvicorn\n"
        "config = uvicorn.Config('math:sqrt')\n"
        "config.load()\n"
        "from wsfast.integrations.uvicorn import WebSocketProtocol\n"
        "assert issubclass(config.ws_protocol_class, WebSocketProtocol)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def loaded(ws="auto"):
    config = Config(Recording(), ws=ws, lifespan="off", log_config=None)
    config.load()
    return config


def test_a_config_that_was_loaded_before_has_it_for_as_long_as_it_is_patched():
    config = loaded()
    with patched(integration):
        assert issubclass(config.ws_protocol_class, WebSocketProtocol)
        assert config.ws_protocol_class is class_of("auto")
    assert config.ws_protocol_class is WebSocketsSansIOProtocol


@pytest.mark.parametrize(
    "ws", ["websockets-sansio", WebSocketsSansIOProtocol, "wsproto", "none"], ids=str
)
def test_a_config_that_was_loaded_with_another_class_keeps_it(ws):
    config = loaded(ws)
    before = config.ws_protocol_class
    with patched(integration):
        assert config.ws_protocol_class is before


def test_a_method_replaced_since_is_kept_in_a_config_that_was_loaded_before(monkeypatch):
    with patched(integration):
        config = loaded()
    monkeypatch.setattr(WebSocketsSansIOProtocol, "handle_ping", lambda self: None)
    config.ws_protocol_class = WebSocketsSansIOProtocol
    with patched(integration):
        assert config.ws_protocol_class is WebSocketsSansIOProtocol


def test_a_config_is_the_object_that_it_was():
    with patched(integration):
        config = Config("math:sqrt")
        with pytest.raises(AttributeError, match=r"^'Config' object has no attribute 'ws_proto"):
            _ = config.ws_protocol_class
        assert not hasattr(pickle.loads(pickle.dumps(config)), "ws_protocol_class")
        config.ws_protocol_class = WSProtocol
        assert config.ws_protocol_class is WSProtocol
        assert vars(config)["ws_protocol_class"] is WSProtocol
        del config.ws_protocol_class
        assert not hasattr(config, "ws_protocol_class")


APPLICATION = """\
import wsfast

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        {at_startup}
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        await send({{"type": "lifespan.shutdown.complete"}})
    else:
        await receive()
        await send({{"type": "websocket.accept"}})
        classes = type(receive.__self__).__mro__
        modules = " ".join(cls.__module__ for cls in classes)
        await send({{"type": "websocket.send", "text": modules}})
        await receive()

{at_import}
"""

CALL = "wsfast.patch()"
SERVERS = {
    "run": ["-c", "import uvicorn; uvicorn.run('application:app', port={port})"],
    "command": ["-m", "uvicorn", "application:app", "--port", "{port}"],
    "reload": ["-m", "uvicorn", "application:app", "--port", "{port}", "--reload"],
    "workers": ["-m", "uvicorn", "application:app", "--port", "{port}", "--workers", "2"],
    "gunicorn": [
        *("-W", "ignore", "-m", "gunicorn", "application:app", "-b", "127.0.0.1:{port}"),
        *("-w", "2", "-k", "uvicorn.workers.UvicornWorker"),
    ],
}


@contextmanager
def serving(arguments, folder):
    """A server of uvicorn in processes of its own; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(folder), str(Path(wsfast.__file__).parents[1])])
    process = subprocess.Popen(
        [sys.executable, *(argument.format(port=port) for argument in arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield f"ws://127.0.0.1:{port}/"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def witness(url):
    """Ask a server, as soon as it answers, for the modules of its class and of those below it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with connect(url) as websocket:
                return websocket.recv().split()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("server", "when"),
    [*((server, "import") for server in SERVERS), ("run", "startup"), ("workers", "startup")],
)
def test_an_application_that_patches_is_served_by_wsfast(tmp_path, server, when):
    """By then, uvicorn has looked its class up, in any case but gunicorn's."""
    at_import, at_startup = (CALL, "pass") if when == "import" else ("", CALL)
    application = APPLICATION.format(at_import=at_import, at_startup=at_startup)
    (tmp_path / "application.py").write_text(application)
    with serving(SERVERS[server], tmp_path) as url:
        for _ in range(20):  # by whichever worker
            assert "wsfast.integrations.uvicorn" in witness(url)


def test_an_application_that_does_not_is_not(tmp_path):
    application = APPLICATION.format(at_import="", at_startup="pass")
    (tmp_path / "application.py").write_text(application)
    with serving(SERVERS["run"], tmp_path) as url:
        assert "wsfast.integrations.uvicorn" not in witness(url)
