"""Each ``async def`` test runs on asyncio's event loop and, where it is installed, on uvloop's.

A test fails that leaves a task behind, or an error that nobody but the event loop was told.
"""

import asyncio
import inspect
import socket
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

# Any import mode of pytest finds the helpers of these tests.
sys.path.append(str(Path(__file__).parent))

LOOPS = ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]


def new_loop(kind):
    if kind == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


@pytest.fixture(params=LOOPS)
def make_loop(request):
    """A function that makes an event loop, for tests that run it by themselves."""
    return partial(new_loop, request.param)


def run(kind, coroutine):
    """Run a coroutine on a loop of its own; all that it started must be over when it is."""
    loop = new_loop(kind)
    untold = []
    loop.set_exception_handler(lambda loop, context: untold.append(context))
    try:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(coroutine)
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert not left
    assert not untold


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """No proxy of the machine that the tests run on."""
    for name in ("ws", "wss", "http", "https", "all", "socks", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@pytest.fixture
def deaf():
    """An address that never answers: what Linux does when too many wait to be accepted."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = []
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
            waiting.append(sock)
        yield server.getsockname()
        for sock in waiting:
            sock.close()


def pytest_generate_tests(metafunc):
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.fixturenames.append("loop_kind")
        metafunc.parametrize("loop_kind", LOOPS)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    names = inspect.signature(pyfuncitem.function).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    run(pyfuncitem.callspec.params["loop_kind"], pyfuncitem.obj(**arguments))
    return True
