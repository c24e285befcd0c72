"""From a URI to a transport: what TLS is told, and what is connected to."""

import ssl

import pytest
from listeners import (
    HOST,
    HttpProxy,
    authority,
    client_context,
    echoing,
    listening,
    reset,
    resolving,
)

from wsfast.asyncio.client import connect
from wsfast.config.reconnect import may_pass


@pytest.fixture
def named():
    """A TLS context for a server, and the names that it is asked for."""

    def context_for(*names):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority().issue_cert(*names).configure_cert(context)
        context.sni_callback = lambda sock, name, context: asked.append(name)
        return context

    asked = []
    return context_for, asked


# RFC 6066 section 3: a name without a dot at its end, and no address.
TLS_NAMES = [
    ("example.test", {}, "example.test", "example.test"),
    ("example.test.", {}, "example.test", "example.test"),
    ("faß.test", {}, "xn--fa-hia.test", "xn--fa-hia.test"),
    ("127.0.0.2", {}, "127.0.0.2", None),
    ("[::1]", {}, "::1", None),
    ("[fe80::1%25eth0]", {}, "fe80::1", None),
    ("[fe80::1%eth0]", {}, "fe80::1", None),
    ("a.test", {"server_hostname": "example.test."}, "example.test", "example.test"),
    ("a.test", {"server_hostname": "Faß.test"}, "xn--fa-hia.test", "xn--fa-hia.test"),
    ("a.test", {"server_hostname": "fe80::1%eth0"}, "fe80::1", None),
]


@pytest.mark.parametrize(("host", "options", "name", "asked"), TLS_NAMES)
async def test_tls_asks_for_a_name_without_dot_and_zone(named, host, options, name, asked):
    context_for, names = named
    async with (
        echoing(ssl=context_for(name)) as (port, _),
        connect(f"wss://{host}:{port}/", host=HOST, ssl=client_context(), **options) as ws,
    ):
        await ws.send("Hello")
        assert await ws.recv() == "Hello"
    assert names == [asked]


@pytest.mark.parametrize("host", ["example.test.", "[fe80::1%25eth0]", "faß.test"])
async def test_another_name_is_not_let_in(named, host):
    context_for, _ = named
    async with echoing(ssl=context_for("other.test", "fe80::2")) as (port, _):
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(f"wss://{host}:{port}/", host=HOST, ssl=client_context())


async def test_so_does_tls_to_a_proxy(named, monkeypatch):
    context_for, names = named
    proxy = HttpProxy()
    async with (
        echoing() as (port, _),
        listening(proxy, ssl=context_for("proxy.test")) as proxy_port,
    ):
        resolving(monkeypatch, (HOST, proxy_port))
        async with connect(
            f"ws://{HOST}:{port}/",
            proxy=f"https://proxy.test.:{proxy_port}",
            proxy_ssl=client_context(),
        ):
            pass
    assert names == ["proxy.test"]


async def test_so_does_tls_through_a_proxy(named):
    context_for, names = named
    async with (
        echoing(ssl=context_for("example.test")) as (port, _),
        listening(HttpProxy()) as proxy_port,
        connect(
            f"wss://example.test.:{port}/",
            proxy=f"http://{HOST}:{proxy_port}",
            ssl=client_context(),
        ),
    ):
        pass
    assert names == ["example.test"]


async def test_no_zone_is_told_the_server_or_the_proxy(named):
    proxy = HttpProxy(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    async with listening(proxy) as proxy_port:
        with pytest.raises(Exception, match="403"):
            await connect("ws://[fe80::1%25eth0]/", proxy=f"http://{HOST}:{proxy_port}")
    assert proxy.asked == ["CONNECT [fe80::1]:80 HTTP/1.1\r\nHost: [fe80::1]:80\r\n\r\n"]
    async with echoing() as (port, served):
        async with connect("ws://[fe80::1%25eth0]/", host=HOST, port=port):
            pass
        assert served[0].request.headers["Host"] == "[fe80::1]"


async def test_a_name_beyond_ascii_is_looked_up_by_the_rules_of_today(monkeypatch):
    async with echoing() as (port, served):
        looked_up = resolving(monkeypatch, (HOST, port))
        async with connect(f"ws://faß.test:{port}/"):
            pass
        async with connect("ws://example.test/", host="Faß.test", port=port):
            pass
        assert served[0].request.headers["Host"] == f"xn--fa-hia.test:{port}"
    assert looked_up == ["xn--fa-hia.test"] * 2


@pytest.mark.parametrize("size", [1, 1 << 16], ids=["in the middle", "behind it"])
@pytest.mark.parametrize("way", ["server", "proxy", "through a proxy"])
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_an_end_during_the_handshake_of_tls_says_so(way, end, size, caplog):
    async def serve_one(reader, writer):
        await reader.read(size)
        if end == "reset":
            reset(writer)

    async with listening(serve_one) as port, listening(HttpProxy()) as proxy_port:
        options = {
            "server": {"uri": f"wss://{HOST}:{port}/"},
            "proxy": {"uri": f"ws://{HOST}/", "proxy": f"https://{HOST}:{port}"},
            "through a proxy": {
                "uri": f"wss://{HOST}:{port}/",
                "proxy": f"http://{HOST}:{proxy_port}",
            },
        }[way]
        with pytest.raises(ConnectionResetError, match=r"handshake of TLS|reset by peer") as caught:
            await connect(**options)
        assert may_pass(caught.value)
    assert not caplog.records
