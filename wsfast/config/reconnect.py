"""When to connect again, and how long to wait before it.

Knows errors and seconds; has no clock and opens nothing.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from ..exceptions import HandshakeError
from ..protocol.http import Response

Delays = Callable[[], Iterable[float]] | Iterable[float]

# A server may ask for more patience with Retry-After, but not for any amount of it; seconds.
MAX_RETRY_AFTER = 300.0


def backoff(first: float = 0.5, factor: float = 2.0, longest: float = 60.0) -> Iterator[float]:
    """Delays that grow exponentially, each shortened by chance to as little as a half.

    Chance keeps the clients of a server that restarts from coming back all at once, as RFC 6455
    section 7.2.3 asks: "the first reconnect attempt SHOULD be delayed by a random amount of time".

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


class Retry:
    """The delays of one client that reconnects for ever, or until they run out.

    Args:
        delays: a function that begins them anew, or the delays themselves; an iterator is used up,
            and anything else begins anew after each connection that lived.
    """

    def __init__(self, delays: Delays) -> None:
        self._begin = delays if callable(delays) else lambda: delays
        self.restart()

    def restart(self) -> None:
        """Forget the failures so far: a connection has lived."""
        self._left = iter(self._begin())
        self.last = 0.0

    def next_delay(self, error: Exception | None = None) -> float | None:
        """How long to wait before the next attempt.

        Args:
            error: what the last attempt failed with; None if it made a connection.

        Returns:
            Seconds; None if the next attempt should not be made.
        """
        if error is not None and not may_pass(error):
            return None
        delay = next(self._left, None)
        if delay is None:
            return None
        asked = retry_after(error.response) if isinstance(error, HandshakeError) else 0.0
        self.last = max(delay, asked)
        return self.last


def may_pass(error: Exception) -> bool:
    """Tell if another attempt can go better without anybody changing anything.

    Errors of the network may pass, and so may an answer that blames the server (5xx) or the number
    of requests (429). A refusal, a wrong answer and a wrong certificate stay.
    """
    if isinstance(error, HandshakeError):
        if error.response is None:
            return error.reason in ("no_response", "unfinished_response")
        status: int = error.response.status
        return status >= 500 or status == 429
    return isinstance(error, OSError) and not isinstance(error, ssl.SSLCertVerificationError)


def retry_after(response: Response | None, now: datetime | None = None) -> float:
    """The seconds that a response asks to wait (RFC 9110 10.2.3); 0 if it does not.

    Args:
        response: what the server answered.
        now: the time; the clock's if it is not given.

    Returns:
        Seconds, not more than ``MAX_RETRY_AFTER``. A date or number that makes no sense is 0.
    """
    value = (response.headers.get("Retry-After") if response else None) or ""
    if value.isascii() and value.isdecimal():
        seconds = float(value[:9])
    else:
        try:
            date = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            return 0.0
        if date.tzinfo is None:
            date = date.replace(tzinfo=timezone.utc)
        seconds = (date - (now or datetime.now(timezone.utc))).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
