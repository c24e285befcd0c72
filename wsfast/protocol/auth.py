"""Basic authentication (RFC 7617), both ways: writing the header, checking it, asking for it.

Nothing here tells by the time it takes whether a name exists or how much of a password is right.
"""

from __future__ import annotations

import binascii
import hmac
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine, Mapping
from inspect import isawaitable
from typing import TypeAlias

from .http import Request, Response

__all__ = [
    "Credentials",
    "basic_auth",
    "basic_challenge",
    "check_basic_auth",
    "parse_basic_auth",
]

# Passwords by user name, or a function of both that tells whether they are right.
Credentials: TypeAlias = Mapping[str, str] | Callable[[str, str], bool]

_control = re.compile(r"[\x00-\x1f\x7f]").search

# Passwords are compared by digests under this key, so that their lengths do not show either.
_KEY = os.urandom(32)


def basic_auth(username: str, password: str) -> str:
    """Write the value of an Authorization header (RFC 7617 section 2), in UTF-8.

    Raises:
        ValueError: a colon in the user name, or a control character.

    >>> basic_auth("Aladdin", "open sesame")
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    """
    if ":" in username:
        raise ValueError("a user name with a colon cannot be sent by Basic authentication")
    if _control(username + password):
        raise ValueError("a user name or a password has a control character in it")
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def parse_basic_auth(request: Request) -> tuple[str, str] | None:
    """Read the user name and the password that a request carries, unchecked.

    Returns:
        Both; None where there are none, or not in the form of RFC 7617.
    """
    values = request.headers.get_all("Authorization")
    if len(values) != 1:
        return None
    scheme, _, encoded = values[0].partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    username, colon, password = text.partition(":")
    return (username, password) if colon and not _control(text) else None


def check_basic_auth(request: Request, credentials: Credentials) -> str | None:
    """Check the user name and the password that a request carries.

    Args:
        request: of the client.
        credentials: passwords by user name; or a function of user name and password that returns
            whether they are right, and compares with ``hmac.compare_digest``.

    Returns:
        The user name, where the password is right; else None: respond with ``basic_challenge()``.

    Raises:
        TypeError: the function is async, and so decides nothing here.
    """
    given = parse_basic_auth(request)
    if given is None:
        return None
    username, password = given
    if callable(credentials):
        right = verdict(credentials(username, password))
    else:
        # An unknown name is treated alike, with a password that nobody can give.
        wanted = credentials.get(username, "\0")
        right = hmac.compare_digest(_digest(password), _digest(wanted))
    return username if right else None


def basic_challenge(realm: str = "wsfast") -> Response:
    """The 401 that asks for a user name and a password (RFC 7617 section 2).

    Args:
        realm: what they are for; shown to people.
    """
    quoted = re.sub(r'(["\\])', r"\\\1", realm)
    return Response.plain(
        401,
        "A user name and a password are needed.",
        {"WWW-Authenticate": f'Basic realm="{quoted}", charset="UTF-8"'},
    )


def verdict(result: object) -> bool:
    """Read what a program's function returns about whether a client is let in.

    Raises:
        TypeError: something to be awaited, which would let in everybody, since it is true.
    """
    if not isawaitable(result):
        return bool(result)
    if isinstance(result, Coroutine):
        result.close()
    raise TypeError("a function that decides who is let in is async, and must be a plain one")


def _digest(text: str) -> bytes:
    return hmac.digest(_KEY, text.encode(), "sha256")
