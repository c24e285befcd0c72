"""Giving up on a connection, or failing to make one, leaves nothing behind."""

import asyncio
import gc
import os
import socket
import sys
import types
import warnings
from contextlib import AsyncExitStack

import pytest
from listeners import (
    HOST,
    Answer,
    HttpProxy,
    Silence,
    SocksProxy,
    client_context,
    listening,
    resolving,
    server_context,
    upgrading,
    url,
)

from wsfast.asyncio import client, dialing
from wsfast.asyncio.client import connect, timeout
from wsfast.exceptions import HandshakeError


@pytest.fixture(params=["time-out", "cancellation"])
def give_up(request, monkeypatch):
    """A function that connects, waits for ``reached``, and gives up."""
    times = []

    def recorded(delay):
        times.append(timeout(delay))
        return times[-1]

    async def give_up(uri, reached, **options):
        monkeypatch.setattr(client, "timeout", recorded)
        task = asyncio.ensure_future(connect(uri, **options).__aenter__())
        await reached.wait()
        if request.param == "cancellation":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            end_now = times[0].reschedule if sys.version_info >= (3, 11) else times[0].update
            end_now(asyncio.get_running_loop().time())
            with pytest.raises(TimeoutError, match="open_timeout"):
                await task

    return give_up


async def nothing_is_left():
    """No timer, and no socket that only the garbage collector would close."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    timers = [timer for timer in getattr(loop, "_scheduled", ()) if not timer.cancelled()]
    assert not timers
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()
    assert not [warning for warning in caught if warning.category is ResourceWarning]


async def test_giving_up_on_the_look_up_of_the_name(give_up, monkeypatch):
    reached = asyncio.Event()

    async def getaddrinfo(host, port, **options):
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    await give_up("ws://example.test/", reached)
    await nothing_is_left()


@pytest.mark.parametrize("addresses", [1, 2])
async def test_giving_up_on_tcp(give_up, monkeypatch, deaf, addresses):
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()
    sock_connect = loop.sock_connect

    def connecting(sock, address):
        reached.set()
        return sock_connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", connecting, raising=False)
    resolving(monkeypatch, *[deaf] * addresses)
    await give_up("ws://example.test/", reached)
    await nothing_is_left()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_giving_up_on_a_server_that_says_nothing(give_up, scheme):
    silence = Silence()
    async with listening(silence) as port:
        await give_up(url(port, scheme=scheme), silence.came)
        await silence.gone.wait()
        await nothing_is_left()


async def test_giving_up_on_a_server_that_says_nothing_within_tls(give_up):
    silence = Silence()
    async with listening(silence, ssl=server_context()) as port:
        await give_up(url(port, scheme="wss"), silence.came, ssl=client_context())
        await silence.gone.wait()
        await nothing_is_left()


async def test_giving_up_after_a_redirect(give_up):
    silence = Silence()
    async with listening(silence) as silent:
        redirect = f"HTTP/1.1 302 Found\r\nLocation: {url(silent)}\r\nContent-Length: 0\r\n\r\n"
        async with listening(Answer(redirect.encode())) as port:
            await give_up(url(port), silence.came)
            await silence.gone.wait()
            await nothing_is_left()


@pytest.mark.parametrize("scheme", ["http", "https", "socks4a", "socks5h"])
async def test_giving_up_on_a_proxy_that_says_nothing(give_up, scheme):
    silence = Silence()
    async with listening(silence) as port:
        proxy = f"{scheme}://{HOST}:{port}"
        await give_up("ws://example.test/", silence.came, proxy=proxy)
        await silence.gone.wait()
        await nothing_is_left()


async def test_giving_up_on_tls_through_a_proxy(give_up):
    silence = Silence()
    async with listening(silence) as silent, listening(HttpProxy()) as port:
        proxy = f"http://{HOST}:{port}"
        await give_up(f"wss://example.test:{silent}/", silence.came, proxy=proxy)
        await silence.gone.wait()
        await nothing_is_left()


async def test_a_time_out_says_what_took_too_long():
    async with listening(Silence()) as port:
        with pytest.raises(TimeoutError) as caught:
            await connect(f"ws://me:secret@{HOST}:{port}/", open_timeout=0.1)
    assert "0.1 seconds" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("proxy", [None, "http"])
async def test_a_refusal_leaves_nothing_behind(proxy):
    answer = Answer(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
    async with listening(answer) as port:
        with pytest.raises(HandshakeError):
            await connect(url(port), proxy=proxy and f"http://{HOST}:{port}")
        await answer.gone.wait()
        await nothing_is_left()


async def test_a_socket_that_cannot_be_used_is_closed(monkeypatch):
    async def create_connection(*args, **options):
        raise OSError("no")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "create_connection", create_connection, raising=False)
    async with listening(Silence()) as port:
        with socket.create_connection((HOST, port)) as sock:
            with pytest.raises(OSError, match="no"):
                await connect("ws://example.test/", sock=sock)
            assert sock.fileno() == -1


async def test_a_loop_without_tls_within_tls_leaves_nothing_behind(monkeypatch):
    async def start_tls(*args, **options):
        raise TypeError("as asyncio's does before Python 3.11")

    monkeypatch.setattr(asyncio.get_running_loop(), "start_tls", start_tls, raising=False)
    silence = Silence()
    async with listening(silence) as port, listening(HttpProxy()) as proxy_port:
        with pytest.raises(TypeError):
            await connect(url(port, scheme="wss"), proxy=f"http://{HOST}:{proxy_port}")
        await silence.gone.wait()
        await nothing_is_left()


def test_the_certificates_of_the_system_are_read_once():
    assert dialing._trusting_the_system() is dialing._trusting_the_system()


# Cancelling at each step.


@types.coroutine
def cancelled_at(step, late, coroutine):
    """Run a coroutine, and cancel the running task when it waits for the ``step``-th time.

    ``late`` is when what it waits for is there, and it has not been told yet.
    """
    task = asyncio.current_task()
    resume, value = coroutine.send, None
    while True:
        try:
            future = resume(value)
        except StopIteration as exc:
            return exc.value
        step -= 1
        if step == 0:
            if late and future is not None:
                future.add_done_callback(lambda _: task.cancel())
            else:
                task.cancel()
        try:
            resume, value = coroutine.send, (yield future)
        except BaseException as exc:
            resume, value = coroutine.throw, exc


async def run_cancelled_at(step, late, connector):
    return await cancelled_at(step, late, connector)


async def end(ws):
    ws.abort()
    await ws.wait_closed()


def descriptors():
    return len(os.listdir("/proc/self/fd"))


async def straight(stack, monkeypatch):
    port = await stack.enter_async_context(listening(upgrading(b"")))
    return connect(url(port))


async def by_two_addresses(stack, monkeypatch):
    port = await stack.enter_async_context(listening(upgrading(b"")))
    resolving(monkeypatch, ("127.0.0.2", port), (HOST, port))
    return connect(f"ws://two.test:{port}/")


async def by_tls(stack, monkeypatch):
    port = await stack.enter_async_context(listening(upgrading(b""), ssl=server_context()))
    return connect(f"wss://localhost:{port}/", ssl=client_context())


async def by_a_proxy(stack, monkeypatch):
    port = await stack.enter_async_context(listening(upgrading(b"")))
    proxy_port = await stack.enter_async_context(listening(HttpProxy()))
    return connect(url(port), proxy=f"http://{HOST}:{proxy_port}")


async def by_tls_to_a_proxy(stack, monkeypatch):
    port = await stack.enter_async_context(listening(upgrading(b"")))
    proxy_port = await stack.enter_async_context(listening(HttpProxy(), ssl=server_context()))
    proxy = f"https://{HOST}:{proxy_port}"
    return connect(url(port), proxy=proxy, proxy_ssl=client_context())


async def by_tls_through_a_proxy(stack, monkeypatch):
    port = await stack.enter_async_context(listening(upgrading(b""), ssl=server_context()))
    proxy_port = await stack.enter_async_context(listening(HttpProxy()))
    uri, proxy = f"wss://localhost:{port}/", f"http://{HOST}:{proxy_port}"
    return connect(uri, ssl=client_context(), proxy=proxy)


async def by_socks(stack, monkeypatch):
    port = await stack.enter_async_context(listening(upgrading(b"")))
    proxy_port = await stack.enter_async_context(listening(SocksProxy()))
    return connect(url(port), proxy=f"socks5h://{HOST}:{proxy_port}")


async def by_a_redirect(stack, monkeypatch):
    port = await stack.enter_async_context(listening(upgrading(b"")))
    answer = f"HTTP/1.1 302 Found\r\nLocation: {url(port)}\r\nContent-Length: 9\r\n\r\n"
    there = await stack.enter_async_context(listening(Answer(answer.encode())))
    return connect(url(there))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors cannot be counted")
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize(
    "way",
    [
        straight,
        by_two_addresses,
        by_tls,
        by_a_proxy,
        by_tls_to_a_proxy,
        by_tls_through_a_proxy,
        by_socks,
        by_a_redirect,
    ],
)
async def test_cancelling_at_each_step_leaves_no_socket_and_no_task(way, late, monkeypatch, caplog):
    if way is by_tls_through_a_proxy and sys.version_info < (3, 11):
        pytest.skip("asyncio before Python 3.11 forgets the transport that start_tls() has made")
    async with AsyncExitStack() as stack:
        connector = await way(stack, monkeypatch)
        await end(await connector)  # once before, for what is opened once
        await asyncio.sleep(0.05)
        open_before, tasks_before = descriptors(), asyncio.all_tasks()
        for step in range(1, 100):
            try:
                ws = await asyncio.create_task(run_cancelled_at(step, late, connector))
            except asyncio.CancelledError:
                ws = None
            else:
                await end(ws)
            for _ in range(200):
                if descriptors() <= open_before and asyncio.all_tasks() <= tasks_before:
                    break
                await asyncio.sleep(0.005)
            assert descriptors() <= open_before
            assert asyncio.all_tasks() <= tasks_before
            if ws is not None:
                break
        assert 1 < step < 100
    assert not [record for record in caplog.records if record.name == "asyncio"]
    await nothing_is_left()
