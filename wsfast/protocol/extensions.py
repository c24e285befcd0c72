"""Lists in headers: extensions and their parameters (RFC 6455 section 9.1), and lists of tokens.

Grammar only, both ways. What an extension means, and whether it was offered, is known elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from .headers import TOKEN, is_token

__all__ = [
    "Extension",
    "format_extensions",
    "parse_extensions",
    "parse_tokens",
]

# A name, and its parameters in order: each a name, and a value or None.
Extension: TypeAlias = tuple[str, list[tuple[str, str | None]]]

# One token with what separates it from the next; a value may stand between quotation marks, and
# must be a token once they and the backslashes are gone.
_next_token = re.compile(rf"[ \t]*({TOKEN})[ \t]*").match
_next_value = re.compile(rf'[ \t]*(?:({TOKEN})|"((?:[^"\\]|\\.)*)")[ \t]*').match
_empty_elements = re.compile(r"[ \t,]*").match


def parse_tokens(value: str) -> list[str]:
    """Read a list of tokens, as of Connection, Upgrade or Sec-WebSocket-Protocol.

    Args:
        value: of the header; several headers joined by commas.

    Returns:
        The tokens in order, as they are spelled. Empty elements are passed over (RFC 9110 section
        5.6.1.2).

    Raises:
        ValueError: something in the list is not a token.

    >>> parse_tokens("keep-alive, Upgrade")
    ['keep-alive', 'Upgrade']
    """
    tokens = [token.strip(" \t") for token in value.split(",")]
    tokens = [token for token in tokens if token]
    for token in tokens:
        if not is_token(token):
            raise ValueError(f"{token!r} is not a token (RFC 9110 section 5.6.2)")
    return tokens


def parse_extensions(value: str) -> list[Extension]:
    """Read a Sec-WebSocket-Extensions header (RFC 6455 section 9.1).

    Args:
        value: of the header; several headers joined by commas.

    Returns:
        The extensions in order, each a name and a list of its parameters.

    Raises:
        ValueError: the header does not follow the grammar; says at which character.

    >>> parse_extensions('foo; a; b="1", bar')
    [('foo', [('a', None), ('b', '1')]), ('bar', [])]
    """
    extensions: list[Extension] = []
    place = _skip(value, 0)
    while place < len(value):
        name, place = _token(value, place)
        params: list[tuple[str, str | None]] = []
        while value[place : place + 1] == ";":
            param, place = _token(value, place + 1)
            given = None
            if value[place : place + 1] == "=":
                given, place = _value(value, place + 1)
            params.append((param, given))
        extensions.append((name, params))
        if place < len(value) and value[place] != ",":
            raise _malformed(value, place, "a comma or a semicolon")
        place = _skip(value, place)
    return extensions


def format_extensions(extensions: Iterable[tuple[str, Sequence[tuple[str, str | None]]]]) -> str:
    """Write a Sec-WebSocket-Extensions header.

    Raises:
        ValueError: a name or a value is not a token.

    >>> format_extensions([("foo", [("a", None), ("b", "1")]), ("bar", [])])
    'foo; a; b=1, bar'
    """
    texts = []
    for name, params in extensions:
        parts = [
            (name,),
            *((param,) if given is None else (param, given) for param, given in params),
        ]
        for token in (token for part in parts for token in part):
            if not is_token(token):
                raise ValueError(f"{token!r} is not a token (RFC 9110 section 5.6.2)")
        texts.append("; ".join("=".join(part) for part in parts))
    return ", ".join(texts)


def _skip(text: str, place: int) -> int:
    match = _empty_elements(text, place)
    assert match is not None
    return match.end()


def _token(text: str, place: int) -> tuple[str, int]:
    match = _next_token(text, place)
    if match is None:
        raise _malformed(text, place, "a token")
    return match[1], match.end()


def _value(text: str, place: int) -> tuple[str, int]:
    match = _next_value(text, place)
    if match is None:
        raise _malformed(text, place, "a token or a quoted string")
    token, quoted = match.groups()
    if token is None:
        token = re.sub(r"\\(.)", r"\1", quoted)
        if not is_token(token):
            raise ValueError(
                f"quoted value {token!r} is not a token, as RFC 6455 section 9.1 wants it"
            )
    return token, match.end()


def _malformed(text: str, place: int, wanted: str) -> ValueError:
    return ValueError(f"{wanted} is wanted at character {place} of {text!r}")
