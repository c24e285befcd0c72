"""Connecting again and again, and what is left behind."""

import asyncio
import logging
from contextlib import aclosing
from http import HTTPStatus
from itertools import repeat

import pytest
from listeners import Answer, echoing, listening, url, without_a_connection
from websockets.datastructures import Headers as ForeignHeaders
from websockets.http11 import Response as ForeignResponse

from wsfast.asyncio.client import connect
from wsfast.exceptions import ConnectionClosed, HandshakeError
from wsfast.protocol.connection import State


def at_once():
    return repeat(0)


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
