"""URIs: RFC 6455 section 3."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsfast.protocol import uri as module
from wsfast.protocol.uri import Uri, parse_uri


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("ws://example.com", Uri(False, "example.com", 80)),
        ("wss://example.com", Uri(True, "example.com", 443)),
        ("WSS://Example.COM/Path", Uri(True, "example.com", 443, "/Path")),
        ("ws://example.com/", Uri(False, "example.com", 80, "/")),
        ("ws://example.com:/", Uri(False, "example.com", 80, "/")),
        ("ws://example.com:8080/a/b?c=d&e", Uri(False, "example.com", 8080, "/a/b?c=d&e")),
        ("ws://example.com?q", Uri(False, "example.com", 80, "/?q")),
        ("ws://example.com/?", Uri(False, "example.com", 80, "/?")),
        ("ws://example.com/a?b?c/d@e", Uri(False, "example.com", 80, "/a?b?c/d@e")),
        ("ws://127.0.0.1:1", Uri(False, "127.0.0.1", 1)),
        ("ws://[::1]/", Uri(False, "::1", 80)),
        ("wss://[2001:DB8:0::1]:65535", Uri(True, "2001:db8::1", 65535)),
        ("ws://[fe80::1%25eth0]:1/", Uri(False, "fe80::1%eth0", 1)),
        ("ws://localhost.", Uri(False, "localhost.", 80)),
        ("ws://my_host-1", Uri(False, "my_host-1", 80)),
        ("ws://user:pass@a", Uri(False, "a", 80, "/", "user", "pass")),
        ("ws://user@a", Uri(False, "a", 80, "/", "user", None)),
        ("ws://user:@a", Uri(False, "a", 80, "/", "user", "")),
        ("ws://us%3Aer:p:a%40%C3%A9@a", Uri(False, "a", 80, "/", "us:er", "p:a@é")),
        ("ws://us@er:p@a", Uri(False, "a", 80, "/", "us@er", "p")),
    ],
)
def test_its_parts(text, uri):
    assert parse_uri(text) == uri


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/café?ü", "/caf%C3%A9?%C3%BC"),
        ("/水", "/%E6%B0%B4"),
        ('/<"{a}">', "/%3C%22%7Ba%7D%22%3E"),
        ("/a[1]=~-._!$&'()*+,;=:@", "/a[1]=~-._!$&'()*+,;=:@"),
    ],
)
def test_a_target_is_percent_encoded_where_it_must_be(path, target):
    assert parse_uri(f"ws://a{path}").target == target


@pytest.mark.parametrize(
    ("host", "ascii_host"),
    [("münchen.example", "xn--mnchen-3ya.example"), ("例え.テスト", "xn--r8jz45g.xn--zckzah")],
)
def test_an_internationalized_host_is_ascii_on_the_wire(host, ascii_host):
    assert parse_uri(f"ws://{host}/").host == ascii_host


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not of the form"),
        ("example.com", "not of the form"),
        ("/path", "not of the form"),
        ("ws:example.com", "not of the form"),
        ("ws:/example.com", "not of the form"),
        ("://a", "not of the form"),
        ("http://example.com", "the scheme http, and only ws and wss will do"),
        ("wsx://example.com", "the scheme wsx"),
        ("ws://a/b#c", "has a fragment"),
        ("ws://a#", "has a fragment"),
        ("ws://", "without a host"),
        ("ws:///path", "without a host"),
        ("ws://:80/", "without a host"),
        ("ws://user@/", "without a host"),
        ("ws://a/b c", "has ' ' in it, which must be percent-encoded"),
        ("ws://a/\r\nHost: b", r"has '\\r' in it"),
        ("ws://a/\n", r"has '\\n' in it"),
        ("ws://a/\x00", r"has '\\x00' in it"),
        ("ws://a\t/", r"has '\\t' in it"),
        ("ws://a/\x7f", r"has '\\x7f' in it"),
        ("ws://a:0/", "port '0' is not a number from 1 to 65535"),
        ("ws://a:65536/", "port '65536' is not"),
        ("ws://a:-1/", "port '-1' is not"),
        ("ws://a:+80/", "port '\\+80' is not"),
        ("ws://a:8_0/", "port '8_0' is not"),
        ("ws://a:٣/", "port '٣' is not"),
        ("ws://a:1:2/", "port '1:2' is not"),
        ("ws://a:" + "1" * 5000, "port '1+' is not"),
        ("ws://[::1", "not of the form"),
        ("ws://::1/", "without a host"),
        ("ws://[::g]/", r"host \[::g\] is not an IPv6 address"),
        ("ws://[127.0.0.1]/", "is not an IPv6 address"),
        ("ws://[]/", "is not an IPv6 address"),
        ("ws://[::1]a/", "not of the form"),
        ("ws://a..b/", "is not a name or an address"),
        ("ws://.a/", "is not a name or an address"),
        ("ws://-a/", "is not a name or an address"),
        ("ws://a%2eb/", "is not a name or an address"),
        ("ws://a,b/", "is not a name or an address"),
        ("ws://a\\b/", "is not a name or an address"),
        ("ws://" + "a" * 64, "is not a name or an address"),
        ("ws://" + "a." * 128, "is not a name or an address"),
        ("ws://" + "ü" * 64, "is not an internationalized name"),
        ("ws://☕.example/", "is not an internationalized name"),
        ("ws://\u2060/", "is not a"),
    ],
)
def test_what_is_no_websocket_uri(text, message):
    with pytest.raises(ValueError, match=message):
        parse_uri(text)


def test_an_error_does_not_tell_the_password():
    with pytest.raises(ValueError, match=r"//\.\.\.@a") as caught:
        parse_uri("ws://user:secret@a/#b")
    assert "secret" not in str(caught.value)


def test_neither_do_repr_and_str():
    uri = parse_uri("wss://user:secret@a:1/b?c")
    assert "secret" not in repr(uri)
    assert str(uri) == "wss://a:1/b?c"


@pytest.mark.parametrize(
    ("text", "host_header", "origin"),
    [
        ("ws://a", "a", "http://a"),
        ("ws://a:80", "a", "http://a"),
        ("ws://a:443", "a:443", "http://a:443"),
        ("wss://a", "a", "https://a"),
        ("wss://a:80", "a:80", "https://a:80"),
        ("wss://[::1]:80", "[::1]:80", "https://[::1]:80"),
        ("ws://[fe80::1%25eth0]", "[fe80::1]", "http://[fe80::1]"),
    ],
)
def test_the_host_header_and_the_origin(text, host_header, origin):
    uri = parse_uri(text)
    assert (uri.host_header, uri.origin) == (host_header, origin)


@given(st.text(max_size=30))
def test_whatever_parses_is_good_for_the_wire(tail):
    try:
        uri = parse_uri("ws://" + tail)
    except ValueError:
        return
    assert uri.target.isascii()
    assert uri.target.startswith("/")
    assert all(0x20 < ord(character) < 0x7F for character in uri.target + uri.host_header)
    assert parse_uri(str(uri)) == Uri(False, uri.host.partition("%")[0], uri.port, uri.target)
