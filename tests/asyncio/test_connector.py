"""What connect() returns: a coroutine, a context, a loop; by any task, any number of times."""

import asyncio
import gc
import socket
import sys
import threading
import warnings
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress

import pytest
from listeners import HOST, echoing, listening, switching, url

from wsfast.asyncio.client import connect
from wsfast.asyncio.handlers import Callbacks
from wsfast.exceptions import ConnectionClosed
from wsfast.protocol.connection import State


@asynccontextmanager
async def recording():
    """A server that accepts and says nothing else, and keeps what comes behind each handshake."""
    heard = []

    async def serve_one(reader, writer):
        writer.write(switching(await reader.readuntil(b"\r\n\r\n")))
        heard.append(bytearray())
        mine = heard[-1]
        while data := await reader.read(1 << 16):
            mine += data

    async with listening(serve_one) as port:
        yield port, heard


async def closed(server_side):
    """The close code that a server of websockets has received."""
    await server_side.wait_closed()
    return server_side.close_code


# A coroutine.


async def in_thread(coroutine):
    loop = asyncio.get_running_loop()
    future = await asyncio.to_thread(asyncio.run_coroutine_threadsafe, coroutine, loop)
    return await asyncio.wrap_future(future)


async def in_group(coroutine):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(coroutine)
    return task.result()


async def gathered(coroutine):
    return (await asyncio.gather(coroutine))[0]


@pytest.mark.parametrize(
    "way",
    [
        asyncio.create_task,
        asyncio.ensure_future,
        asyncio.shield,
        gathered,
        lambda coroutine: asyncio.wait_for(coroutine, 10),
        in_thread,
        *([in_group] if sys.version_info >= (3, 11) else []),
    ],
)
async def test_it_is_run_in_every_way_that_a_coroutine_is(way):
    async with echoing() as (port, served):
        connector = connect(url(port))
        for _ in range(2):
            ws = await way(connector)
            await ws.send("Hello")
            assert await ws.recv() == "Hello"
            await ws.close()
        assert len(served) == 2


async def test_tasks_run_it_side_by_side():
    async with echoing() as (port, served):
        connector = connect(url(port))
        tasks = [asyncio.create_task(connector) for _ in range(5)]
        connections = [await task for task in tasks]
        assert len(set(connections)) == len(served) == 5
        for ws in connections:
            await ws.close()


def test_a_loop_runs_it_until_it_is_complete(make_loop):
    async def close(ws):
        await ws.close()

    loop = make_loop()
    try:
        server = echoing()
        port, _ = loop.run_until_complete(server.__aenter__())
        ws = loop.run_until_complete(connect(url(port)))
        assert ws.state is State.OPEN
        loop.run_until_complete(close(ws))
        loop.run_until_complete(server.__aexit__(None, None, None))
    finally:
        loop.close()


@pytest.mark.parametrize("runner", [None, "Runner"])
def test_it_is_the_main_program(runner, make_loop):
    if runner and sys.version_info < (3, 11):
        pytest.skip("new in Python 3.11")
    opened = []
    callbacks = Callbacks(on_open=lambda ws: (opened.append(ws), ws.abort()))
    with socket.create_server((HOST, 0)) as server:
        thread = threading.Thread(target=accept_one, args=(server,))
        thread.start()
        program = connect(url(server.getsockname()[1]), callbacks)
        if runner:
            with asyncio.Runner(loop_factory=make_loop) as running:
                ws = running.run(program)
        else:
            ws = asyncio.run(program)
        thread.join()
    assert opened == [ws]


def accept_one(server):
    """Accept one connection, its handshake too, and wait for its end."""
    sock, _ = server.accept()
    with sock, suppress(OSError):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1 << 16)
        sock.sendall(switching(head))
        while sock.recv(1 << 16):
            pass


def forget(port):
    connect(url(port))


def test_a_forgotten_await_is_warned_of():
    with pytest.warns(RuntimeWarning, match=r"connect\(\) was never awaited: write `ws = await"):
        forget(1)


async def test_nothing_is_warned_of_what_was_used():
    async with echoing() as (port, _):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await (await connect(url(port))).close()
            async with connect(url(port)):
                pass
            async for _ws in connect(url(port), backoff=[]):
                pass
            gc.collect()


# A context.


@pytest.mark.parametrize("same", [True, False], ids=["one connector", "two"])
async def test_each_block_closes_its_own_connection(same):
    async with echoing() as (port, _):
        one = connect(url(port))
        other = one if same else connect(url(port))
        async with one as outer:
            async with other as inner:
                assert outer is not inner
            assert (outer.state, inner.state) == (State.OPEN, State.CLOSED)
            await outer.send("Hello")
            assert await outer.recv() == "Hello"
        assert outer.state is State.CLOSED


async def test_each_block_of_each_task_closes_its_own_connection():
    async with echoing() as (port, _):
        connector = connect(url(port))
        entered = [asyncio.Event() for _ in range(3)]
        leave = [asyncio.Event() for _ in range(3)]
        connections = {}

        async def use(number):
            async with connector as connections[number]:
                entered[number].set()
                await leave[number].wait()

        tasks = [asyncio.create_task(use(number)) for number in range(3)]
        for event in entered:
            await event.wait()
        for left in (1, 0, 2):  # neither in order nor against it
            leave[left].set()
            await tasks[left]
            for number, ws in connections.items():
                assert (ws.state is State.CLOSED) == tasks[number].done()


async def test_a_block_may_be_left_in_another_task():
    """As that of an asynchronous generator that is a fixture."""
    async with echoing() as (port, _):
        connector = connect(url(port))

        async def fixture():
            async with connector as ws:
                yield ws

        generator = fixture()
        ws = await asyncio.create_task(anext(generator))
        with pytest.raises(StopAsyncIteration):
            await asyncio.create_task(anext(generator))
        assert ws.state is State.CLOSED


async def test_blocks_on_a_stack_are_left_in_turn():
    async with echoing() as (port, _):
        connector = connect(url(port))
        async with AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(connector) for _ in range(3)]
            assert {ws.state for ws in connections} == {State.OPEN}
        assert {ws.state for ws in connections} == {State.CLOSED}


@pytest.mark.parametrize(
    ("error", "code"),
    [(None, 1000), (KeyError(), 1011), (asyncio.CancelledError(), 1001), (SystemExit(), 1001)],
    ids=repr,
)
async def test_the_end_of_a_block_says_how_it_ended(error, code):
    async with echoing() as (port, served):
        with suppress(KeyError, asyncio.CancelledError, SystemExit):
            async with connect(url(port)):
                if error is not None:
                    raise error
        assert await closed(served[0]) == code


async def test_a_block_that_is_cancelled_closes_with_going_away():
    async with echoing() as (port, served):
        inside = asyncio.Event()

        async def use():
            async with connect(url(port)):
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(use())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await closed(served[0]) == 1001


async def test_a_block_may_close_by_itself():
    async with echoing() as (port, served):
        async with connect(url(port)) as ws:
            await ws.close(4000)
        assert await closed(served[0]) == 4000


async def test_a_block_that_the_server_ends_ends_with_its_error():
    async with echoing() as (port, served):

        async def use():
            async with connect(url(port)) as ws:
                await served[0].close(1012)
                await ws.recv()

        with pytest.raises(ConnectionClosed) as caught:
            await use()
        assert caught.value.code == 1012


@pytest.mark.parametrize("error", [None, KeyError()], ids=repr)
async def test_after_an_abort_nothing_is_sent(error):
    async with recording() as (port, heard):
        try:
            async with connect(url(port)) as ws:
                ws.abort()
                if error is not None:
                    raise error
        except KeyError:
            pass
        assert ws.state is State.CLOSED
        await asyncio.sleep(0.02)
    assert heard == [b""]


async def test_cancelling_the_closing_handshake_aborts_the_connection():
    async with recording() as (port, heard):

        async def use():
            async with connect(url(port), close_timeout=None) as ws:
                connections.append(ws)

        connections = []
        task = asyncio.create_task(use())
        while not heard or not heard[0]:  # until the close frame is there, which nobody answers
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await connections[0].wait_closed()


# A loop.


async def test_a_body_that_ends_closes_normally():
    async with echoing() as (port, served):
        async for _ws in connect(url(port), backoff=iter([0])):
            pass
        assert [await closed(ws) for ws in served] == [1000, 1000]


@pytest.mark.parametrize("how", ["break", "error", "aclosing", "cancelled"])
async def test_a_loop_that_is_left_goes_away(how):
    """Python does not tell a loop's iterator why the loop is left."""
    async with echoing() as (port, served):
        inside = asyncio.Event()

        async def use():
            loop = aiter(connect(url(port)))
            if how == "aclosing":
                async with aclosing(loop):
                    async for _ws in loop:
                        return
            async for _ws in loop:
                inside.set()
                if how == "break":
                    break
                if how == "error":
                    raise KeyError
                await asyncio.Event().wait()

        task = asyncio.create_task(use())
        if how == "cancelled":
            await inside.wait()
            task.cancel()
        await asyncio.wait([task])
        if how in ("error", "cancelled"):
            with pytest.raises((KeyError, asyncio.CancelledError)):
                task.result()
        del task  # and with it the frames of the error, which hold the loop
        gc.collect()
        assert await closed(served[0]) == 1001


async def test_an_abort_in_a_loop_sends_nothing():
    async with recording() as (port, heard):
        async for ws in connect(url(port), backoff=iter([0])):
            ws.abort()
        await asyncio.sleep(0.02)
    assert heard == [b"", b""]
