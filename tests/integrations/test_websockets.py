"""websockets, patched: the seams themselves, and peers without wsfast in other processes."""

import asyncio
import importlib
import inspect
import subprocess
import sys
from importlib.util import find_spec

import pytest
import trio
from patching import patched
from peers import MESSAGES, MIXED

from wsfast.integrations import _websockets_asyncio, _websockets_protocol
from wsfast.integrations.websockets import integration

# websockets runs on trio from version 17 on, which wants Python 3.11.
STACKS = ["asyncio", "sync", *(["trio"] if find_spec("websockets.trio") else [])]


@pytest.mark.parametrize("name", STACKS)
def test_the_library_calls_what_is_patched(monkeypatch, peer, name):
    """The seams are those that are called, and not merely those that can be seen."""
    calls = set()

    def spy_on(module, name):
        function = getattr(module, name)

        def spy(*args, **options):
            calls.add(name)
            return function(*args, **options)

        spy.__name__ = name
        monkeypatch.setattr(module, name, spy)

    spy_on(_websockets_protocol, "split_frames")
    spy_on(_websockets_protocol, "serialize_frame")
    spy_on(_websockets_asyncio, "decode_utf8")
    spy_on(_websockets_asyncio, "encode_utf8")
    url = f"ws://127.0.0.1:{int(peer('websockets-server').stdout.readline())}/"
    with patched(integration):
        if name == "asyncio":
            asyncio.run(echo_on_asyncio(url, [MIXED]))
        elif name == "trio":
            trio.run(echo_on_trio, url, [MIXED])
        else:
            echo_in_sync(url, [MIXED])
        seams = [seam for seam in integration.in_place() if f".{name}." in seam]
    assert len(seams) == (4 if name == "asyncio" else 2)
    assert calls == {"split_frames", "serialize_frame", "decode_utf8", "encode_utf8"}


async def echo_on_asyncio(url, messages, compression=None):
    from websockets.asyncio.client import connect

    async with connect(url, max_size=None, compression=compression) as connection:
        for message in messages:
            await connection.send(message)
            assert await connection.recv() == message
        await connection.send(["frag", "ments: ", MIXED])
        assert await connection.recv() == "fragments: " + MIXED


async def echo_on_trio(url, messages, compression=None):
    from websockets.trio.client import connect

    async with connect(url, max_size=None, compression=compression) as connection:
        for message in messages:
            await connection.send(message)
            assert await connection.recv() == message
        await connection.send(["frag", "ments: ", MIXED])
        assert await connection.recv() == "fragments: " + MIXED


def echo_in_sync(url, messages, compression=None):
    from websockets.sync.client import connect

    with connect(url, max_size=None, compression=compression) as connection:
        for message in messages:
            connection.send(message)
            assert connection.recv() == message
        connection.send(["frag", "ments: ", MIXED])
        assert connection.recv() == "fragments: " + MIXED


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_server_without_wsfast_agrees(peer, compression):
    url = f"ws://127.0.0.1:{int(peer('websockets-server').stdout.readline())}/"
    with patched(integration):
        asyncio.run(echo_on_asyncio(url, MESSAGES, compression))
        echo_in_sync(url, MESSAGES[:-1], compression)
        if "trio" in STACKS:
            trio.run(echo_on_trio, url, MESSAGES[:-1], compression)


@pytest.mark.parametrize("client", ["websockets-client", "websocket-client"])
def test_a_client_without_wsfast_agrees(peer, client):
    from websockets.asyncio.server import serve

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async def main():
        async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
            process = peer(client, server.sockets[0].getsockname()[1])
            return await asyncio.to_thread(process.stdout.readline)

    with patched(integration):
        assert asyncio.run(main()) == "ok\n"


MODULES = {
    "websockets.protocol": ["Protocol"],
    "websockets.frames": ["Frame"],
}
for stack in STACKS:
    MODULES[f"websockets.{stack}.messages"] = ["Assembler"]
    MODULES[f"websockets.{stack}.connection"] = ["Connection"]


def test_unpatch_restores_the_very_objects():
    classes = [
        getattr(importlib.import_module(module), name)
        for module, names in MODULES.items()
        for name in names
    ]

    def owned():
        return [list(vars(each).items()) for each in classes]

    before = owned()
    with patched(integration):
        assert all(one != other for one, other in zip(owned(), before, strict=True))
    assert owned() == before


def test_replacements_are_of_the_same_kind_and_signature():
    originals = {seam: seam.find()[2] for seam in integration.seams if seam.module in sys.modules}
    with patched(integration):
        for seam, original in originals.items():
            if inspect.isbuiltin(original):
                continue
            original, replacement = (getattr(f, "__func__", f) for f in (original, seam.find()[2]))
            assert parameters(replacement) == parameters(original)
            for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction):
                assert kind(replacement) == kind(original)


def parameters(function):
    signature = inspect.signature(function, follow_wrapped=False)
    return [(each.name, each.kind, each.default) for each in signature.parameters.values()]


def test_patching_imports_nothing():
    program = (
        "import sys\n"
        "from wsfast.integrations import websockets\n"
        "assert websockets.patch()\n"
        "assert 'websockets' not in sys.modules\n"
        "import websockets.asyncio.client\n"
        "from wsfast.integrations.websockets import integration\n"
        "assert len(integration.in_place()) == 9, integration.in_place()\n"
        "assert not {'websockets.sync.connection', 'websockets.legacy'} & sys.modules.keys()\n"
        "import websockets.sync.server\n"
        "assert len(integration.in_place()) == 11, integration.in_place()\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
