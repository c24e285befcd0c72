"""When to connect again, and how long to wait before it.

Knows errors and seconds; has no clock and opens nothing.
"""

from __future__ import annotations

import inspect
import random
import ssl
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from math import inf
from typing import TypeAlias

from ..exceptions import HandshakeError
from ..protocol.http import Response

__all__ = [
    "MAX_RETRY_AFTER",
    "Delays",
    "Retry",
    "backoff",
    "check_delays",
    "may_pass",
    "retry_after",
]

# Seconds to wait before each attempt; or a function that begins them anew.
Delays: TypeAlias = Callable[[], Iterable[float]] | Iterable[float]

# A server may ask for more patience with Retry-After, but not for any amount of it; seconds.
MAX_RETRY_AFTER = 300.0


def backoff(first: float = 0.5, factor: float = 2.0, longest: float = 60.0) -> Iterator[float]:
    """Delays that grow exponentially, each shortened by chance to as little as a half.

    Chance keeps the clients of a server that restarts from coming back all at once. RFC 6455
    section 7.2.3 asks for that: "the first reconnect attempt SHOULD be delayed by a random amount
    of time".

    Args:
        first: the longest that the first delay can be; seconds.
        factor: how much longer each is than the one before.
        longest: the longest that any can be; seconds.

    Returns:
        An endless iterator of seconds.
    """
    delay = first
    while True:
        yield random.uniform(delay / 2, delay)
        delay = min(delay * factor, longest)


def check_delays(delays: Delays) -> Delays:
    """Check what a program gives as ``backoff``, without beginning it.

    Returns:
        The same.

    Raises:
        TypeError: neither an iterable of numbers nor a function without arguments that makes one.
        ValueError: a number that is negative or infinite.
    """
    if callable(delays):
        try:
            signature = inspect.signature(delays)
        except ValueError:  # a function in C that does not tell
            return delays
        try:
            signature.bind()
        except TypeError as exc:
            raise TypeError(
                f"backoff is called without arguments, and {delays!r} does not take that: {exc}"
            ) from None
    elif isinstance(delays, (str, bytes)) or not isinstance(delays, Iterable):
        raise TypeError(
            "backoff must be an iterable of seconds, as [1, 2, 4], or a function that returns one, "
            f"not {delays!r}"
        )
    elif isinstance(delays, (list, tuple)):
        for delay in delays:
            _check_delay(delay)
    return delays


def _check_delay(delay: object) -> None:
    if not isinstance(delay, (int, float)) or isinstance(delay, bool):
        raise TypeError(f"backoff gave {delay!r}, and must give numbers of seconds")
    if not 0 <= delay < inf:
        raise ValueError(f"backoff gave {delay!r}, and must give seconds, 0 or more")


class Retry:
    """The delays of one client that reconnects for ever, or until they run out.

    Args:
        delays: a function that begins them anew, or the delays themselves; an iterator is used up,
            and anything else begins anew after each connection that lasted.

    Attributes:
        last: the delay that was given out last; 0 before the first, and after ``restart``.
    """

    def __init__(self, delays: Delays) -> None:
        self._begin = delays if callable(delays) else lambda: delays
        self.restart()

    def restart(self) -> None:
        """Forget the failures so far: a connection has lasted."""
        self._left = iter(self._begin())
        self.last = 0.0

    def next_delay(self, error: Exception | None = None) -> float | None:
        """How long to wait before the next attempt.

        Args:
            error: what the last attempt failed with; None if it made a connection.

        Returns:
            Seconds; None if the next attempt should not be made.

        Raises:
            TypeError: the program's delays are no numbers.
            ValueError: one of them is negative or infinite.
        """
        if error is not None and not may_pass(error):
            return None
        delay = next(self._left, None)
        if delay is None:
            return None
        _check_delay(delay)
        wanted = retry_after(error.response) if isinstance(error, HandshakeError) else 0.0
        self.last = max(delay, wanted)
        return self.last


def may_pass(error: Exception) -> bool:
    """Tell if another attempt can go better without anybody changing anything.

    Errors of the network may pass, and so may a response that blames the server (5xx) or the number
    of requests (429). A refusal, a wrong response and a wrong certificate stay.
    """
    if isinstance(error, HandshakeError):
        if error.response is None:
            return error.reason in ("no_response", "unfinished_response")
        status: int = error.response.status
        return status >= 500 or status == 429
    return isinstance(error, OSError) and not isinstance(error, ssl.SSLCertVerificationError)


def retry_after(response: Response | None, now: datetime | None = None) -> float:
    """The seconds that a response asks to wait (RFC 9110 section 10.2.3); 0 if it does not.

    Args:
        response: of the server, or of a proxy.
        now: the time; the clock's if it is not given.

    Returns:
        Seconds, from 0 to ``MAX_RETRY_AFTER``, whatever the header says: a value that is neither a
        number nor a date counts as 0, and of several the longest counts.
    """
    if response is None:
        return 0.0
    now = now or datetime.now(timezone.utc)
    values = response.headers.get_all("Retry-After")
    wanted = max((_seconds(value, now) for value in values), default=0.0)
    return min(max(wanted, 0.0), MAX_RETRY_AFTER)


def _seconds(value: str, now: datetime) -> float:
    if value.isascii() and value.isdecimal():
        return float(value)  # infinite, where there are more than 308 digits
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=timezone.utc)
        return (date - now).total_seconds()
    except (TypeError, ValueError, OverflowError, IndexError):  # whichever part makes no sense
        return 0.0
