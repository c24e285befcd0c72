"""Connecting again: when, after how long, and with what left behind."""

import asyncio
import logging
import ssl
from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from itertools import islice, repeat

import pytest
from listeners import HOST, Answer, echoing, listening
from websockets.datastructures import Headers as ForeignHeaders
from websockets.http11 import Response as ForeignResponse

from wsfast.asyncio.client import connect
from wsfast.asyncio.reconnect import MAX_RETRY_AFTER, Retry, backoff, may_pass, retry_after
from wsfast.exceptions import ConnectionClosed, HandshakeError
from wsfast.protocol.connection import State
from wsfast.protocol.http import Headers, Response

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def status(code, **headers):
    fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return HandshakeError("status", "no", Response(code, fields))


# Delays.


def test_delays_double_up_to_the_longest():
    for delay, longest in zip(backoff(1, 2, 10), [1, 2, 4, 8, 10, 10], strict=False):
        assert longest / 2 <= delay <= longest


def test_delays_are_left_to_chance():
    assert list(islice(backoff(), 5)) != list(islice(backoff(), 5))


def test_delays_are_taken_in_order():
    retry = Retry([1, 2])
    assert [retry.next_delay(), retry.next_delay(), retry.next_delay()] == [1, 2, None]


@pytest.mark.parametrize("delays", [[1, 2], lambda: iter([1, 2])], ids=["list", "function"])
def test_delays_begin_anew(delays):
    retry = Retry(delays)
    retry.next_delay()
    retry.restart()
    assert retry.next_delay() == 1


def test_an_iterator_is_used_up():
    retry = Retry(iter([1, 2]))
    retry.next_delay()
    retry.restart()
    assert [retry.next_delay(), retry.next_delay()] == [2, None]


def test_the_last_delay_is_known_until_they_begin_anew():
    retry = Retry([1, 2])
    retry.next_delay()
    assert retry.last == 1
    retry.restart()
    assert retry.last == 0


def test_a_server_may_ask_for_more_patience_but_not_for_less():
    retry = Retry(repeat(5))
    assert retry.next_delay(status(503, Retry_After="30")) == 30
    assert retry.next_delay(status(503, Retry_After="1")) == 5


def test_what_cannot_pass_has_no_delay():
    assert Retry(repeat(0)).next_delay(status(404)) is None


# Errors.


@pytest.mark.parametrize(
    "error",
    [
        OSError("no route"),
        ConnectionResetError(),
        TimeoutError(),
        ssl.SSLEOFError(),
        status(500),
        status(503),
        status(429),
        HandshakeError("no_response", "gone"),
        HandshakeError("unfinished_response", "gone"),
    ],
    ids=repr,
)
def test_it_may_pass(error):
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no URI"),
        ssl.SSLCertVerificationError(),
        status(400),
        status(404),
        status(302),
        HandshakeError("accept", "wrong", Response(101)),
        HandshakeError("malformed_response", "no HTTP"),
        ImportError("no library"),
    ],
    ids=repr,
)
def test_it_will_not_pass(error):
    assert not may_pass(error)


# Retry-After.


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("9" * 5000, MAX_RETRY_AFTER),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60),
        ("Thu, 01 Jan 2026 00:01:00", 60),
        ("Fri, 02 Jan 2026 00:00:00 GMT", MAX_RETRY_AFTER),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
        ("-1", 0),
        ("1.5", 0),
        ("soon", 0),
        ("Thu, 99 Jan 2026 99:99:99 GMT", 0),
        ("\xb2", 0),
        ("", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after(Response(503, Headers({"Retry-After": value})), NOW) == seconds


def test_without_retry_after_nothing_is_asked_for():
    assert retry_after(Response(503), NOW) == 0
    assert retry_after(None, NOW) == 0


def test_a_date_is_compared_with_the_clock():
    date = datetime.now(timezone.utc) + timedelta(hours=2)
    response = Response(503, Headers({"Retry-After": date.strftime("%a, %d %b %Y %H:%M:%S GMT")}))
    assert retry_after(response) == MAX_RETRY_AFTER


# The loop.


def at_once():
    return repeat(0)


def url(port):
    return f"ws://{HOST}:{port}/"


async def without_a_connection(connector):
    """Go through a loop that never gets to its body."""
    async for _ws in connector:
        pytest.fail("a connection was made")


def refusing(*answers):
    """For websockets' server: give these answers first, as status and headers."""
    left = list(answers)

    def process_request(connection, request):
        if not left:
            return None
        status = HTTPStatus(left.pop(0))
        return ForeignResponse(status, status.phrase, ForeignHeaders({"Content-Length": "0"}))

    return process_request


async def test_the_loop_connects_again_when_its_body_ends():
    connections = []
    async with echoing() as (port, served):
        async with aclosing(aiter(connect(url(port), backoff=at_once))) as loop:
            async for ws in loop:
                connections.append(ws)
                assert ws.state is State.OPEN
                await ws.send("Hello")
                assert await ws.recv() == "Hello"
                if len(connections) == 3:
                    break
                # Else the body is over, and with it the connection.
        assert len(served) == 3
    assert {ws.state for ws in connections} == {State.CLOSED}


async def test_the_loop_connects_again_when_the_server_closes():
    async with (
        echoing() as (port, served),
        aclosing(aiter(connect(url(port), backoff=at_once))) as loop,
    ):
        async for ws in loop:
            await ws.send("Hello")
            await ws.recv()
            if len(served) == 2:
                break
            await served[-1].close(1012)
            with pytest.raises(ConnectionClosed):
                await ws.recv()


async def test_the_loop_tries_again_while_the_server_is_ill(caplog):
    caplog.set_level(logging.WARNING, "wsfast.client")
    async with (
        echoing(process_request=refusing(503, 500, 429)) as (port, _),
        aclosing(aiter(connect(url(port), backoff=at_once))) as loop,
    ):
        async for _ws in loop:
            break
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert told[0].endswith("the server answered 503 Service Unavailable, not 101; again in 0.0 s")


async def test_the_loop_tries_again_while_nobody_listens(caplog):
    async with listening(Answer(b"")) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        await without_a_connection(connect(url(port), backoff=iter([0, 0])))
    assert len(caplog.records) == 2


async def test_the_loop_ends_with_a_refusal():
    async with echoing(process_request=refusing(503, 404)) as (port, served):
        with pytest.raises(HandshakeError, match="404"):
            await without_a_connection(connect(url(port), backoff=at_once))
        assert not served


async def test_the_loop_ends_with_the_last_error_when_the_delays_run_out():
    async with echoing(process_request=refusing(500, 502, 503, 504)) as (port, _):
        with pytest.raises(HandshakeError, match="503"):
            await without_a_connection(connect(url(port), backoff=iter([0, 0])))


async def test_the_loop_ends_when_the_delays_run_out():
    async with echoing() as (port, served):
        async for _ws in connect(url(port), backoff=iter([0, 0])):
            pass
        assert len(served) == 3


async def test_delays_begin_anew_after_a_connection_that_lived():
    begun = []

    def delays():
        begun.append(True)
        return repeat(0)

    async with (
        echoing() as (port, served),
        aclosing(aiter(connect(url(port), backoff=delays))) as loop,
    ):
        async for _ws in loop:
            if len(served) == 2:
                break
    assert len(begun) == 2


async def test_delays_go_on_after_a_connection_that_did_not_live():
    """A server that accepts and closes at once is not asked at the same pace for ever."""
    async with echoing() as (port, served):
        async for _ws in connect(url(port), backoff=[0.1, 0.1]):
            pass
        assert len(served) >= 3  # and with delays that begin anew, the loop would not have ended


async def test_an_exception_in_the_body_ends_the_loop_and_the_connection():
    async with echoing() as (port, served):

        async def failing():
            async with aclosing(aiter(connect(url(port)))) as loop:
                async for _ws in loop:
                    raise KeyError

        with pytest.raises(KeyError):
            await failing()
        await served[0].wait_closed()


async def test_cancelling_the_wait_leaves_nothing_behind():
    async with listening(Answer(b"")) as port:
        pass
    waiting = asyncio.Event()

    def delays():
        waiting.set()
        yield 3600

    task = asyncio.ensure_future(without_a_connection(connect(url(port), backoff=delays)))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
