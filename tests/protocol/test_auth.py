"""Basic authentication: RFC 7617."""

import doctest

import pytest

from wsfast.protocol import auth as module
from wsfast.protocol.auth import basic_auth, basic_challenge, check_basic_auth, parse_basic_auth
from wsfast.protocol.http import Headers, Request

PASSWORDS = {"Aladdin": "open sesame", "test": "123£", "nobody": ""}


def asked(*values):
    return Request("GET", "/", Headers([("Authorization", value) for value in values]))


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0


def test_the_examples_of_the_rfc():
    assert basic_auth("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert basic_auth("test", "123£") == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(("username", "password"), [*PASSWORDS.items(), ("", ""), ("a", "b:c:d")])
def test_what_is_sent_is_received(username, password):
    assert parse_basic_auth(asked(basic_auth(username, password))) == (username, password)


@pytest.mark.parametrize("username", ["a:b", "a\r\nb", "a\x00"])
def test_what_cannot_be_sent(username):
    with pytest.raises(ValueError, match="user name"):
        basic_auth(username, "")


def test_a_password_cannot_have_control_characters():
    with pytest.raises(ValueError, match="control character"):
        basic_auth("a", "b\n")


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["Basic"],
        ["Basic "],
        ["Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="],
        ["BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ=="],
        ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ"],  # no padding
        ["Basic QWxh*GRpbjpvcGVuIHNlc2FtZQ=="],
        ["Basic é"],
        ["Basic QWxhZGRpbg=="],  # no colon
        ["Basic /zo="],  # not UTF-8
        ["Basic YQA6Yg=="],  # a control character
        ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="] * 2,
    ],
)
def test_what_carries_no_credentials(values):
    assert parse_basic_auth(asked(*values)) is None
    assert check_basic_auth(asked(*values), PASSWORDS) is None
    assert check_basic_auth(asked(*values), lambda username, password: True) is None


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "Basic "])
def test_the_scheme_in_any_case(scheme):
    value = basic_auth("Aladdin", "open sesame").replace("Basic", scheme)
    assert check_basic_auth(asked(value), PASSWORDS) == "Aladdin"


@pytest.mark.parametrize(("username", "password"), PASSWORDS.items())
def test_the_right_password(username, password):
    assert check_basic_auth(asked(basic_auth(username, password)), PASSWORDS) == username


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("Aladdin", ""),
        ("Aladdin", "open sesam"),
        ("Aladdin", "open sesame "),
        ("aladdin", "open sesame"),
        ("test", "open sesame"),
        ("", ""),
        ("unknown", ""),
    ],
)
def test_a_wrong_password(username, password):
    assert check_basic_auth(asked(basic_auth(username, password)), PASSWORDS) is None


def test_a_function_decides():
    calls = []

    def right(username, password):
        calls.append((username, password))
        return password == "yes"

    assert check_basic_auth(asked(basic_auth("a", "yes")), right) == "a"
    assert check_basic_auth(asked(basic_auth("a", "no")), right) is None
    assert calls == [("a", "yes"), ("a", "no")]


def test_a_function_that_is_async_lets_in_nobody():
    """What it returns is true, whatever it would say."""

    async def right(username, password):
        return False

    with pytest.raises(TypeError, match="is async"):
        check_basic_auth(asked(basic_auth("a", "no")), right)


@pytest.mark.parametrize("username", ["Aladdin", "unknown"])
def test_passwords_are_compared_in_constant_time(monkeypatch, username):
    compared = []
    monkeypatch.setattr(
        module.hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or a == b
    )
    check_basic_auth(asked(basic_auth(username, "a")), PASSWORDS)
    assert compared == [(32, 32)]


def test_the_challenge():
    response = basic_challenge('the "realm" \\')
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == (
        r'Basic realm="the \"realm\" \\", charset="UTF-8"'
    )
