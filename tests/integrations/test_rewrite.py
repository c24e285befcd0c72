"""One call exchanged inside another's function, and nothing else changed."""

import inspect

import pytest

from wsfast.integrations._rewrite import exchange_call


class Reader:
    async def read(self, data: bytes, *, decode: bool = True) -> "str | bytes":
        """Read."""
        if decode:
            return helper(data).decode()
        return data


def helper(data):
    return data


def fails(data):
    text = data.decode("utf-8")  # has an argument, and is left alone
    return text, helper(data.decode()), 1 / 0


def shout(data):
    return data.decode().upper()


def run(coroutine):
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    return stopped.value.value


def test_exchanges_the_call():
    read = exchange_call(Reader.read, "decode", shout)
    assert inspect.iscoroutinefunction(read)
    assert run(read(Reader(), b"hello")) == "HELLO"
    assert run(read(Reader(), b"hello", decode=False)) == b"hello"
    assert run(Reader().read(b"hello")) == "hello"


def test_exchanges_the_call_with_these_arguments_only():
    changed = exchange_call(fails, "decode", shout, "utf-8")
    with pytest.raises(ZeroDivisionError):
        changed(b"")
    assert calls_of(changed) == ["shout", "data.decode"]
    assert calls_of(exchange_call(fails, "decode", shout)) == ["data.decode", "shout"]


def calls_of(function):
    """What a function that is handed this calls on it, in order."""
    calls = []

    class Data:
        def decode(self, *arguments):
            calls.append("data.decode")
            return self

        def upper(self):
            calls[-1] = "shout"

    with pytest.raises(ZeroDivisionError):
        function(Data())
    return calls


def test_keeps_globals_and_leaves_none_behind():
    before = dict(globals())
    read = exchange_call(Reader.read, "decode", shout)
    assert read.__globals__ is globals()
    assert dict(globals()) == before


def test_keeps_signature_and_line_numbers():
    read = exchange_call(Reader.read, "decode", shout)
    assert inspect.signature(read).parameters.keys() == {"self", "data", "decode"}
    with pytest.raises(ZeroDivisionError) as failed:
        exchange_call(fails, "decode", shout)(b"")
    last = failed.traceback[-1]
    assert last.frame.code.raw.co_filename == __file__
    assert last.lineno == fails.__code__.co_firstlineno + 1


def test_leaves_calls_with_arguments_alone():
    calls = []

    def count(data):
        calls.append(data)
        return ""

    with pytest.raises(ZeroDivisionError):
        exchange_call(fails, "decode", count)(b"a")
    assert calls == [b"a"]
