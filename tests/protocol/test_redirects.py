"""Where redirects lead, and what goes along: RFC 9110 section 15.4."""

import pytest

from wsfast.exceptions import HandshakeError
from wsfast.protocol.http import Headers, Response
from wsfast.protocol.redirects import redirect_headers, redirect_target
from wsfast.protocol.uri import parse_uri

URI = "ws://example.com/chat?room=1"


def target_of(uri, location, status=302):
    response = Response(status, Headers({"Location": location}))
    return redirect_target(parse_uri(uri), response)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/new?a", "ws://example.com/new?a"),
        ("new", "ws://example.com/path/new"),
        ("?b", "ws://example.com/path/old?b"),
        ("//other.example/new", "ws://other.example/new"),
        ("ws://other.example:81/new", "ws://other.example:81/new"),
        ("wss://example.com/new", "wss://example.com/new"),
        ("http://example.com/new", "ws://example.com/new"),
        ("HTTPS://example.com/new", "wss://example.com/new"),
        ("/new#fragment", "ws://example.com/new"),
        ("ws://other.example#fragment", "ws://other.example/"),
    ],
)
def test_where_to(location, target):
    assert str(target_of("ws://example.com/path/old?a", location)) == target


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_by_which_status(status):
    assert target_of(URI, "/", status)


@pytest.mark.parametrize("status", [101, 200, 300, 304, 305, 400, 503])
def test_by_which_not(status):
    assert target_of(URI, "/", status) is None


def test_without_a_location_it_is_none():
    assert redirect_target(parse_uri(URI), Response(302)) is None


@pytest.mark.parametrize(
    "location",
    ["ftp://example.com/", "javascript:alert(1)", "ws://", "ws://a:99999/", "/a b", "ws://[/"],
)
def test_where_it_must_not_lead(location):
    with pytest.raises(HandshakeError, match="Location: ") as caught:
        target_of(URI, location)
    assert caught.value.reason == "bad_redirect"
    assert caught.value.response.status == 302


@pytest.mark.parametrize("location", ["ws://example.com/", "http://example.com/"])
def test_tls_is_not_given_up(location):
    with pytest.raises(HandshakeError, match="from TLS to none") as caught:
        target_of("wss://example.com/", location)
    assert caught.value.reason == "insecure_redirect"


def test_credentials_stay_where_they_belong():
    same = target_of("ws://user:pass@example.com/", "ws://example.com:80/new")
    assert (same.username, same.password) == ("user", "pass")
    for location in ("ws://example.com:81/", "wss://example.com/", "//other.example/"):
        other = target_of("ws://user:pass@example.com/", location)
        assert (other.username, other.password) == (None, None)


def test_credentials_in_a_location_are_not_used():
    other = target_of(URI, "ws://user:pass@other.example/")
    assert (other.username, other.password) == (None, None)


def test_which_headers_go_along():
    fields = [
        ("authorization", "a"),
        ("Proxy-Authorization", "b"),
        ("COOKIE", "c"),
        ("Host", "d"),
        ("X-Name", "e"),
    ]
    uri = parse_uri(URI)
    assert redirect_headers(fields, uri, parse_uri("ws://example.com/new")).items() == fields
    elsewhere = redirect_headers(fields, uri, parse_uri("wss://example.com/new"))
    assert elsewhere.items() == [("X-Name", "e")]
