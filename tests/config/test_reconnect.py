"""When to connect again, and after how long."""

import ssl
from datetime import datetime, timedelta, timezone
from itertools import islice, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsfast.config.reconnect import (
    MAX_RETRY_AFTER,
    Retry,
    backoff,
    check_delays,
    may_pass,
    retry_after,
)
from wsfast.exceptions import HandshakeError
from wsfast.protocol.http import Headers, Response

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def status(code, **headers):
    fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return HandshakeError("status", "no", Response(code, fields))


# Delays.


def test_delays_double_up_to_the_longest():
    for delay, longest in zip(backoff(1, 2, 10), [1, 2, 4, 8, 10, 10], strict=False):
        assert longest / 2 <= delay <= longest


def test_delays_are_left_to_chance():
    assert list(islice(backoff(), 5)) != list(islice(backoff(), 5))


def test_delays_are_taken_in_order():
    retry = Retry([1, 2])
    assert [retry.next_delay(), retry.next_delay(), retry.next_delay()] == [1, 2, None]


@pytest.mark.parametrize("delays", [[1, 2], lambda: iter([1, 2])], ids=["list", "function"])
def test_delays_begin_anew(delays):
    retry = Retry(delays)
    retry.next_delay()
    retry.restart()
    assert retry.next_delay() == 1


def test_an_iterator_is_used_up():
    retry = Retry(iter([1, 2]))
    retry.next_delay()
    retry.restart()
    assert [retry.next_delay(), retry.next_delay()] == [2, None]


def test_the_last_delay_is_known_until_they_begin_anew():
    retry = Retry([1, 2])
    retry.next_delay()
    assert retry.last == 1
    retry.restart()
    assert retry.last == 0


def test_a_server_may_ask_for_more_patience_but_not_for_less():
    retry = Retry(repeat(5))
    assert retry.next_delay(status(503, Retry_After="30")) == 30
    assert retry.next_delay(status(503, Retry_After="1")) == 5


def test_what_cannot_pass_has_no_delay():
    assert Retry(repeat(0)).next_delay(status(404)) is None


@pytest.mark.parametrize("delays", [backoff, lambda: [1], [1, 2.5], (), iter([1]), range(3), list])
def test_delays_that_can_be(delays):
    assert check_delays(delays) is delays


def test_checking_delays_does_not_begin_them():
    delays = iter([1, 2])
    check_delays(delays)
    assert list(delays) == [1, 2]


@pytest.mark.parametrize(
    ("delays", "error", "text"),
    [
        (5, TypeError, r"as \[1, 2, 4\], or a function"),
        (None, TypeError, "not None"),
        ("12", TypeError, "not '12'"),
        (lambda attempt: [attempt], TypeError, "called without arguments"),
        ([1, "2"], TypeError, "gave '2'"),
        ([True], TypeError, "gave True"),
        ([1, -1], ValueError, "gave -1"),
        ([float("nan")], ValueError, "gave nan"),
        ([float("inf")], ValueError, "gave inf"),
    ],
)
def test_delays_that_cannot(delays, error, text):
    with pytest.raises(error, match=text):
        check_delays(delays)


@pytest.mark.parametrize(("delay", "error"), [("1", TypeError), (-1, ValueError)])
def test_so_are_those_that_come_later(delay, error):
    with pytest.raises(error, match="backoff gave"):
        Retry(iter([delay])).next_delay()


# Errors.


@pytest.mark.parametrize(
    "error",
    [
        OSError("no route"),
        ConnectionResetError(),
        TimeoutError(),
        ssl.SSLEOFError(),
        status(500),
        status(503),
        status(429),
        HandshakeError("no_response", "gone"),
        HandshakeError("unfinished_response", "gone"),
    ],
    ids=repr,
)
def test_it_may_pass(error):
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no URI"),
        ssl.SSLCertVerificationError(),
        status(400),
        status(404),
        status(302),
        HandshakeError("accept", "wrong", Response(101)),
        HandshakeError("malformed_response", "no HTTP"),
        ImportError("no library"),
    ],
    ids=repr,
)
def test_it_will_not_pass(error):
    assert not may_pass(error)


# Retry-After.


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("9" * 5000, MAX_RETRY_AFTER),
        ("0" * 20 + "120", 120),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60),
        ("Thu, 01 Jan 2026 00:01:00", 60),
        ("Fri, 02 Jan 2026 00:00:00 GMT", MAX_RETRY_AFTER),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
        ("-1", 0),
        ("1.5", 0),
        ("soon", 0),
        ("Thu, 99 Jan 2026 99:99:99 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_RETRY_AFTER),
        ("Fri, 01 Jan 99999 00:00:00 GMT", 0),
        (f"Fri, 01 Jan {'9' * 30} 00:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 00:00:00 +99999999999999999999", 0),
        ("Sat, 01 Jan 0001 00:00:00 +2359", 0),
        ("120, 120", 0),
        ("1e3", 0),
        ("inf", 0),
        ("\xb2", 0),
        ("", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after(Response(503, Headers({"Retry-After": value})), NOW) == seconds


def test_of_several_the_longest_counts():
    fields = [("Retry-After", value) for value in ("10", "soon", "20")]
    assert retry_after(Response(503, Headers(fields)), NOW) == 20


PARTS = st.sampled_from(
    [
        *("Thu", "Jan", "GMT", "+0000", "-", "+", ",", " ", ":", ".", "1", "99", "2026"),
        *("00:00:00", "9" * 20, "\xb2", "\xa0", "\xff", "\t", "e", "-1"),
    ]
)


@settings(max_examples=300)
@given(values=st.lists(st.lists(PARTS, max_size=12).map("".join), max_size=3))
def test_any_header_is_a_delay(values):
    fields = [("Retry-After", value) for value in values]
    assert 0 <= retry_after(Response(503, Headers(fields))) <= MAX_RETRY_AFTER


@settings(max_examples=300)
@given(
    st.lists(
        st.integers(-(10**30), 10**30).flatmap(lambda n: st.sampled_from([str(n), f"{n:02}"])),
        min_size=7,
        max_size=7,
    )
)
def test_any_date_is_a_delay(numbers):
    day, year, hour, minute, second, zone, month = numbers
    names = ["Jan", "Dec", month]
    for name in names:
        value = f"Thu, {day} {name} {year} {hour}:{minute}:{second} {zone}"
        response = Response(503, Headers({"Retry-After": value}))
        assert 0 <= retry_after(response) <= MAX_RETRY_AFTER


def test_without_retry_after_nothing_is_asked_for():
    assert retry_after(Response(503), NOW) == 0
    assert retry_after(None, NOW) == 0


def test_a_date_is_compared_with_the_clock():
    date = datetime.now(timezone.utc) + timedelta(hours=2)
    response = Response(503, Headers({"Retry-After": date.strftime("%a, %d %b %Y %H:%M:%S GMT")}))
    assert retry_after(response) == MAX_RETRY_AFTER
