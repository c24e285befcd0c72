"""Proxies: which one is taken."""

import pytest

from wsfast.config.proxies import Proxy, parse_proxy, proxy_from_environment
from wsfast.protocol.uri import parse_uri


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Set the variables that name proxies; those of the machine are gone."""
    for name in ("ws", "wss", "http", "https", "all", "socks", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)

    def set_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


# The URL of a proxy.


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://proxy.test:3128", Proxy("http", "proxy.test", 3128)),
        ("http://proxy.test", Proxy("http", "proxy.test", 80)),
        ("https://proxy.test/", Proxy("https", "proxy.test", 443)),
        ("SOCKS5H://[::1]", Proxy("socks5h", "::1", 1080)),
        ("proxy.test:3128", Proxy("http", "proxy.test", 3128)),
        (
            "socks5://me%40work:p%3Aw@proxy.test",
            Proxy("socks5", "proxy.test", 1080, "me@work", "p:w"),
        ),
        ("http://me@proxy.test", Proxy("http", "proxy.test", 80, "me")),
    ],
)
def test_a_url_is_taken_apart(url, expected):
    assert parse_proxy(url) == expected


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ftp://proxy.test", "scheme 'ftp'"),
        ("http://", "no host"),
        ("http://proxy.test:port", "Port"),
        ("http://proxy.test:99999", "Port"),
        ("http://[::1", "IPv6"),
    ],
)
def test_a_url_that_is_none_is_refused(url, text):
    with pytest.raises(ValueError, match=text):
        parse_proxy(url)


def test_no_password_is_shown():
    proxy = parse_proxy("http://me:secret@proxy.test")
    assert "secret" not in f"{proxy} {proxy!r}"
    with pytest.raises(ValueError, match="scheme") as caught:
        parse_proxy("gopher://me:secret@proxy.test")
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="Port") as caught:
        parse_proxy("http://me:secret/with-a-slash@proxy.test")
    assert "secret" not in str(caught.value)


# The environment.


def chosen(uri):
    proxy = proxy_from_environment(parse_uri(uri))
    return proxy and proxy.host


def test_without_variables_there_is_no_proxy():
    assert chosen("ws://example.com/") is None


@pytest.mark.parametrize(
    ("uri", "order"),
    [
        ("ws://example.com/", ["ws", "socks", "https", "http", "all"]),
        ("wss://example.com/", ["wss", "socks", "https", "all"]),
    ],
)
def test_the_variables_are_read_in_order(environment, uri, order):
    while order:
        name = order.pop()
        environment(**{f"{name}_proxy": f"socks5://{name}.test:1"})
        assert chosen(uri) == f"{name}.test"


def test_what_is_not_secure_alone_does_not_speak_for_wss(environment):
    environment(http_proxy="http://proxy.test", ws_proxy="http://proxy.test")
    assert chosen("wss://example.com/") is None


@pytest.mark.parametrize(
    ("no_proxy", "uri"),
    [
        ("*", "ws://example.com/"),
        ("example.com", "ws://example.com/"),
        ("example.com", "ws://www.example.com/"),
        ("example.com:8080", "ws://example.com:8080/"),
        ("other.test, .example.com", "ws://www.example.com/"),
        ("127.0.0.1", "ws://127.0.0.1:1/"),
    ],
)
def test_no_proxy_makes_exceptions(environment, no_proxy, uri):
    environment(all_proxy="http://proxy.test")
    assert chosen(uri) == "proxy.test"
    environment(no_proxy=no_proxy)
    assert chosen(uri) is None


def test_the_systems_socks_proxy_may_be_written_as_http(environment):
    environment(socks_proxy="http://proxy.test:1080")
    assert proxy_from_environment(parse_uri("ws://example.com/")).scheme == "socks5h"
