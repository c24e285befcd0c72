"""Proxies: which one is taken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsfast.config import proxies
from wsfast.config.proxies import Proxy, is_exempt, parse_proxy, proxy_from_environment
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
        ("http://m\xfcnchen.test", Proxy("http", "xn--mnchen-3ya.test", 80)),
        ("http://[fe80::1%25eth0]:1", Proxy("http", "fe80::1%eth0", 1)),
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
        ("http://a..b", "not a name"),
        ("http://me%3Aagain:pw@proxy.test", "a user name with a colon"),
        ("https://me:p%00w@proxy.test", "control character"),
        ("socks5://m%C3%A9:pw@proxy.test", "user name for a SOCKS proxy"),
        (f"socks5://me:{'x' * 256}@proxy.test", "password for a SOCKS proxy"),
        ("socks4://m%00e@proxy.test", "user name for a SOCKS proxy"),
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


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize(
    ("no_proxy", "uri"),
    [
        ("*", "ws://example.com/"),
        ("example.com", "ws://example.com/"),
        ("example.com", "ws://www.example.com/"),
        ("example.com:8080", "ws://example.com:8080/"),
        ("other.test, .example.com", "ws://www.example.com/"),
        ("127.0.0.1", "ws://127.0.0.1:1/"),
        ("127.0.0.0/8", "wss://127.1.2.3/"),
        ("::1", "ws://[::1]:8765/"),
        ("100.64.0.0/10", "ws://100.100.0.1/"),
    ],
)
def test_no_proxy_makes_exceptions(environment, variable, no_proxy, uri):
    environment(all_proxy="http://proxy.test")
    assert chosen(uri) == "proxy.test"
    environment(**{variable: no_proxy})
    assert chosen(uri) is None


# What a list of exceptions says: patterns, and hosts that are asked for at port 8765.
EXEMPT = [
    # names
    ("example.com", "example.com"),
    ("example.com", "www.example.com"),
    ("example.com", "a.b.example.com"),
    (".example.com", "example.com"),
    (".example.com", "www.example.com"),
    ("*.example.com", "www.example.com"),
    ("*.example.com", "a.b.example.com"),
    ("EXAMPLE.Com", "example.com"),
    ("localhost", "localhost"),
    ("my_host", "my_host"),
    ("münchen.example", "xn--mnchen-3ya.example"),
    # a dot at the end
    ("example.com.", "example.com"),
    ("example.com", "example.com."),
    (".example.com.", "www.example.com."),
    # lists
    ("a.test,example.com", "example.com"),
    ("a.test, example.com", "example.com"),
    ("a.test example.com", "example.com"),
    (" ,, a.test\t,example.com , ", "example.com"),
    # all
    ("*", "example.com"),
    ("*", "::1"),
    ("a.test, *", "127.0.0.1"),
    # addresses
    ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.0/8", "127.255.255.255"),
    ("127.0.0.1/8", "127.0.0.9"),
    ("100.64.0.0/10", "100.127.0.1"),
    ("10.0.0.1/32", "10.0.0.1"),
    ("0.0.0.0/0", "8.8.8.8"),
    ("::1", "::1"),
    ("[::1]", "::1"),
    ("0:0:0:0:0:0:0:1", "::1"),
    ("FE80::1", "fe80::1"),
    ("fe80::/10", "fe80::1%eth0"),
    ("fe80::1%eth1", "fe80::1%eth0"),
    ("2001:db8::/32", "2001:db8:1::1"),
    ("[2001:db8::]/32", "2001:db8:1::1"),
    ("::ffff:127.0.0.1", "127.0.0.1"),
    ("::ffff:10.0.0.0/104", "10.1.2.3"),
    ("127.0.0.0/8", "::ffff:7f00:1"),
    # ports
    ("example.com:8765", "example.com"),
    ("example.com:8765", "www.example.com"),
    ("127.0.0.1:8765", "127.0.0.1"),
    ("[::1]:8765", "::1"),
]
NOT_EXEMPT = [
    ("", "example.com"),
    (" , ", "example.com"),
    ("example.com", "badexample.com"),
    ("example.com", "example.com.evil"),
    ("www.example.com", "example.com"),
    ("com", "example.org"),
    ("*.example.com", "example.com"),
    ("*example.com", "example.com"),
    ("ex*mple.com", "example.com"),
    (".", "example.com"),
    ("*.", "example.com"),
    ("127.0.0.1", "127.0.0.2"),
    ("0.0.1", "127.0.0.1"),
    ("1", "127.0.0.1"),
    ("127.0.0.0/8", "128.0.0.1"),
    ("100.64.0.0/10", "100.128.0.1"),
    ("127.0.0.0/33", "127.0.0.1"),
    ("127.0.0.0/x", "127.0.0.1"),
    ("127.0.0.0/8", "localhost"),
    ("0.0.0.0/0", "::1"),
    ("::/0", "127.0.0.1"),
    ("fe80::/10", "fec0::1"),
    ("::1", "::2"),
    ("example.com:80", "example.com"),
    ("127.0.0.1:80", "127.0.0.1"),
    ("[::1]:80", "::1"),
    ("example.com:", "example.com"),
    ("example.com:http", "example.com"),
]


@pytest.mark.parametrize(("no_proxy", "host"), EXEMPT)
def test_a_host_is_exempt(no_proxy, host):
    assert is_exempt(host, 8765, no_proxy)


@pytest.mark.parametrize(("no_proxy", "host"), NOT_EXEMPT)
def test_a_host_is_not_exempt(no_proxy, host):
    assert not is_exempt(host, 8765, no_proxy)


@settings(max_examples=300)
@given(st.text("*.,:/[]% 019afxü", max_size=20))
def test_whatever_the_list_says_it_is_read(no_proxy):
    for host in ("example.com", "127.0.0.1", "fe80::1%eth0"):
        is_exempt(host, 80, no_proxy)


def test_where_no_variable_is_set_the_system_says_which_and_for_whom(monkeypatch):
    monkeypatch.setattr(proxies, "getproxies", lambda: {"http": "http://proxy.test"})
    monkeypatch.setattr(proxies, "proxy_bypass", lambda host: host == "inner.test:81")
    assert chosen("ws://outer.test:81/") == "proxy.test"
    assert chosen("ws://inner.test:81/") is None


def test_the_systems_socks_proxy_may_be_written_as_http(environment):
    environment(socks_proxy="http://proxy.test:1080")
    assert proxy_from_environment(parse_uri("ws://example.com/")).scheme == "socks5h"
