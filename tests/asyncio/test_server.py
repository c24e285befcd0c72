"""A server, over sockets: listening, handlers, closing."""

import asyncio
import gc
import logging
import socket
import weakref
from contextlib import suppress

import pytest
from raw import ACCEPT, Peer, page, request
from serving import HERE, echo, forever
from wires import TEXT

from wsfast.asyncio.handlers import Callbacks
from wsfast.asyncio.server import serve
from wsfast.exceptions import ConnectionClosed, StateError
from wsfast.protocol.connection import State

# Listening.


async def test_a_server_answers_the_handshake_and_runs_the_handler():
    async with serve(echo, *HERE) as server, Peer(server) as peer:
        head = await peer.open()
        peer.text("Hello")
        assert head.headers["sec-websocket-accept"] == ACCEPT
        assert await peer.frame() == (TEXT, b"Hello")


async def test_a_server_that_is_awaited_listens_until_it_is_closed():
    server = await serve(echo, *HERE)
    assert server.is_serving()
    port = server.port
    await server.close()
    assert not server.is_serving()
    assert server.sockets == ()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_server_that_does_not_listen_has_no_port():
    server = serve(echo, *HERE)
    assert server.sockets == ()
    with pytest.raises(StateError, match="no port"):
        server.port  # noqa: B018


async def test_a_closed_server_does_not_listen_again():
    server = serve(echo, *HERE)
    await server.close()
    with pytest.raises(StateError, match="closed"):
        await server


async def test_without_a_host_it_listens_at_all_interfaces():
    with socket.socket() as reserved:
        reserved.bind(HERE)
        port = reserved.getsockname()[1]
    async with serve(echo, port=port) as server:
        families = {sock.family for sock in server.sockets}
    assert socket.AF_INET in families
    assert len(families) == (2 if socket.has_dualstack_ipv6() else 1)


async def test_it_listens_at_a_socket_that_is_given():
    sock = socket.socket()
    sock.bind(HERE)
    async with serve(echo, sock=sock) as server, Peer(server) as peer:
        assert server.port == sock.getsockname()[1]
        await peer.open()


@pytest.mark.parametrize("bound", [False, True], ids=["path", "socket"])
async def test_it_listens_at_a_unix_socket(tmp_path, bound):
    path = str(tmp_path / "socket")
    if bound:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        server = await serve(echo, sock=sock)
    else:
        server = await serve(echo, unix=path)
    async with server, Peer(server) as peer:
        await peer.open()
        peer.text("Hello")
        assert await peer.frame() == (TEXT, b"Hello")
        with pytest.raises(StateError):
            server.port  # noqa: B018


@pytest.mark.parametrize("where", [{}, {"host": "localhost"}, {"port": 0, "unix": "/x"}])
def test_it_must_be_said_in_one_way_where_to_listen(where):
    with pytest.raises(ValueError, match="one of port"):
        serve(echo, **where)


def test_a_handler_must_be_callable():
    with pytest.raises(TypeError, match="handler"):
        serve("echo", *HERE)


def test_an_unknown_keyword_is_named():
    with pytest.raises(TypeError, match=r"serve\(\).*'max_sise'"):
        serve(echo, *HERE, max_sise=5)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"subprotocols": "chat"}, TypeError),
        ({"origins": "https://a.example"}, TypeError),
        ({"headers": {"Upgrade": "x"}}, ValueError),
        ({"headers": {"X": "a\r\nb"}}, ValueError),
        ({"realm": "a\r\nb"}, ValueError),
    ],
)
def test_what_would_fail_in_every_handshake_fails_at_once(wrong, error):
    with pytest.raises(error):
        serve(echo, *HERE, **wrong)


async def test_a_port_in_use_is_an_error_of_the_system():
    async with serve(echo, *HERE) as server:
        with pytest.raises(OSError, match="bind on address"):
            await serve(echo, "127.0.0.1", server.port)


async def test_serve_forever_ends_when_the_server_is_closed():
    server = serve(echo, *HERE)
    forever = asyncio.create_task(server.serve_forever())
    while not server.is_serving():
        await asyncio.sleep(0)
    await server.close()
    await forever


async def test_serve_forever_closes_the_server_when_it_is_cancelled():
    server = await serve(echo, *HERE)
    forever = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    forever.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forever
    assert not server.is_serving()


# Handlers.


async def test_a_handler_that_returns_closes_with_1000():
    async def handler(ws):
        await ws.send("bye")

    async with serve(handler, *HERE) as server, Peer(server) as peer:
        await peer.open()
        assert await peer.frame() == (TEXT, b"bye")
        assert await peer.close_code() == 1000
        peer.close()
        await peer.ended()


async def fails_at_once(ws):
    raise RuntimeError("oops")


def is_no_coroutine(ws):
    return None


@pytest.mark.parametrize("handler", [fails_at_once, is_no_coroutine])
async def test_a_handler_that_fails_is_logged_and_closes_with_1011(handler, caplog):
    async with serve(handler, *HERE) as server, Peer(server) as peer:
        await peer.open()
        assert await peer.close_code() == 1011
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("wsfast.server", "ERROR")
    assert record.exc_info


async def test_a_handler_that_is_cancelled_closes_with_1001(caplog):
    async def handler(ws):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    async with serve(handler, *HERE) as server, Peer(server) as peer:
        await peer.open()
        assert await peer.close_code() == 1001
    assert not caplog.records


async def test_a_handler_may_let_the_end_of_its_connection_pass(caplog):
    async def handler(ws):
        while True:
            await ws.recv()

    async with serve(handler, *HERE) as server, Peer(server) as peer:
        await peer.open()
        peer.close()
        assert await peer.close_code() == 1000
        await peer.ended()
    assert not caplog.records


async def test_the_end_of_another_connection_is_an_error(caplog):
    async def handler(ws):
        raise ConnectionClosed()

    async with serve(handler, *HERE) as server, Peer(server) as peer:
        await peer.open()
        assert await peer.close_code() == 1011
    assert len(caplog.records) == 1


async def test_a_logger_can_be_given(caplog):
    logger = logging.getLogger("ours")
    async with serve(fails_at_once, *HERE, logger=logger) as server, Peer(server) as peer:
        await peer.open()
        assert await peer.close_code() == 1011
    assert [record.name for record in caplog.records] == ["ours"]


async def test_callbacks_run_without_a_task():
    happened = []
    tasks = []

    def on_message(ws, message):
        tasks.append(asyncio.all_tasks())
        happened.append(message)
        ws.send(message)

    callbacks = Callbacks(
        lambda ws: happened.append("open"), on_message, lambda ws: happened.append(ws.close_code)
    )
    async with serve(callbacks, *HERE) as server, Peer(server) as peer:
        await peer.open()
        peer.text("Hello")
        assert await peer.frame() == (TEXT, b"Hello")
        peer.close()
        assert await peer.close_code() == 1000
        await peer.ended()
    assert happened == ["open", "Hello", 1000]
    assert tasks == [{asyncio.current_task()}]


async def test_connections_are_those_that_are_open():
    async with serve(forever, *HERE) as server, Peer(server) as peer:
        await peer.open()
        (ws,) = server.connections
        assert ws.state is State.OPEN
        peer.close()
        await peer.ended()
        await ws.wait_closed()
        assert not server.connections
        await server.close(timeout=0.01)


# Closing.


async def test_closing_says_goodbye_to_everybody():
    async with serve(echo, *HERE) as server, Peer(server) as one, Peer(server) as two:
        await one.open()
        await two.open()
        closing = asyncio.create_task(server.close(1012, "restart"))
        for peer in (one, two):
            assert await peer.frame() == (8, (1012).to_bytes(2, "big") + b"restart")
            peer.close(1012)
        await closing
        assert not server.connections


async def test_closing_with_1001_is_the_default():
    async with serve(echo, *HERE) as server, Peer(server) as peer:
        await peer.open()
        closing = asyncio.create_task(server.close())
        assert await peer.close_code() == 1001
        peer.close(1001)
        await closing


async def test_closing_waits_for_handlers_to_return():
    done = []

    async def handler(ws):
        async for _ in ws:
            pass
        await asyncio.sleep(0)
        done.append(True)

    async with serve(handler, *HERE) as server, Peer(server) as peer:
        await peer.open()
        closing = asyncio.create_task(server.close())
        await peer.close_code()
        peer.close(1001)
        await closing
        assert done == [True]


async def test_closing_does_not_wait_longer_than_its_timeout_for_anybody():
    cancelled = []

    async def handler(ws):
        try:
            await forever(ws)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async with serve(handler, *HERE) as server, Peer(server) as peer:
        await peer.open()
        await server.close(timeout=0.01)  # the peer never answers the close frame
        assert cancelled == [True]
        assert not server.connections


async def test_closing_leaves_a_handler_behind_that_will_not_be_cancelled():
    release = asyncio.Event()
    stubborn = []

    async def handler(ws):
        stubborn.append(asyncio.current_task())
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()

    async with serve(handler, *HERE) as server, Peer(server) as peer:
        await peer.open()
        await asyncio.sleep(0)
        await server.close(timeout=0.01)
        release.set()
        await asyncio.wait(stubborn)


async def test_a_handler_can_close_its_own_server():
    async def handler(ws):
        await server.close()

    server = await serve(handler, *HERE)
    async with Peer(server) as peer:
        await peer.open()
        assert await peer.close_code() == 1001
        peer.close(1001)
        await peer.ended()
        await server.wait_closed()


async def test_closing_twice_waits_for_the_first():
    async with serve(echo, *HERE) as server, Peer(server) as peer:
        await peer.open()
        first = asyncio.create_task(server.close())
        await asyncio.sleep(0)
        second = asyncio.create_task(server.close())
        await peer.close_code()
        assert not second.done()
        peer.close(1001)
        await asyncio.gather(first, second)


async def test_closing_with_a_code_that_cannot_be_sent_changes_nothing():
    async with serve(echo, *HERE) as server:
        with pytest.raises(ValueError, match="1006"):
            await server.close(1006)
        assert server.is_serving()


async def test_closing_drops_handshakes_that_are_not_done():
    started = asyncio.Event()

    async def never(request):
        started.set()
        await forever(request)

    async with (
        serve(echo, *HERE, process_request=never) as server,
        Peer(server) as idle,
        Peer(server) as partial,
        Peer(server) as waiting,
    ):
        partial.send(b"GET / HTTP/1.1\r\n")
        waiting.send(request())
        await started.wait()
        await server.close()
        for peer in (idle, partial, waiting):
            await peer.ended()


# Nothing leaks.


async def test_after_closing_nothing_is_left_of_the_connections():
    loop = asyncio.get_running_loop()
    kept = weakref.WeakSet()

    async def handler(ws):
        kept.add(ws)
        await echo(ws)

    server = await serve(handler, *HERE)
    kept.add(server)
    async with Peer(server) as peer, Peer(server) as idle, Peer(server) as refused:
        await peer.open()
        refused.send(page())
        await refused.head()
        kept.update(server._reception.pending)
        peer.text("Hello")
        await peer.frame()
        assert len(kept) >= 4
        await server.close(timeout=0.01)
        for one in (peer, idle, refused):
            await one.ended()
    del server, handler
    await asyncio.sleep(0)
    gc.collect()
    assert not list(kept)
    if hasattr(loop, "_scheduled"):
        assert not [timer for timer in loop._scheduled if not timer.cancelled()]
