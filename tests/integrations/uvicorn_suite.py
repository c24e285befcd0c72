"""Plugin for uvicorn's own suite: wsfast's class as one more of its WebSocket implementations.

In a folder with uvicorn's ``tests``: ``PYTHONPATH=tests/integrations:. python -m pytest -p
uvicorn_suite tests``. The fixture ``ws_protocol_cls`` gets a third parameter, ``wsfast``. In its
runs tests find wsfast's class also where they name ``WebSocketsSansIOProtocol``: one runs with that
class only, two check that a connection is of a class they know, and three skip themselves for it.
"""

from importlib import import_module

import pytest

PATH = "wsfast.integrations.uvicorn:WebSocketProtocol"

WITHOUT_FIXTURE = "test_send_binary_data_to_server_bigger_than_default_on_websockets"

# They want the start of a response on the wire before its body.
SKIPPED_FOR_SANSIO = (
    "test_server_reject_connection_with_invalid_msg",
    "test_server_reject_connection_with_missing_body",
    "test_server_multiple_websocket_http_response_start_events",
)


def pytest_configure(config):
    fixture = import_module("tests.conftest").ws_protocol_cls
    marker = fixture._fixture_function_marker
    # The marker is a frozen dataclass.
    object.__setattr__(marker, "params", (*marker.params, pytest.param(PATH, id="wsfast")))


def pytest_generate_tests(metafunc):
    if metafunc.function.__name__ == WITHOUT_FIXTURE:
        metafunc.fixturenames.append("ws_class")
        metafunc.parametrize("ws_class", ["uvicorn", "wsfast"])


@pytest.fixture(autouse=True)
def wsfast_in_place_of_sansio(request, monkeypatch):
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if params.get("ws_protocol_cls") == PATH or params.get("ws_class") == "wsfast":
        if request.function.__name__ in SKIPPED_FOR_SANSIO:
            pytest.skip("as with websockets-sansio: both parts of a response leave together")
        if hasattr(request.module, "WebSocketsSansIOProtocol"):
            module, _, name = PATH.partition(":")
            ours = getattr(import_module(module), name)
            monkeypatch.setattr(request.module, "WebSocketsSansIOProtocol", ours)
