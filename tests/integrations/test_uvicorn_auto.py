"""``--ws auto`` of uvicorn on wsfast: who gets wsfast's class, and who what was there."""

import subprocess
import sys

import pytest
from patching import patched
from streams import MIXED
from uvicorn import Config
from uvicorn.protocols.websockets import auto
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from uvicorn_servers import CLASSES, Recording, talk_to

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
