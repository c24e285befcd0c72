"""Errors know their consequence."""

import pickle

import pytest

from wsfast.exceptions import InvalidUtf8, MessageTooBig, ProtocolError, WebSocketError

CODES = {ProtocolError: 1002, InvalidUtf8: 1007, MessageTooBig: 1009}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_an_error_says_what_was_wrong_and_what_follows(kind, code):
    error = kind("a_reason", "what was wrong")
    assert isinstance(error, ProtocolError)
    assert isinstance(error, WebSocketError)
    assert error.reason == "a_reason"
    assert str(error) == "what was wrong"
    assert error.close_code == code
    assert error.completed == []


@pytest.mark.parametrize("kind", CODES)
def test_an_error_can_be_pickled(kind):
    error = kind("a_reason", "what was wrong")
    error.completed = ["before"]
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert copy.args == error.args
    assert (copy.reason, copy.completed) == ("a_reason", ["before"])
