"""What can be set for a connection: every name, its default and its unit, once for both ends.

``serve()`` and ``connect()`` take these as keywords. Knows no sockets; checks what it is given when
it is given, so that a wrong value fails where it was written and not at the first connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from ..protocol.deflate import Deflate

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Settings", "SettingsKeywords"]

# Whether None takes the limit away.
_SIZES = {
    "max_size": True,
    "max_frame_size": True,
    "max_fragments": True,
    "max_queue": False,
    "write_limit": False,
    "max_outgoing": True,
}
_SECONDS = ("open_timeout", "close_timeout", "ping_interval", "ping_timeout", "idle_timeout")
_SLOW_CONSUMER = ("wait", "drop", "close")


class SettingsKeywords(TypedDict, total=False):
    """The fields of ``Settings``, as keywords for a type checker."""

    max_size: int | None
    max_frame_size: int | None
    max_fragments: int | None
    max_queue: int
    write_limit: int
    max_outgoing: int | None
    slow_consumer: Literal["wait", "drop", "close"]
    open_timeout: float | None
    close_timeout: float | None
    ping_interval: float | None
    ping_timeout: float | None
    idle_timeout: float | None
    decode: bool
    compression: bool | Deflate


@dataclass(frozen=True)
class Settings:
    """The limits, times and habits of a connection.

    Sizes are in bytes, times in seconds; None takes a limit away.

    Attributes:
        max_size: most bytes in a message that is received.
        max_frame_size: most bytes in the payload of one frame of it.
        max_fragments: most frames in a message.
        max_queue: bytes received that may wait for the program; reading stops beyond them.
        write_limit: bytes that may wait for the peer before ``send`` waits.
        max_outgoing: bytes that may wait for the peer before the connection is given up.
        slow_consumer: what a ``send`` does that finds ``write_limit`` passed: "wait" for the peer,
            "drop" the message, or "close" the connection.
        open_timeout: for the whole opening handshake.
        close_timeout: for the closing handshake, and then for the peer to end the TCP connection.
        ping_interval: between pings that keep the connection alive; None sends none.
        ping_timeout: for anything at all to come after such a ping.
        idle_timeout: without a message either way, before the connection is closed.
        decode: whether texts come as ``str``; else as ``bytes``, still validated.
        compression: permessage-deflate (RFC 7692): True for its defaults, or a ``Deflate``.

    Raises:
        TypeError: a value of the wrong type.
        ValueError: a size that is negative, a time that is not positive.
    """

    max_size: int | None = 1 << 20
    max_frame_size: int | None = None
    max_fragments: int | None = 1 << 17
    max_queue: int = 1 << 20
    write_limit: int = 1 << 16
    max_outgoing: int | None = 1 << 26
    slow_consumer: Literal["wait", "drop", "close"] = "wait"
    open_timeout: float | None = 10.0
    close_timeout: float | None = 10.0
    ping_interval: float | None = 20.0
    ping_timeout: float | None = 20.0
    idle_timeout: float | None = None
    decode: bool = True
    compression: bool | Deflate = False

    def __post_init__(self) -> None:
        for name, optional in _SIZES.items():
            _check_size(name, getattr(self, name), optional)
        for name in _SECONDS:
            _check_seconds(name, getattr(self, name))
        if self.slow_consumer not in _SLOW_CONSUMER:
            raise ValueError(f"slow_consumer is {self.slow_consumer!r}: one of {_SLOW_CONSUMER}")
        if not isinstance(self.decode, bool):
            raise TypeError(f"decode must be True or False, not {self.decode!r}")
        if not isinstance(self.compression, (bool, Deflate)):
            raise TypeError(f"compression must be True, False or a Deflate: {self.compression!r}")

    @classmethod
    def from_keywords(cls, caller: str, keywords: Mapping[str, Any]) -> Self:
        """Make settings of what a function was called with.

        Args:
            caller: its name, for the errors.
            keywords: any of the fields.

        Raises:
            TypeError: a keyword that is none of the fields, or a value of the wrong type.
            ValueError: a value that cannot be.
        """
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(keywords) - set(known))
        if unknown:
            raise TypeError(
                f"{caller} has no keyword {', '.join(map(repr, unknown))}; "
                f"the settings of a connection are {', '.join(known)}"
            )
        return cls(**cast(SettingsKeywords, keywords))

    @property
    def deflate(self) -> Deflate | None:
        """What is offered or accepted of permessage-deflate; None for nothing."""
        if self.compression is True:
            return Deflate()
        return self.compression or None


def _check_size(name: str, value: object, optional: bool) -> None:
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int{' or None' if optional else ''}, not {value!r}")
    if value < 0:
        raise ValueError(f"{name} is {value}, and must be 0 or more")


def _check_seconds(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds or None, not {value!r}")
    if not 0 < value < inf:
        raise ValueError(f"{name} is {value}: seconds, more than 0; None for no limit")
