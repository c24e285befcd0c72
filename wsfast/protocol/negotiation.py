"""What client and server agree on: version, origin, sub-protocol, compression (RFC 6455 section 4).

These mean the same whichever way a WebSocket is opened: by the upgrade of HTTP/1.1
(``upgrade_h1.py``), or by an extended CONNECT (RFC 8441 section 5). It knows header fields and
responses that refuse. What it must not know: how a connection is asked for and accepted otherwise,
and how HTTP is written. What the parameters of compression mean is known to ``deflate.py``.

Each refusal is a ``HandshakeError`` whose ``reason`` keeps its spelling. On the server its
``response`` is the one to send.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from ..exceptions import HandshakeError
from .auth import verdict
from .extensions import format_extensions, parse_extensions, parse_tokens
from .headers import HeaderItems, Headers, is_token, short
from .http import Request, Response

if TYPE_CHECKING:
    from .deflate import Deflate, DeflateParameters

__all__ = [
    "ClientOffer",
    "Fields",
    "Offer",
    "Origins",
    "SelectSubprotocol",
    "agree",
    "check_subprotocols",
    "extra_lines",
    "is_listed",
    "is_upgrade",
    "only_value",
    "read_offer",
    "read_version",
    "refusal",
    "value_or_none",
]

# Which origins a server lets in. None among them is a request without an Origin header.
Origins: TypeAlias = (
    Collection["str | re.Pattern[str] | None"] | re.Pattern[str] | Callable[["str | None"], bool]
)

# Takes the sub-protocols that a client offers and chooses one of them, or None.
SelectSubprotocol: TypeAlias = Callable[[list[str]], "str | None"]

# Values by the name of their header, in lower case; see ``Headers.by_name``.
Fields: TypeAlias = dict[str, list[str]]

# ABNF of section 4.3: 0 to 255, without leading zeros.
_is_version = re.compile(r"0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5]").fullmatch

# What a client can speak: RFC 6455, and drafts before it. They differ in the handshake only.
_VERSIONS = (13, 8, 7)

# These make the handshake, or the message that it is in, and are nobody else's to set.
_OWN_HEADERS = frozenset(
    {
        "upgrade",
        "connection",
        "content-length",
        "transfer-encoding",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
    }
)


# The server.


@dataclass(slots=True)
class Offer:
    """What a client offers, as its headers have it; empty where they say nothing.

    Attributes:
        origins: usually one; None without one. Every one of them must be let in.
        subprotocols: the values of Sec-WebSocket-Protocol, joined by commas.
        extensions: the values of Sec-WebSocket-Extensions, joined by commas.
    """

    origins: tuple[str | None, ...]
    subprotocols: str
    extensions: str


def is_upgrade(request: Request) -> bool:
    """Tell whether a request wants a WebSocket at all, well or badly."""
    return "websocket" in request.upgrades


def read_version(fields: Fields, versions: Collection[int]) -> int:
    """Read which version of the protocol a client wants to speak (section 4.2.1).

    Args:
        fields: the headers of its request.
        versions: those that the server speaks.

    Raises:
        HandshakeError: none, or one that the server does not speak.
    """
    text = only_value(fields, "Sec-WebSocket-Version")
    if not _is_version(text):
        raise refusal("malformed_version", "Sec-WebSocket-Version is not a number from 0 to 255")
    version = int(text)
    if version not in versions:
        spoken = ", ".join(str(version) for version in sorted(versions, reverse=True))
        raise refusal(
            "version",
            f"version {version} of the protocol is not spoken here, but {spoken}",
            426,
            {"Sec-WebSocket-Version": spoken},
        )
    return version


def read_offer(fields: Fields, version: int) -> Offer:
    """Read what a client offers.

    Args:
        fields: the headers of its request.
        version: of the protocol.

    Raises:
        HandshakeError: the origin stands there more than once.
    """
    origin = value_or_none(fields, _origin_header(version))
    origins: tuple[str | None, ...] = (origin,)
    if version != 13 and "origin" in fields:
        # A browser that speaks a draft by the header of the RFC does not pass for one without.
        origins = (origin, value_or_none(fields, "Origin"))
    return Offer(
        origins,
        ", ".join(fields.get("sec-websocket-protocol", [])),
        ", ".join(fields.get("sec-websocket-extensions", [])),
    )


def agree(
    offer: Offer,
    *,
    subprotocols: Sequence[str] = (),
    select_subprotocol: SelectSubprotocol | None = None,
    origins: Origins | None = None,
    deflate: Deflate | None = None,
) -> tuple[str | None, DeflateParameters | None, str]:
    """Agree to what a client offers, as far as the server is ready to.

    Args:
        offer: of the client.
        subprotocols: as for ``upgrade_h1.accept``; so are the others.

    Returns:
        The sub-protocol, or None; the parameters of permessage-deflate, or None; and the
        Sec-WebSocket-Extensions header that tells the client so, empty for none.

    Raises:
        HandshakeError: refused; ``response`` is the one to send.
        ValueError: ``select_subprotocol`` chose what was not offered.
        TypeError: the function of the origin is async.
    """
    if origins is not None:
        for origin in offer.origins:
            if not _is_let_in(origin, origins):
                who = "a request without an origin"
                if origin is not None:
                    who = f"the origin {short(origin)}"
                raise refusal("origin", f"{who} is not let in", 403)
    subprotocol = _choose_subprotocol(offer.subprotocols, subprotocols, select_subprotocol)
    extensions, parameters = _choose_deflate(offer.extensions, deflate)
    return subprotocol, parameters, extensions


def _is_let_in(origin: str | None, origins: Origins) -> bool:
    if isinstance(origins, str):
        raise TypeError(f"origins is a list, as [{origins!r}], and not a string")
    if callable(origins):
        return verdict(origins(origin))
    if isinstance(origins, re.Pattern):
        origins = (origins,)
    return origin in origins or (
        origin is not None
        and any(isinstance(one, re.Pattern) and one.fullmatch(origin) for one in origins)
    )


def _choose_subprotocol(
    value: str, subprotocols: Sequence[str], select: SelectSubprotocol | None
) -> str | None:
    if isinstance(subprotocols, str):
        raise TypeError(f"subprotocols is a list, as [{subprotocols!r}], and not a string")
    try:
        offered = parse_tokens(value) if value else []
    except ValueError as exc:
        text = f"Sec-WebSocket-Protocol: {short(str(exc))}"
        raise refusal("malformed_subprotocols", text) from None
    if select is not None:
        chosen = select(offered)
        if chosen is not None and chosen not in offered:
            raise ValueError(f"select_subprotocol chose {chosen!r}, which was not offered")
        return chosen
    for subprotocol in subprotocols:
        if subprotocol in offered:
            return subprotocol
    return None


# Most clients offer the same few things, and agreeing on them anew takes half as long as all else.
@lru_cache(maxsize=32)
def _choose_deflate(value: str, deflate: Deflate | None) -> tuple[str, DeflateParameters | None]:
    """The header that agrees to an offer, empty for none, and what is agreed on."""
    try:
        offers = parse_extensions(value)
    except ValueError as exc:
        text = f"Sec-WebSocket-Extensions: {short(str(exc))}"
        raise refusal("malformed_extensions", text) from None
    agreed = deflate.accept(offers) if deflate is not None else None
    if agreed is None:
        return "", None
    extension, parameters = agreed
    return format_extensions([extension]), parameters


# The client.


class ClientOffer:
    """What this client offers, and its judgement of what the server makes of it.

    Args:
        subprotocols: those that the client speaks, the preferred one first.
        deflate: the compression to offer.
        origin: of the page or program that connects, as ``"https://example.com"``.
        version: of the protocol: 13, or the drafts' 8 or 7.

    Raises:
        ValueError: a sub-protocol that is not a token or given twice, or a version that is not
            known.
        TypeError: sub-protocols that are no list of strings, or an origin that is no string.
    """

    def __init__(
        self,
        *,
        subprotocols: Sequence[str] = (),
        deflate: Deflate | None = None,
        origin: str | None = None,
        version: int = 13,
    ) -> None:
        if not isinstance(version, int) or version not in _VERSIONS:
            raise ValueError(
                f"version {version!r} of the protocol is not known, but 13, 8 and 7 are"
            )
        if origin is not None and not isinstance(origin, str):
            raise TypeError(
                f"origin must be a str or None, as 'https://example.com', not {origin!r}"
            )
        self._subprotocols = check_subprotocols(subprotocols)
        self._extensions = deflate.offer() if deflate is not None else []
        self._deflate = deflate
        self._origin = origin
        self._version = version

    def fields(self) -> list[tuple[str, str]]:
        """The header fields that make the offer."""
        fields = [("Sec-WebSocket-Version", str(self._version))]
        if self._origin is not None:
            fields.append((_origin_header(self._version), self._origin))
        if self._subprotocols:
            fields.append(("Sec-WebSocket-Protocol", ", ".join(self._subprotocols)))
        if self._extensions:
            fields.append(("Sec-WebSocket-Extensions", format_extensions(self._extensions)))
        return fields

    def judge(self, fields: Fields) -> tuple[str | None, DeflateParameters | None]:
        """Judge what the server agrees to (section 4.1, steps 5 and 6).

        Args:
            fields: the headers of its response.

        Returns:
            The sub-protocol, or None, and the parameters of permessage-deflate, or None.

        Raises:
            HandshakeError: it agrees to what was not offered.
        """
        # Small servers send the header empty where they choose none.
        subprotocol = value_or_none(fields, "Sec-WebSocket-Protocol") or None
        if subprotocol is not None and subprotocol not in self._subprotocols:
            raise HandshakeError(
                "subprotocol",
                f"the server chose the sub-protocol {short(subprotocol)}, which was not offered",
            )
        return subprotocol, self._agreed_deflate(fields)

    def _agreed_deflate(self, fields: Fields) -> DeflateParameters | None:
        try:
            agreed = parse_extensions(", ".join(fields.get("sec-websocket-extensions", [])))
        except ValueError as exc:
            text = f"Sec-WebSocket-Extensions: {short(str(exc))}"
            raise HandshakeError("malformed_extensions", text) from None
        offered = {name for name, _ in self._extensions}
        for name, _ in agreed:
            if name not in offered:
                text = f"the server chose the extension {short(name)}, which was not offered"
                raise HandshakeError("extension", text)
        if len(agreed) > 1:
            raise HandshakeError("extension", f"the server chose {agreed[0][0]} more than once")
        return self._deflate.agree(agreed[0]) if agreed and self._deflate is not None else None


def check_subprotocols(subprotocols: Sequence[str]) -> list[str]:
    """Check and copy the sub-protocols that a client offers (section 4.1, item 10 of the request).

    Raises:
        ValueError: one that is not a token, or is given twice.
        TypeError: they are no list of strings.
    """
    if isinstance(subprotocols, (str, bytes)):
        raise TypeError(f"subprotocols is a list, as [{subprotocols!r}], and not a string")
    if not isinstance(subprotocols, Iterable):
        raise TypeError(f"subprotocols must be a list, as ['chat'], not {subprotocols!r}")
    checked = list(subprotocols)
    for subprotocol in checked:
        if not isinstance(subprotocol, str):
            raise TypeError(f"a sub-protocol must be a str, not {subprotocol!r}")
        if not is_token(subprotocol):
            raise ValueError(
                f"sub-protocol {subprotocol!r} is not a token (RFC 9110 section 5.6.2)"
            )
    if len(set(checked)) < len(checked):
        raise ValueError(f"sub-protocols {checked!r} are not all different")
    return checked


# Both.


def refusal(reason: str, text: str, status: int = 400, headers: HeaderItems = ()) -> HandshakeError:
    """Make the error that refuses a request.

    Args:
        reason: a short constant.
        text: for people; it is the body of the response, too.
        status: of the response.
        headers: more of them for it.
    """
    return HandshakeError(reason, text, Response.plain(status, text, headers))


def is_listed(values: list[str], token: str) -> bool:
    """Tell whether a header that is a list has a token in it, in any case."""
    return token in [element.strip(" \t") for element in ",".join(values).lower().split(",")]


def value_or_none(fields: Fields, name: str) -> str | None:
    """The value of a header that may be missing.

    Raises:
        HandshakeError: it stands there more than once.
    """
    values = fields.get(name.lower())
    if values is None:
        return None
    if len(values) > 1:
        raise refusal("duplicate_header", f"{name} stands there more than once")
    return values[0]


def only_value(fields: Fields, name: str) -> str:
    """The value of a header that must be there once.

    Raises:
        HandshakeError: it is not.
    """
    value = value_or_none(fields, name)
    if value is None:
        raise refusal("missing_header", f"{name} is missing")
    return value


def extra_lines(headers: HeaderItems) -> str:
    """The lines of headers that a program adds to those of the handshake.

    Args:
        headers: as ``Headers`` they are not checked each time.

    Raises:
        ValueError: one of them belongs to the handshake.
    """
    return _checked((headers if isinstance(headers, Headers) else Headers(headers)).lines)


# Those of a server are always the same.
@lru_cache(maxsize=32)
def _checked(lines: str) -> str:
    headers = Headers.from_lines(lines)
    if not _OWN_HEADERS.isdisjoint(headers.by_name()):
        name = next(name for name in headers if name.lower() in _OWN_HEADERS)
        raise ValueError(f"header {name} belongs to the handshake and cannot be given")
    return lines[2:]


def _origin_header(version: int) -> str:
    # Drafts before RFC 6455 gave the header another name: versions 7 and 8.
    return "Origin" if version == 13 else "Sec-WebSocket-Origin"
