"""The terms of permessage-deflate: RFC 7692 section 7.1, offered, accepted and agreed to.

Knows the extension's parameters as the grammar of Sec-WebSocket-Extensions hands them over. Must
not know the header's text (``extensions``), the rest of the handshake, or how to compress
(``deflate_codec``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..exceptions import HandshakeError
from ..rfc6455 import Role
from .deflate_codec import BACKENDS, DeflateCodec, load_backend
from .extensions import Extension
from .headers import short

__all__ = ["Deflate", "DeflateCodec", "DeflateParameters"]

NAME = "permessage-deflate"

_SERVER_NO_TAKEOVER = "server_no_context_takeover"
_CLIENT_NO_TAKEOVER = "client_no_context_takeover"
_SERVER_BITS = "server_max_window_bits"
_CLIENT_BITS = "client_max_window_bits"

# What holds where no parameter says otherwise (sections 7.1.2.1 and 7.1.2.2).
_MAX_BITS = 15

# A window of 4 KiB. With mem_level 5 a compressor takes 38 KiB and not the 262 of zlib's own
# defaults, and JSON of 1 KiB comes to 19.7 % of its size and not to 18.7 %.
_DEFAULT_BITS = 12

# "a decimal integer value without leading zeroes between 8 to 15, inclusive"
_WINDOW_BITS = {str(bits): bits for bits in range(8, _MAX_BITS + 1)}


@dataclass(frozen=True, slots=True)
class DeflateParameters:
    """What client and server have agreed on, and how this end goes about it.

    Attributes:
        server_no_context_takeover: the server begins each message with an empty window.
        client_no_context_takeover: the client does.
        server_max_window_bits: the server refers at most ``2 ** bits`` bytes back. Where that is
            us, it is what we keep to, which may be less than what was agreed.
        client_max_window_bits: the same of the client.
        level, mem_level, threshold, backend: as in ``Deflate``.
    """

    server_no_context_takeover: bool
    client_no_context_takeover: bool
    server_max_window_bits: int
    client_max_window_bits: int
    level: int
    mem_level: int
    threshold: int
    backend: str

    def codec(self, role: Role) -> DeflateCodec:
        """Make the codec of one connection.

        Args:
            role: which end of the connection we are.
        """
        server = self.server_max_window_bits, not self.server_no_context_takeover
        client = self.client_max_window_bits, not self.client_no_context_takeover
        ours, theirs = (server, client) if role is Role.SERVER else (client, server)
        return DeflateCodec(
            deflate_bits=ours[0],
            deflate_takeover=ours[1],
            inflate_bits=theirs[0],
            inflate_takeover=theirs[1],
            level=self.level,
            mem_level=self.mem_level,
            threshold=self.threshold,
            backend=self.backend,
        )


@dataclass(frozen=True, slots=True)
class Deflate:
    """How one end wants messages to be compressed; a server and a client can share one.

    A message that refers to earlier ones ("context takeover") becomes far smaller where messages
    resemble each other, and costs both ends a window that is kept between messages. A window of
    ``n`` bits has ``2 ** n`` bytes.

    Args:
        server_no_context_takeover: whether the server must begin each message with an empty window.
            A client demands it: a server that does not agree has refused compression.
        client_no_context_takeover: whether the client must. A server demands it; a client
            says what it will do.
        server_max_window_bits: 8 to 15, the largest window of the server. A client demands it,
            unless it is 15. None leaves it to wsfast: a server uses 12 bits, and a client demands
            nothing, since a server that does not know how must then refuse.
        client_max_window_bits: 8 to 15, the largest window of the client. A server asks for it
            where the client has offered to be told, which not every client does. None leaves it to
            wsfast: 12 bits.
        level: how hard to try: 0 to 9 for zlib and zlib-ng, 0 to 3 for isal, whose 0 is no "do not
            compress" but its fastest; None for 6, or 1 with isal.
        mem_level: 1 to 9: how much memory to compress with; in zlib ``2 ** (mem_level + 9)`` bytes,
            besides four times the window.
        threshold: in bytes; smaller messages are sent as they are, which is always allowed. Where
            messages do not refer to earlier ones, JSON of 64 bytes shrinks by less than a tenth.
        backend: "zlib", which comes with Python; "zlib-ng" or "isal", which are faster, and
            packages to be installed. They take more memory: ``deflate_codec`` has the figures.

    Raises:
        TypeError: a number is not an int.
        ValueError: a number is out of its range, or there is no such backend.
        ImportError: the backend is not installed.

    >>> Deflate(client_max_window_bits=10).offer()
    [('permessage-deflate', [('client_max_window_bits', '10')])]
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None
    level: int | None = None
    mem_level: int = 5
    threshold: int = 64
    backend: str = "zlib"

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(f"backend must be one of {', '.join(BACKENDS)}: {self.backend!r}")
        if self.server_max_window_bits is not None:
            _check_range(_SERVER_BITS, self.server_max_window_bits, 8, _MAX_BITS)
        if self.client_max_window_bits is not None:
            _check_range(_CLIENT_BITS, self.client_max_window_bits, 8, _MAX_BITS)
        if self.level is not None:
            _check_range("level", self.level, 0, BACKENDS[self.backend].max_level)
        _check_range("mem_level", self.mem_level, 1, 9)
        _check_range("threshold", self.threshold, 0, None)
        load_backend(self.backend)

    def offer(self) -> list[Extension]:
        """Say what a client sends in its Sec-WebSocket-Extensions.

        ``client_max_window_bits`` is always there, to let the server choose (section 7.1.2.2).

        Returns:
            One extension: its name, and its parameters.
        """
        server_bits = self.server_max_window_bits or _MAX_BITS
        client_bits = self.client_max_window_bits or _MAX_BITS
        parameters = self._takeover_parameters(
            self.server_no_context_takeover, self.client_no_context_takeover
        )
        if server_bits < _MAX_BITS:
            parameters.append((_SERVER_BITS, str(server_bits)))
        parameters.append((_CLIENT_BITS, str(client_bits) if client_bits < _MAX_BITS else None))
        return [(NAME, parameters)]

    def accept(self, offers: Iterable[Extension]) -> tuple[Extension, DeflateParameters] | None:
        """Answer the extensions that a client offers.

        Args:
            offers: names and parameters in the order of the header, other extensions included.

        Returns:
            The extension to answer with, and what is agreed by it: from the first offer of
            permessage-deflate that is well formed, since there is none of those that could not be
            met. None where there is no such offer: "A server MUST decline" a parameter that is
            unknown, given twice, or of a wrong value (section 7.1).
        """
        for name, parameters in offers:
            if name == NAME:
                try:
                    asked = _read(parameters, offered=True)
                except HandshakeError:
                    continue
                return self._answer(asked)
        return None

    def _answer(self, asked: dict[str, int | None]) -> tuple[Extension, DeflateParameters]:
        server_no_takeover = self.server_no_context_takeover or _SERVER_NO_TAKEOVER in asked
        client_no_takeover = self.client_no_context_takeover or _CLIENT_NO_TAKEOVER in asked
        server_bits = min(
            self.server_max_window_bits or _DEFAULT_BITS, asked.get(_SERVER_BITS) or _MAX_BITS
        )
        client_bits = _MAX_BITS
        answer = self._takeover_parameters(server_no_takeover, client_no_takeover)
        if _SERVER_BITS in asked or server_bits < _MAX_BITS:
            answer.append((_SERVER_BITS, str(server_bits)))
        if _CLIENT_BITS in asked:  # else the answer must not have it either (section 7.1.2.2)
            client_bits = min(
                self.client_max_window_bits or _DEFAULT_BITS, asked[_CLIENT_BITS] or _MAX_BITS
            )
            if client_bits < _MAX_BITS:
                answer.append((_CLIENT_BITS, str(client_bits)))
        agreed = self._parameters(server_no_takeover, client_no_takeover, server_bits, client_bits)
        return (NAME, answer), agreed

    def agree(self, answer: Extension) -> DeflateParameters:
        """Hold a server's answer against what ``offer`` has offered.

        Args:
            answer: name and parameters of the extension, as the server sent them.

        Returns:
            What is agreed.

        Raises:
            HandshakeError: "deflate_parameter", a parameter is unknown, given twice, or of a wrong
                value; "deflate_terms", the server did not keep to the offer (section 7.1).
        """
        got = _read(answer[1], offered=False)
        if self.server_no_context_takeover and _SERVER_NO_TAKEOVER not in got:
            raise _not_as_offered(f"the answer lacks {_SERVER_NO_TAKEOVER}, which was demanded")
        most_server = self.server_max_window_bits or _MAX_BITS
        most_client = self.client_max_window_bits or _MAX_BITS
        server_bits = got.get(_SERVER_BITS) or _MAX_BITS
        client_bits = got.get(_CLIENT_BITS) or most_client
        if server_bits > most_server:
            raise _not_as_offered(
                f"{_SERVER_BITS} is {server_bits} in the answer, and {most_server} was demanded"
            )
        if client_bits > most_client:
            raise _not_as_offered(
                f"{_CLIENT_BITS} is {client_bits} in the answer, and {most_client} was offered"
            )
        return self._parameters(
            _SERVER_NO_TAKEOVER in got,
            # Offering it was a promise, whatever the answer says (section 7.1.1.2).
            self.client_no_context_takeover or _CLIENT_NO_TAKEOVER in got,
            server_bits,
            min(client_bits, self.client_max_window_bits or _DEFAULT_BITS),
        )

    @staticmethod
    def _takeover_parameters(server: bool, client: bool) -> list[tuple[str, str | None]]:
        names = [(_SERVER_NO_TAKEOVER, server), (_CLIENT_NO_TAKEOVER, client)]
        return [(name, None) for name, present in names if present]

    def _parameters(
        self,
        server_no_takeover: bool,
        client_no_takeover: bool,
        server_bits: int,
        client_bits: int,
    ) -> DeflateParameters:
        level = BACKENDS[self.backend].default_level if self.level is None else self.level
        return DeflateParameters(
            server_no_takeover,
            client_no_takeover,
            server_bits,
            client_bits,
            level,
            self.mem_level,
            self.threshold,
            self.backend,
        )


def _read(parameters: list[tuple[str, str | None]], *, offered: bool) -> dict[str, int | None]:
    """Read what an offer or an answer says (section 7.1).

    Returns:
        The parameters that are there: bits of a window, or None where there is no value.

    Raises:
        HandshakeError: a parameter is unknown, given twice, or of a wrong value.
    """
    found: dict[str, int | None] = {}
    for name, value in parameters:
        if name in found:
            raise _bad_parameter(f"{name} is given twice")
        if name in (_SERVER_NO_TAKEOVER, _CLIENT_NO_TAKEOVER):
            if value is not None:
                raise _bad_parameter(f"{name} has the value {short(value)}, and takes none")
            found[name] = None
        elif name in (_SERVER_BITS, _CLIENT_BITS):
            if value in _WINDOW_BITS:
                found[name] = _WINDOW_BITS[value]
            elif value is None and name == _CLIENT_BITS and offered:
                found[name] = None
            else:
                given = "without a value" if value is None else short(value)
                raise _bad_parameter(f"{name} must be 8 to 15, and is {given}")
        else:
            raise _bad_parameter(f"the parameter {short(name)} is unknown")
    return found


def _check_range(name: str, value: int, least: int, most: int | None) -> None:
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < least or (most is not None and value > most):
        allowed = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} must be {allowed}: {value}")


def _bad_parameter(what: str) -> HandshakeError:
    return HandshakeError("deflate_parameter", f"{NAME} of the server: {what}")


def _not_as_offered(what: str) -> HandshakeError:
    return HandshakeError("deflate_terms", f"{NAME} of the server: {what}")
