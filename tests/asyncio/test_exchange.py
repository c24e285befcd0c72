"""A request and its response on the client: its head decides, whatever its body does."""

import asyncio
from itertools import repeat

import pytest
from listeners import (
    HOST,
    Answer,
    Silence,
    echoing,
    listening,
    reset,
    url,
    without_a_connection,
)

from wsfast.asyncio import exchange
from wsfast.asyncio.client import connect
from wsfast.config.reconnect import may_pass
from wsfast.exceptions import HandshakeError
from wsfast.protocol.http import HttpLimits

# Bodies that never end, of which a part comes.
ENDLESS = {
    "length": b"Content-Length: 1000\r\n\r\npart",
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
    "until the connection ends": b"\r\npart",
}


@pytest.fixture
def short_grace(monkeypatch):
    monkeypatch.setattr(exchange, "BODY_GRACE", 0.05)


@pytest.fixture(params=["server", "proxy"])
def way(request):
    """How to connect to a port: as to a server, or as to a proxy."""

    def way(port, **options):
        if request.param == "proxy":
            return connect("ws://example.test/", proxy=f"http://{HOST}:{port}", **options)
        return connect(url(port), **options)

    return way


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("status", [401, 404, 503])
async def test_a_refusal_whose_body_never_ends_is_a_refusal(short_grace, way, status, body):
    answer = Answer(f"HTTP/1.1 {status} No\r\nRetry-After: 7\r\n".encode() + body)
    async with listening(answer) as port:
        with pytest.raises(HandshakeError, match=f"{status}") as caught:
            await way(port, open_timeout=None)
        await answer.gone.wait()
    response = caught.value.response
    assert (response.status, response.body) == (status, b"part")
    assert response.headers["Retry-After"] == "7"
    assert may_pass(caught.value) == (status == 503)


async def test_it_is_one_where_open_timeout_would_end_first(way, monkeypatch):
    monkeypatch.setattr(exchange, "BODY_GRACE", 60)
    answer = Answer(b"HTTP/1.1 401 No\r\nContent-Length: 1000\r\n\r\npart")
    async with listening(answer) as port:
        with pytest.raises(HandshakeError, match="401") as caught:
            await way(port, open_timeout=1)
    assert caught.value.response.body == b"part"


async def test_a_body_that_comes_later_is_handed_out(way):
    async def serve_one(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"later")
        await reader.read()

    async with listening(serve_one) as port:
        with pytest.raises(HandshakeError) as caught:
            await way(port)
    assert caught.value.response.body == b"later"


async def test_a_body_that_trickles_is_not_waited_for_until_its_end(short_grace, way):
    async def serve_one(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 No\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.005)

    async with listening(serve_one) as port:
        with pytest.raises(HandshakeError) as caught:
            await way(port, open_timeout=None)
    body = caught.value.response.body
    assert body == b"x" * len(body)


async def test_of_a_body_that_floods_no_more_is_read_than_the_limit(way):
    async def serve_one(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 No\r\n\r\n")
        while not reader.at_eof():
            writer.write(bytes(1 << 16))
            await writer.drain()

    async with listening(serve_one) as port:
        with pytest.raises(HandshakeError) as caught:
            await way(port, limits=HttpLimits(body=100_000))
    assert len(caught.value.response.body) == 100_000


async def test_a_reset_behind_the_head_leaves_a_refusal(way):
    """Servers that do not read a request to its end reset the connection behind their response."""

    async def serve_one(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 1000\r\n\r\npart")
        await writer.drain()
        await asyncio.sleep(0.02)  # else the reset takes the response with it
        reset(writer)

    async with listening(serve_one) as port:
        with pytest.raises(HandshakeError, match="403") as caught:
            await way(port)
    assert caught.value.response.body == b"part"


async def test_cancelling_the_wait_for_a_body_leaves_nothing_behind(way):
    answer = Answer(b"HTTP/1.1 401 No\r\nContent-Length: 1000\r\n\r\npart")
    async with listening(answer) as port:
        task = asyncio.create_task(way(port))
        await answer.came.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await answer.gone.wait()
    timers = getattr(asyncio.get_running_loop(), "_scheduled", ())
    assert not [timer for timer in timers if not timer.cancelled()]


# The loop.


async def test_a_refusal_whose_body_never_ends_ends_the_loop(short_grace, way):
    asked = []

    async def serve_one(reader, writer):
        asked.append(True)
        await Answer(b"HTTP/1.1 401 No\r\nContent-Length: 1000\r\n\r\npart")(reader, writer)

    async with listening(serve_one) as port:
        with pytest.raises(HandshakeError, match="401"):
            await without_a_connection(way(port, backoff=lambda: repeat(0), open_timeout=5))
    assert len(asked) == 1


@pytest.mark.parametrize(
    "value",
    ["Fri, 01 Jan 99999 00:00:00 GMT", f"Fri, 01 Jan {'9' * 30} 00:00:00 GMT", "-1", "\xb2"],
)
async def test_a_retry_after_of_any_kind_goes_on_with_the_loop(short_grace, value):
    async def serve_one(reader, writer):
        if not asked:
            asked.append(True)
            head = f"HTTP/1.1 503 No\r\nRetry-After: {value}\r\nContent-Length: 9\r\n\r\n"
            await Answer(head.encode("latin-1"))(reader, writer)
        else:
            await Answer(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")(reader, writer)

    asked = []
    async with listening(serve_one) as port:
        with pytest.raises(HandshakeError, match="404"):
            await without_a_connection(connect(url(port), backoff=lambda: repeat(0)))


# Redirects.


async def test_a_redirect_whose_body_never_ends_is_followed_at_once():
    async with echoing() as (there, _):
        redirect = f"HTTP/1.1 302 Found\r\nLocation: {url(there)}\r\nContent-Length: 9\r\n\r\n"
        answer = Answer(redirect.encode())
        async with listening(answer) as port, connect(url(port), open_timeout=None) as ws:
            assert ws.remote_address == (HOST, there)
            await asyncio.wait_for(answer.gone.wait(), exchange.BODY_GRACE / 2)


async def test_a_redirect_that_is_not_followed_is_an_error_at_once():
    answer = Answer(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9\r\n\r\npart")
    async with listening(answer) as port:
        with pytest.raises(HandshakeError) as caught:
            await connect(url(port), max_redirects=0, open_timeout=None)
    assert caught.value.reason == "too_many_redirects"
    assert caught.value.response.body == b"part"


# Other ends.


@pytest.mark.parametrize("behind", [b"", b"HTTP/1.1 1", b"HTTP/1.1 103 Early\r\n\r\n"])
@pytest.mark.parametrize("end", ["reset", "end"])
async def test_an_end_before_a_response_says_so(way, behind, end, caplog):
    async def serve_one(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(behind)
        await writer.drain()
        await asyncio.sleep(0.01)
        if end == "reset":
            reset(writer)

    async with listening(serve_one) as port:
        with pytest.raises((ConnectionResetError, HandshakeError)) as caught:
            await way(port)
        assert may_pass(caught.value)
        if isinstance(caught.value, HandshakeError):
            reason = "unfinished_response" if behind == b"HTTP/1.1 1" else "no_response"
            assert caught.value.reason == reason
    assert not caplog.records


async def test_a_reset_before_a_request_says_so(caplog):
    async def serve_one(reader, writer):
        reset(writer)

    async with listening(serve_one) as port:
        for _ in range(5):
            with pytest.raises((ConnectionError, HandshakeError)) as caught:
                await connect(url(port))
            assert may_pass(caught.value)
    assert not caplog.records


async def test_a_server_that_says_nothing_is_a_time_out(way):
    async with listening(Silence()) as port:
        with pytest.raises(TimeoutError, match="open_timeout"):
            await way(port, open_timeout=0.05)
