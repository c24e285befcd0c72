"""The way through proxies."""

import asyncio
import sys

import pytest
from listeners import (
    HOST,
    HttpProxy,
    SocksProxy,
    client_context,
    echoing,
    listening,
    server_context,
)

from wsfast.asyncio.client import connect
from wsfast.config.reconnect import may_pass
from wsfast.exceptions import HandshakeError

SCHEMES = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"]


async def test_the_environment_is_obeyed(monkeypatch):
    proxy = HttpProxy()
    async with echoing() as (port, _), listening(proxy) as proxy_port:
        monkeypatch.setenv("http_proxy", f"http://{HOST}:{proxy_port}")
        async with connect(f"ws://example.test:{port}/"):
            assert len(proxy.asked) == 1
        async with connect(f"ws://{HOST}:{port}/", proxy=None):
            assert len(proxy.asked) == 1
        monkeypatch.setenv("no_proxy", HOST)
        async with connect(f"ws://{HOST}:{port}/"):
            assert len(proxy.asked) == 1


# The way through.


def make_proxy(scheme):
    """A proxy, and how to start it."""
    proxy = SocksProxy() if scheme.startswith("socks") else HttpProxy()
    return proxy, {"ssl": server_context()} if scheme == "https" else {}


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_connection_goes_through_a_proxy(scheme, secure):
    if scheme == "https" and secure and sys.version_info < (3, 11):
        pytest.skip("asyncio has no TLS within TLS before Python 3.11")
    proxy, options = make_proxy(scheme)
    tls = {"ssl": server_context()} if secure else {}
    async with echoing(**tls) as (port, _), listening(proxy, **options) as proxy_port:
        async with connect(
            f"{'wss' if secure else 'ws'}://localhost:{port}/",
            proxy=f"{scheme}://localhost:{proxy_port}",
            proxy_ssl=client_context(),
            ssl=client_context() if secure else None,
        ) as ws:
            await ws.send("Hello" * 20_000)
            assert await ws.recv() == "Hello" * 20_000
        assert len(proxy.asked) == 1


@pytest.mark.parametrize("scheme", ["socks4a", "socks5h"])
async def test_the_proxy_looks_up_the_name(scheme):
    proxy = SocksProxy()
    async with (
        echoing() as (port, _),
        listening(proxy) as proxy_port,
        connect(f"ws://inside.test:{port}/", proxy=f"{scheme}://{HOST}:{proxy_port}"),
    ):
        assert proxy.asked == ["inside.test"]


@pytest.mark.parametrize("scheme", ["socks4", "socks5"])
async def test_the_client_looks_up_the_name(scheme):
    proxy = SocksProxy()
    async with (
        echoing() as (port, _),
        listening(proxy) as proxy_port,
        connect(f"ws://localhost:{port}/", proxy=f"{scheme}://{HOST}:{proxy_port}"),
    ):
        assert proxy.asked == [HOST]


async def test_connect_says_where_to_and_who_asks():
    proxy = HttpProxy()
    async with (
        echoing() as (port, _),
        listening(proxy) as proxy_port,
        connect(f"ws://inside.test:{port}/", proxy=f"http://me:pw@{HOST}:{proxy_port}"),
    ):
        pass
    assert proxy.asked == [
        f"CONNECT inside.test:{port} HTTP/1.1\r\nHost: inside.test:{port}\r\n"
        "Proxy-Authorization: Basic bWU6cHc=\r\n\r\n"
    ]


async def test_what_the_proxy_may_know_is_not_told_the_server():
    async with (
        echoing() as (port, served),
        listening(HttpProxy()) as proxy_port,
        connect(f"ws://{HOST}:{port}/", proxy=f"http://me:pw@{HOST}:{proxy_port}"),
    ):
        pass
    assert "Proxy-Authorization" not in served[0].request.headers


async def test_socks_takes_credentials():
    proxy = SocksProxy(credentials=("me", "pw"))
    async with echoing() as (port, _), listening(proxy) as proxy_port:
        uri = f"ws://{HOST}:{port}/"
        async with connect(uri, proxy=f"socks5://me:pw@{HOST}:{proxy_port}"):
            pass
        for userinfo in ("me:wrong@", ""):
            with pytest.raises(HandshakeError, match="proxy socks5") as caught:
                await connect(uri, proxy=f"socks5://{userinfo}{HOST}:{proxy_port}")
            assert caught.value.reason == "proxy"
            assert not may_pass(caught.value)


async def test_the_local_address_is_that_of_the_way_to_the_proxy():
    for scheme in ("http", "socks5"):
        proxy, _ = make_proxy(scheme)
        async with (
            echoing() as (port, _),
            listening(proxy) as proxy_port,
            connect(
                f"ws://{HOST}:{port}/",
                proxy=f"{scheme}://{HOST}:{proxy_port}",
                local_address=("127.0.0.2", 0),
            ) as ws,
        ):
            assert ws.local_address[0] == "127.0.0.2"


# What goes wrong.


async def test_a_refusal_carries_the_response_of_the_proxy():
    answer = b"HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
    async with listening(HttpProxy(answer)) as port:
        with pytest.raises(HandshakeError, match="407 Proxy Authentication Required") as caught:
            await connect("ws://example.test/", proxy=f"http://me:secret@{HOST}:{port}")
    assert caught.value.reason == "proxy"
    assert caught.value.response.headers["Proxy-Authenticate"] == "Basic"
    assert "secret" not in str(caught.value)


async def test_a_proxy_does_not_redirect():
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n"
    async with listening(HttpProxy(answer)) as port:
        with pytest.raises(HandshakeError) as caught:
            await connect("ws://example.test/", proxy=f"http://{HOST}:{port}")
    assert caught.value.reason == "proxy"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SOCKS?\r\n\r\n", "malformed_response"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000, "header_too_long"),
        (b"HTTP/1.1 200 OK\r\n\r\nHello", "proxy"),
    ],
    ids=["no HTTP", "long", "more"],
)
async def test_a_proxy_that_answers_wrongly_is_an_error(answer, reason):
    async def serve_one(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.read()

    async with listening(serve_one) as port:
        with pytest.raises(HandshakeError, match=f"proxy http://{HOST}") as caught:
            await connect("ws://example.test/", proxy=f"http://{HOST}:{port}")
        assert caught.value.reason == reason


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks4"])
async def test_a_proxy_that_hangs_up_is_an_error(scheme):
    async def serve_one(reader, writer):
        await reader.read(1)

    async with listening(serve_one) as port:
        with pytest.raises((HandshakeError, ConnectionError)) as caught:
            await connect(f"ws://{HOST}/", proxy=f"{scheme}://{HOST}:{port}")
        assert may_pass(caught.value)


@pytest.mark.parametrize(
    ("scheme", "reply"), [*(("socks5", reply) for reply in (1, 3, 4, 5, 6)), ("socks4", 91)]
)
async def test_a_host_that_a_socks_proxy_cannot_reach_is_an_error_of_the_network(scheme, reply):
    async with listening(SocksProxy(reply=reply)) as port:
        with pytest.raises(ConnectionError, match=f"does not connect to {HOST}:80") as caught:
            await connect(f"ws://{HOST}/", proxy=f"{scheme}://{HOST}:{port}")
        assert may_pass(caught.value)


@pytest.mark.parametrize(
    ("scheme", "reply"),
    [
        *(("socks5", reply) for reply in (2, 7, 8, 9, 255)),
        *(("socks4", reply) for reply in (92, 93)),
    ],
)
async def test_a_refusal_by_a_socks_proxy_is_none(scheme, reply):
    async with listening(SocksProxy(reply=reply)) as port:
        with pytest.raises(HandshakeError, match=f"does not connect to {HOST}:80") as caught:
            await connect(f"ws://{HOST}/", proxy=f"{scheme}://{HOST}:{port}")
        assert (caught.value.reason, caught.value.response) == ("proxy", None)
        assert not may_pass(caught.value)


async def test_what_is_no_socks_is_an_error():
    async def serve_one(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with listening(serve_one) as port:
        with pytest.raises(HandshakeError, match="SOCKS version"):
            await connect(f"ws://{HOST}/", proxy=f"socks5://{HOST}:{port}")


async def test_a_reply_that_cannot_be_read_is_an_error():
    async def serve_one(reader, writer):
        await reader.readexactly(3)
        writer.write(b"\x05\x00")
        await reader.readexactly(10)
        writer.write(b"\x05\x00\x00\x03\x01\xff\x00\x50")  # the name \xff
        await reader.read()

    async with listening(serve_one) as port:
        with pytest.raises(HandshakeError, match="is no SOCKS"):
            await connect(f"ws://{HOST}/", proxy=f"socks5://{HOST}:{port}")


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxy_that_is_not_there_is_an_error_of_the_network(scheme):
    async with listening(HttpProxy()) as port:
        pass
    with pytest.raises(OSError, match=r"."):
        await connect(f"ws://{HOST}/", proxy=f"{scheme}://{HOST}:{port}")


async def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(ImportError, match=r"pip install 'wsfast\[proxy\]'"):
        await connect("ws://example.test/", proxy=f"socks5://{HOST}:1")


async def test_callers_give_up_without_a_trace():
    """A proxy that answers when nobody waits any more tells nobody."""
    asked = asyncio.Event()
    go_on = asyncio.Event()

    async def serve_one(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await go_on.wait()
        writer.write(b"HTTP/1.1 500 Oops\r\n\r\n")
        await reader.read()

    async with listening(serve_one) as port:
        task = asyncio.ensure_future(
            connect("ws://example.test/", proxy=f"http://{HOST}:{port}").__aenter__()
        )
        await asked.wait()
        task.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
