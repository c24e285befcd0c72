"""The source of functions and classes is what ``inspect`` finds, by a way that wakes nobody."""

import collections
import importlib
import inspect
import logging
import sys
import types

import pytest

from wsfast.integrations import KNOWN
from wsfast.integrations._source import source_lines


def decorated(function):
    return function


class Outer:
    """Has all that a class may hold."""

    @decorated
    class Inner:
        @property
        def name(self):
            return "inner"

    @decorated
    @decorated
    def method(self):
        return self

    async def last(self):
        return [
            self,
        ]


if sys.maxsize:

    class Conditional:
        pass


def outer():
    class Local:
        pass

    return Local


@pytest.mark.parametrize(
    "found",
    [Outer, Outer.Inner, Outer.Inner.name.fget, Outer.method, Outer.last, Conditional, outer,
     outer(), collections.ChainMap, collections.namedtuple, logging.Logger, inspect.getsource],
    ids=lambda found: found.__qualname__,
)  # fmt: skip
def test_is_what_inspect_finds(found):
    lines, first = inspect.getsourcelines(found)
    assert source_lines(found) == (lines, first)


def test_a_wrapper_has_its_own():
    wrapped = types.FunctionType(outer.__code__, globals(), "wrapped")
    wrapped.__wrapped__ = Outer.method
    assert source_lines(wrapped) == source_lines(outer)


def test_is_not_at_hand_without_a_file():
    namespace = {"__name__": __name__}
    exec(compile("def f(): pass\nclass C: pass", "<nowhere>", "exec"), namespace)
    for found in namespace["f"], namespace["C"]:
        with pytest.raises(OSError, match=f"the source of {found.__qualname__} is not at hand"):
            source_lines(found)


def test_patching_wakes_no_module_that_loads_lazily(monkeypatch):
    class Lazy(types.ModuleType):
        def __getattr__(self, name):
            if name != "__spec__":
                raise AssertionError(f"somebody asked for {name}")
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, "sleeper", Lazy("sleeper"))
    importlib.import_module("websocket")
    assert KNOWN["websocket-client"].patch()
    assert KNOWN["websocket-client"].in_place()
