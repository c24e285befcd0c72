"""What connect() cannot take it refuses where it is written, and says what to write instead."""

import logging
import socket
import ssl
from pathlib import Path

import pytest
from listeners import client_context, server_context

from wsfast.asyncio.client import connect
from wsfast.asyncio.handlers import Callbacks
from wsfast.protocol.http import HttpLimits

WS, WSS = "ws://example.com/", "wss://example.com/"


@pytest.mark.parametrize(
    ("uri", "options", "text"),
    [
        ("http://example.com/", {}, "scheme http"),
        ("ws://a..b/", {}, "not a name or an address"),
        ("ws://☕.example/", {}, "not an internationalized name"),
        (WS, {"ssl": True}, "for wss://"),
        (WS, {"server_hostname": "example.com"}, "for wss://"),
        (WSS, {"ssl": False}, "ssl is False"),
        (WSS, {"ssl": server_context()}, "PROTOCOL_TLS_SERVER"),
        (WSS, {"server_hostname": ".example.com"}, "not a name or an address"),
        (WSS, {"server_hostname": ""}, "is empty"),
        (WSS, {"server_hostname": "ü" * 64}, "not an internationalized name"),
        (WS, {"proxy_ssl": server_context()}, "PROTOCOL_TLS_SERVER"),
        (WS, {"unix": "/a", "host": "b"}, "give one"),
        (WS, {"unix": "/a", "local_address": ("127.0.0.1", 0)}, "not for sock or unix"),
        (WS, {"unix": "/a", "proxy": "http://a"}, "cannot be given with sock or unix"),
        (WS, {"host": "a" * 64}, "not a name or an address"),
        (WS, {"host": "ü" * 64}, "not an internationalized name"),
        (WS, {"port": 0}, "port is 0, and must be from 1 to 65535"),
        (WS, {"port": 65536}, "port is 65536"),
        (WS, {"local_address": ("127.0.0.1", 0, 0)}, "tuple of host and port"),
        (WS, {"local_address": ("127.0.0.1", -1)}, "port of local_address is -1"),
        (WS, {"proxy": "gopher://a"}, "gopher"),
        (WS, {"proxy": "http://a..b"}, "not a name or an address"),
        (WS, {"proxy": "http://me%3Aagain:pw@a"}, "a user name with a colon"),
        (WS, {"open_timeout": 0}, "open_timeout"),
        (WS, {"headers": {"a b": "c"}}, "token"),
        (WS, {"headers": {"a": "b\r\nc: d"}}, "no header can carry"),
        (WS, {"headers": {"Upgrade": "b"}}, "belongs to the handshake"),
        (WS, {"origin": "a\r\nb"}, "no header can carry"),
        (WS, {"origin": "a", "headers": {"Origin": "b"}}, "more than once"),
        (WS, {"user_agent": "a\nb"}, "no header can carry"),
        (WS, {"subprotocols": ["a b"]}, "is not a token"),
        (WS, {"subprotocols": ["a", "a"]}, "are not all different"),
        (WS, {"version": 12}, "version 12 of the protocol is not known"),
        (WS, {"version": "13"}, "version '13' of the protocol is not known"),
        (WS, {"basic_auth": ("me", "my", "secret")}, "has 3 elements"),
        (WS, {"basic_auth": ("m:e", "secret")}, "a user name with a colon"),
        (WS, {"basic_auth": ("me", "sec\nret")}, "control character"),
        (WS, {"max_redirects": -1}, "max_redirects is -1"),
        (WS, {"backoff": [1, -1]}, "backoff gave -1"),
    ],
)
def test_a_value_that_cannot_be(uri, options, text):
    with pytest.raises(ValueError, match=text):
        connect(uri, **options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"maxsize": 1}, r"connect\(\) has no keyword 'maxsize'"),
        ({"callbacks": {"on_message": print}}, r"as Callbacks\(on_message=function\), not {"),
        ({"callbacks": print}, r"as Callbacks\(on_message=function\), not <built-in"),
        ({"subprotocols": "chat"}, r"subprotocols is a list, as \['chat'\]"),
        ({"subprotocols": None}, r"as \['chat'\], not None"),
        ({"subprotocols": [1]}, "a sub-protocol must be a str, not 1"),
        ({"origin": 1}, "as 'https://example.com', not 1"),
        ({"headers": "X-Name: value"}, r"as {'X-Name': 'value'}, not str"),
        ({"headers": None}, r"as {'X-Name': 'value'}, not NoneType"),
        ({"headers": ["X-Name"]}, r"as {'X-Name': 'value'}, not list"),
        ({"headers": {"X-Name": 1}}, "header 'X-Name' has the value 1"),
        ({"headers": [(b"X-Name", "a")]}, "both must be a str"),
        ({"basic_auth": "me:secret"}, r"as \('me', 'secret'\), not str"),
        ({"basic_auth": ("me", b"secret")}, "the password of basic_auth must be a str, not bytes"),
        ({"user_agent": 1}, "header 'User-Agent' has the value 1"),
        ({"ssl": "ca.pem"}, r"ssl.create_default_context\(cafile='ca.pem'\) makes one"),
        ({"ssl": Path("ca.pem")}, "ssl must be an ssl.SSLContext"),
        ({"ssl": 1}, "ssl must be an ssl.SSLContext or None, not 1"),
        ({"proxy_ssl": "ca.pem"}, r"proxy_ssl must be an ssl.SSLContext: ssl.create_default"),
        ({"proxy_ssl": True}, "proxy_ssl must be an ssl.SSLContext or None, not True"),
        ({"server_hostname": b"a"}, "server_hostname must be a str"),
        ({"host": 1}, "host must be a name or an address, as '127.0.0.1', not 1"),
        ({"port": "80"}, "port must be an int, not '80'"),
        ({"port": True}, "port must be an int, not True"),
        ({"unix": 1}, "unix must be a path"),
        ({"sock": 1}, "sock must be a connected socket.socket, not 1"),
        ({"local_address": "127.0.0.1"}, r"as \('192.0.2.1', 0\), not '127.0.0.1'"),
        ({"local_address": (1, 0)}, "the host of local_address must be a str"),
        ({"local_address": ("127.0.0.1", "0")}, "the port of local_address must be an int"),
        ({"proxy": 1}, "the URL of one, as 'http://proxy.example:3128', True or None, not int"),
        ({"max_redirects": "1"}, "max_redirects must be an int, not '1'"),
        ({"limits": {"body": 1}}, r"limits must be HttpLimits\(...\), not {"),
        ({"backoff": 5}, r"backoff must be an iterable of seconds, as \[1, 2, 4\]"),
        ({"backoff": lambda attempt: 1}, "called without arguments"),
        ({"logger": "wsfast"}, "logger must be a logging.Logger, not 'wsfast'"),
        ({"open_timeout": "1"}, "open_timeout must be a number"),
    ],
)
def test_a_value_of_the_wrong_type(options, text):
    with pytest.raises(TypeError, match=text):
        connect(WSS, **options)


@pytest.mark.parametrize("uri", [b"ws://example.com/", None, ("ws", "example.com")])
def test_a_uri_is_a_string(uri):
    with pytest.raises(TypeError, match="uri must be a str, as 'wss:"):
        connect(uri)


@pytest.mark.parametrize(
    ("uri", "options"),
    [
        (WS, {"basic_auth": "me:hunter2"}),
        (WS, {"basic_auth": ("me", b"hunter2")}),
        (WS, {"proxy": b"http://me:hunter2@a"}),
        (WS, {"proxy": "gopher://me:hunter2@a"}),
        (WS, {"proxy": "socks5://me:hunter2\xe9@a"}),
        (WS, {"headers": "Authorization: hunter2"}),
        (b"ws://me:hunter2@example.com/", {}),
        ("ws://me:hunter2@example.com/#fragment", {}),
    ],
)
def test_no_password_is_shown(uri, options):
    with pytest.raises((TypeError, ValueError)) as caught:
        connect(uri, **options)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("limit", ["line", "headers", "head", "body"])
def test_limits_are_numbers(limit):
    with pytest.raises(TypeError, match=f"HttpLimits: {limit} must be an int, not '1'"):
        HttpLimits(**{limit: "1"})
    with pytest.raises(ValueError, match=f"HttpLimits: {limit} is -1, and must be 0 or more"):
        HttpLimits(**{limit: -1})


class TestSockets:
    @pytest.fixture
    def pair(self):
        one, other = socket.socketpair()
        with one, other:
            yield one

    def test_one_that_is_connected_can_be_given(self, pair):
        connect(WS, sock=pair).close()
        assert pair.fileno() >= 0

    def test_one_without_a_connection_is_refused_and_stays_as_it_is(self):
        with socket.socket() as sock:
            with pytest.raises(ValueError, match="must be connected"):
                connect(WS, sock=sock)
            assert sock.fileno() >= 0

    def test_one_that_is_closed_is_refused(self, pair):
        pair.close()
        with pytest.raises(ValueError, match="must be connected"):
            connect(WS, sock=pair)

    def test_one_of_datagrams_is_refused(self):
        with (
            socket.socket(type=socket.SOCK_DGRAM) as sock,
            pytest.raises(ValueError, match="must be a stream"),
        ):
            connect(WS, sock=sock)

    def test_one_of_tls_is_refused(self, pair):
        context = client_context()
        with (
            context.wrap_socket(pair, server_hostname="a", do_handshake_on_connect=False) as sock,
            pytest.raises(TypeError, match="a plain socket"),
        ):
            connect(WS, sock=sock)

    def test_it_is_no_way_to_a_host(self, pair):
        for options in ({"host": "a"}, {"port": 1}, {"unix": "/a"}):
            with pytest.raises(ValueError, match="three ways to connect"):
                connect(WS, sock=pair, **options)


def test_what_can_be():
    for options in (
        {"callbacks": Callbacks()},
        {"subprotocols": iter(["a", "b"])},
        {"headers": [("X-Name", "a"), ("X-Name", "b")]},
        {"ssl": ssl.create_default_context(), "server_hostname": "münchen.example."},
        {"server_hostname": "fe80::1%eth0"},
        {"host": "[::1]", "port": 65535},
        {"host": "faß.de"},
        {"unix": Path("/run/server.sock")},
        {"local_address": ("::1", 0)},
        {"proxy": False},
        {"proxy": "socks5h://me:secret@proxy.example", "proxy_ssl": client_context()},
        {"backoff": iter([1, 2])},
        {"max_redirects": 0, "limits": HttpLimits(body=0)},
        {"logger": logging.LoggerAdapter(logging.getLogger(), {})},
    ):
        connect(WSS, **options).close()
