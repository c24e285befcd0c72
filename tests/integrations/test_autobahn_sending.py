"""autobahn, patched, sends the same as unpatched; and its kernels and their stand-ins agree."""

import random
import re
from itertools import product
from unittest.mock import patch as mock

import pytest
import txaio
from autobahn.websocket import protocol
from autobahn_memory import ROLES, Server, both, connected, facts, memory, noting, receive
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MIXED
from streams import NOT_UTF8

from wsfast.integrations.autobahn import integration


@pytest.fixture(scope="module", autouse=True)
def in_memory():
    with memory():
        yield


def sent(role, calls, **options):
    """What comes of these calls of methods, one after the other."""
    connection = connected(role, **options)
    random.seed(1)
    steps = []
    for method, *arguments in calls:
        named = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
        try:
            result = getattr(connection, method)(*arguments, **named)
        except Exception as exc:
            result = type(exc), str(exc)
        steps.append((result, facts(connection)))
    return steps


PAYLOADS = [b"", b"Hello", *(b"x" * size for size in (125, 126, 65_535, 65_536)), b"\xff" * 70_000]

SENDINGS = [
    *(("sendMessage", payload, binary) for payload in PAYLOADS for binary in (True, False)),
    *(("sendMessage", payload, {"fragmentSize": 2}) for payload in (b"", b"ab", b"abc", b"abcd")),
    ("sendMessage", b"abc", {"fragmentSize": 0}),
    ("sendMessage", b"abc", {"doNotCompress": True}),
    *(("sendMessage", payload) for payload in ("text", bytearray(b"a"), None, 3)),
    ("sendMessage", b"a", 1),
    ("sendMessage", b"a", {"sync": 1}),
    *(("sendPing", payload) for payload in (None, b"", b"ping", bytearray(b"ping"), b"x" * 126)),
    *(("sendPong", payload) for payload in (None, b"", b"pong", b"x" * 125)),
    *(
        ("sendFrame", opcode, payload, {"fin": fin, "rsv": rsv})
        for opcode, payload, fin, rsv in product(
            (0, 1, 2, 3, 8, 9, 15, 128, 1.0, True), (b"a", b"x" * 126), (True, False, 1), (0, 4, 7)
        )
    ),
    *(("sendFrame", 2, payload) for payload in (bytearray(b"a"), memoryview(b"a"), "a", [1], None)),
    *(("sendFrame", 1, b"abc", {"mask": mask}) for mask in (b"mask", b"m", bytearray(b"mask"))),
    *(("sendFrame", 1, b"abc", {"payload_len": length}) for length in (0, 2, 8)),
    ("sendData", b"raw"),
    ("sendData", bytes(5), False, 0),
    ("sendData", bytes(5), False, -1),
    ("beginMessage", True),
    ("beginMessageFrame", 6),
    ("sendMessageFrameData", b"abc"),
    ("sendMessageFrameData", b"defg"),
    ("sendMessageFrame", b"another"),
    ("sendMessageFrame", b""),
    ("endMessage",),
    ("sendClose", 3000, "schön"),
    ("sendMessage", b"too late"),
    ("sendFrame", 1, b"too late"),
    ("sendPing", b"too late"),
]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"log": True},
        {"autoFragmentSize": 100},
        {"maxMessagePayloadSize": 1000},
        {"applyMask": False},
        {"maskServerFrames": True, "logFrames": True, "logOctets": True, "log": True},
        {"maskServerFrames": True, "applyMask": False},
        {"maskClientFrames": False},
        {"trackTimings": True},
        {"compression": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("role", ROLES)
def test_sends_the_same(role, options):
    others = "maskServerFrames" if role == "client" else "maskClientFrames"
    if others in options:
        pytest.skip("no option of this role")
    both(lambda: sent(role, SENDINGS, **options))


@pytest.mark.parametrize("role", ROLES)
def test_sends_prepared_messages(role):
    def prepared():
        connection = connected(role)
        random.seed(1)
        for payload, binary in product(PAYLOADS, (True, False)):
            connection.sendPreparedMessage(connection.factory.prepareMessage(payload, binary))
        return facts(connection)

    both(prepared)


def test_sends_in_chops_and_in_sync():
    """Both queue what they send, and what is sent meanwhile waits behind it."""

    def queued():
        calls = []
        with mock.object(txaio, "call_later", lambda delay, function: calls.append(function)):
            connection = connected("server")
            connection.sendFrame(1, b"chopped", chopsize=3)
            connection.sendMessage(b"behind")
            connection.sendMessage(b"synched", sync=True)
            connection.sendMessage(b"behind")
            steps = [facts(connection)]
            while calls:
                calls.pop(0)()
                steps.append(facts(connection))
        connection.sendMessage(b"at once")
        return [*steps, facts(connection)]

    assert len(both(queued)) > 5


@pytest.mark.parametrize("method", ["sendFrame", "sendData"])
def test_a_method_that_a_subclass_overrides_sends(method):
    Sending = type("Sending", (Server,), {method: noting(method, getattr(Server, method))})

    def sending():
        connection = connected("server", Sending)
        connection.sendMessage(b"Hello")
        connection.sendPing()
        return facts(connection)

    with mock.object(Sending, method, noting(method, getattr(Server, method))):
        both(sending)


def test_debug_messages_are_composed_when_somebody_reads_them():
    def logged():
        connection = connected("server", log=True)
        connection.sendMessage(b"Hello")
        receive(connection, b"\x89")
        return connection.log.lines

    assert "sent 7 bytes" in re.sub(r"\x1b\[[\d;]*m", "", both(logged)[0][1])


def outcome(function, *arguments):
    try:
        return function(*arguments)
    except Exception as exc:
        return type(exc), str(exc)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_validates_the_same(pieces):
    def validated():
        validator = protocol.Utf8Validator()
        steps = [validator.validate(piece) for piece in pieces]
        validator.reset()
        return steps, [validator.validate(piece) for piece in pieces]

    both(validated)


@pytest.mark.parametrize("data", [*NOT_UTF8.values(), b"", MIXED.encode() * 3])
def test_validates_the_same_at_every_cut(data):
    def validated():
        results = []
        for i in range(min(len(data), 300) + 1):
            validator = protocol.Utf8Validator()
            pieces = (data[:i], data[i:], b"", b"after", "ü".encode()[:1])
            results.append([validator.validate(piece) for piece in pieces])
        return results

    both(validated)


@pytest.mark.parametrize("data", [bytearray(b"a\xff"), memoryview(b"abc"), "abc", None, 3])
def test_validates_the_same_whatever_it_is_given(data):
    both(lambda: outcome(protocol.Utf8Validator().validate, data))


def test_a_validator_is_one_of_the_librarys():
    with patched(integration):
        assert isinstance(protocol.Utf8Validator(), protocol.Utf8Validator.__base__)
    assert protocol.Utf8Validator.__base__ is object


@pytest.mark.parametrize(
    "key",
    [
        *(b"\x11\x22\x33\x44", b"", b"\x11", b"\x11\x22\x33\x44\x55"),
        *(bytearray(b"\x11\x22\x33\x44"), None, "key!", 3),
    ],
    ids=repr,
)
@pytest.mark.parametrize("length", [None, 0, 5, 128])
def test_masks_the_same(key, length):
    pieces = [b"", b"H", b"ello", bytearray(b"Hello"), b"x" * 300, memoryview(b"abc"), b"Hello"]

    def masked():
        try:
            masker = protocol.create_xor_masker(key, length)
        except Exception as exc:
            return type(exc), str(exc)
        steps = [(outcome(masker.process, piece), masker.pointer()) for piece in pieces]
        masker.reset()
        steps += [(outcome(masker.process, wrong), masker.pointer()) for wrong in ("a", None, 3)]
        return steps, masker.process(b"Hello"), masker.pointer()

    both(masked)
