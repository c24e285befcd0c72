"""What can be set, what each value must be, and what is told of a wrong one."""

from dataclasses import FrozenInstanceError, fields
from typing import get_type_hints

import pytest

from wsfast.asyncio.settings import Settings, SettingsKeywords
from wsfast.protocol.deflate import Deflate

NAMES = [field.name for field in fields(Settings)]
SIZES = ["max_size", "max_frame_size", "max_fragments", "max_queue", "write_limit", "max_outgoing"]
SECONDS = ["open_timeout", "close_timeout", "ping_interval", "ping_timeout", "idle_timeout"]


def test_a_type_checker_knows_every_field_as_a_keyword():
    assert get_type_hints(SettingsKeywords) == get_type_hints(Settings)


def test_what_is_left_out_has_its_default():
    assert Settings.from_keywords("f()", {"max_size": 5}) == Settings(max_size=5)


@pytest.mark.parametrize("names", [["nothing"], ["max_sise", "ping"]])
def test_unknown_keywords_are_named_and_the_known_ones_too(names):
    with pytest.raises(TypeError) as info:
        Settings.from_keywords("serve()", dict.fromkeys(names))
    text = str(info.value)
    assert text.startswith("serve() has no keyword ")
    assert all(repr(name) in text for name in names)
    assert all(name in text for name in NAMES)


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Settings().max_size = 5


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [0, 1, 1 << 40])
def test_sizes_are_0_or_more(name, value):
    assert getattr(Settings(**{name: value}), name) == value


@pytest.mark.parametrize("name", SIZES)
def test_a_negative_size_is_an_error(name):
    with pytest.raises(ValueError, match=f"{name} is -1"):
        Settings(**{name: -1})


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", ["5", 5.0, True])
def test_a_size_of_another_type_is_an_error(name, value):
    with pytest.raises(TypeError, match=name):
        Settings(**{name: value})


@pytest.mark.parametrize("name", SIZES)
def test_none_is_no_limit_but_for_the_buffers_of_a_connection(name):
    if name in ("max_queue", "write_limit"):
        with pytest.raises(TypeError, match=name):
            Settings(**{name: None})
    else:
        assert getattr(Settings(**{name: None}), name) is None


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [0.001, 5, None])
def test_times_are_seconds_or_none(name, value):
    assert getattr(Settings(**{name: value}), name) == value


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [0, -1.5, float("nan"), float("inf")])
def test_a_time_that_is_none_to_wait_is_an_error(name, value):
    with pytest.raises(ValueError, match=name):
        Settings(**{name: value})


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", ["5", True])
def test_a_time_of_another_type_is_an_error(name, value):
    with pytest.raises(TypeError, match=name):
        Settings(**{name: value})


def test_a_slow_consumer_is_treated_in_one_of_three_ways():
    for way in ("wait", "drop", "close"):
        assert Settings(slow_consumer=way).slow_consumer == way
    with pytest.raises(ValueError, match="slow_consumer is 'ignore'"):
        Settings(slow_consumer="ignore")


@pytest.mark.parametrize(("name", "value"), [("decode", 1), ("compression", "deflate")])
def test_a_switch_of_another_type_is_an_error(name, value):
    with pytest.raises(TypeError, match=name):
        Settings(**{name: value})


def test_compression_is_off_on_or_as_it_is_given():
    given = Deflate()
    assert Settings(compression=False).deflate is None
    assert isinstance(Settings(compression=True).deflate, Deflate)
    assert Settings(compression=given).deflate is given
