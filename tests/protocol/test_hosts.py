"""Names and addresses of hosts, and what TLS is told of them."""

import doctest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsfast.protocol import hosts as module
from wsfast.protocol.hosts import authority, bracketed, parse_host, tls_name


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("localhost.", "localhost."),
        ("my_host-1", "my_host-1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[::0001]", "::1"),
        ("FE80::1%eth0", "fe80::1%eth0"),
        ("[fe80::1%25eth0]", "fe80::1%eth0"),
        ("a" * 63, "a" * 63),
        (".".join(["a" * 62] * 4) + ".", ".".join(["a" * 62] * 4) + "."),
    ],
)
def test_what_is_a_host(text, host):
    assert parse_host(text) == host


# What browsers and the library idna make of them: UTS 46, not transitional.
@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("faß.de", "xn--fa-hia.de"),
        ("FAẞ.de", "xn--fa-hia.de"),
        ("ünïcödé.example", "xn--ncd-dma1a7bzb.example"),
        ("ÜNÏCÖDÉ.EXAMPLE", "xn--ncd-dma1a7bzb.example"),
        ("u\u0308nico\u0308de.example", "xn--nicde-lua2b.example"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("münchen.example.", "xn--mnchen-3ya.example."),
        ("１２７.0.0.1", "127.0.0.1"),
        ("ｅxample.com", "example.com"),
        ("mün\u00adchen.example", "xn--mnchen-3ya.example"),
    ],
)
def test_a_name_beyond_ascii_is_mapped_and_encoded(text, host):
    assert parse_host(text) == host


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a..b", "is not a name or an address"),
        (".a", "is not a name or an address"),
        ("-a", "is not a name or an address"),
        ("a b", "is not a name or an address"),
        ("a/b", "is not a name or an address"),
        ("a\r\nb", "is not a name or an address"),
        ("a" * 64, "is not a name or an address"),
        (".".join(["a" * 62] * 4) + "aaa", "is not a name or an address"),
        ("[::1", "is not an IPv6 address"),
        ("[a]", "is not an IPv6 address"),
        ("a:1", "is not an IPv6 address"),
        ("☕.example", "is not an internationalized name"),
        ("👍.example", "is not an internationalized name"),
        ("ü" * 64, "is not an internationalized name"),
        ("ü" * 10_000, "it has 10000 characters"),
        ("ü_.example", "is not an internationalized name"),
        ("a／b.example", "is not"),
        ("\u2060", "is not"),
        ("א1a.example", "is not an internationalized name"),  # it runs both ways
    ],
)
def test_what_is_none(text, message):
    with pytest.raises(ValueError, match=message):
        parse_host(text)


@settings(max_examples=300)
@given(st.text(max_size=20))
def test_whatever_is_a_host_is_ascii_and_stays_the_same(text):
    try:
        host = parse_host(text)
    except ValueError:
        return
    assert host.partition("%")[0].isascii()
    assert parse_host(host) == host


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("example.com", "example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "[::1]"),
        ("fe80::1%eth0", "[fe80::1]"),
    ],
)
def test_as_part_of_a_uri(host, text):
    assert bracketed(host) == text
    assert authority(host, 8080) == f"{text}:8080"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.com", "example.com"),
        ("example.com.", "example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_the_name_for_tls(host, name):
    assert tls_name(host) == name
