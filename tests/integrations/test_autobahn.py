"""autobahn, patched, takes the same steps as unpatched, whatever comes and however it is cut.

These tests run on asyncio, and those of all three files once more, in a process of their own, on
Twisted; what comes near the kernels also where the library has none in C.
"""

import os
import subprocess
import sys
from functools import wraps
from pathlib import Path
from unittest.mock import patch as mock

import pytest
from autobahn.websocket import compress_deflate, protocol, xormasker
from autobahn_memory import (
    ON_TWISTED,
    ROLES,
    Server,
    both,
    connected,
    framework,
    histories,
    history,
    memory,
    noting,
    receive,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MIXED
from streams import BINARY, CONT, FIN, PING, RSV1, TEXT, cuts, frame, streams

from wsfast.integrations import autobahn as wsfast_autobahn
from wsfast.integrations.autobahn import integration

USES_NVX = xormasker.create_xor_masker.__module__ != xormasker.__name__


@pytest.fixture(scope="module", autouse=True)
def in_memory():
    with memory():
        yield


@pytest.mark.skipif(ON_TWISTED, reason="once is enough")
def test_this_holds_on_twisted():
    # But for what both frameworks share: the kernels, and what differs by role only.
    shared = "validates or masks or any_frames or compressed or (same_steps and client)"
    run_again(f"not ({shared})", WSFAST_TEST_FRAMEWORK="twisted")


@pytest.mark.skipif(ON_TWISTED or not USES_NVX, reason="once is enough")
def test_the_librarys_kernels_in_python_give_way_too():
    options = "whatever_the_options and server"  # which validates, and unmasks
    run_again(f"validates or masks or ({options})", AUTOBAHN_USE_NVX="0")


def run_again(which, **environment):
    """Run these tests in a process of their own."""
    here = Path(__file__).parent
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", which),
            *here.glob("test_autobahn*.py"),
        ],
        env=os.environ | {"PYTEST_ADDOPTS": ""} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", streams(True))
def test_takes_the_same_steps(name, role):
    wires = list(cuts(streams(role == "server")[name]))
    # What is cut off is put together by code that both frameworks share.
    both(*histories(lambda: connected(role), wires[:: 8 if ON_TWISTED else 1]))


@pytest.mark.parametrize(
    "options",
    [
        {"failByDrop": False},
        {"echoCloseCodeReason": True},
        {"utf8validateIncoming": False},
        {"applyMask": False},
        {"logOctets": True, "logFrames": True},
        {"trackTimings": True},
        {"maxFramePayloadSize": 5},
        {"maxMessagePayloadSize": 5},
        {"maxFramePayloadSize": 100, "maxMessagePayloadSize": 130, "failByDrop": False},
        {"requireMaskedClientFrames": False, "maskServerFrames": True},
        {"acceptMaskedServerFrames": True, "maskClientFrames": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("role", ROLES)
def test_takes_the_same_steps_whatever_the_options(role, options):
    others = "requireMaskedClientFrames" if role == "client" else "acceptMaskedServerFrames"
    if others in options:
        pytest.skip("no option of this role")
    wires = []
    for name, wire in streams(role == "server").items():
        if not name.startswith(("opcode", "close code")):
            step = max(len(wire) // 3, 1)
            wires += [wire], [wire[i : i + step] for i in range(0, len(wire), step)]
    both(*histories(lambda: connected(role, **options), wires))


@pytest.mark.parametrize("role", ROLES)
def test_logs_the_same(role):
    options = {"logOctets": True, "logFrames": True}
    names = ("texts", "fragments", "ping", "close", "RSV1", "not UTF-8: bad start", "noise")
    wires = [[streams(role == "server")[name]] for name in names]
    both(*histories(lambda: connected(role, log=True, **options), wires))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("max_size", [0, 20, 1 << 20])
def test_takes_compressed_messages_among_others(role, max_size):
    masked = role == "server"
    codec = compress_deflate.PerMessageDeflate(not masked, False, False, 15, 15, 8)

    def compressed(payload):
        codec.start_compress_message()
        return codec.compress_message_data(payload) + codec.end_compress_message()

    one, two = compressed(MIXED.encode() * 3), compressed(MIXED.encode() * 300)
    good = [
        (FIN | TEXT, b"plain"),
        (FIN | RSV1 | TEXT, one),
        (RSV1 | BINARY, two[:9]),
        (FIN | PING, b"ping"),
        (FIN | CONT, two[9:]),
        (FIN | TEXT, MIXED.encode()),
    ]
    for frames in (
        good,
        [(FIN | RSV1 | TEXT, b"\xff\xff\xff\xff"), (FIN | TEXT, b"after")],
        [(FIN | RSV1 | PING, b"")],
        [(RSV1 | TEXT, b""), (FIN | RSV1 | CONT, b"")],
    ):
        wire = b"".join(frame(first, payload, masked=masked) for first, payload in frames)
        for options in ({}, {"failByDrop": False}):

            def make(options=options):
                return connected(role, compression=True, maxMessagePayloadSize=max_size, **options)

            both(*histories(make, ([wire], [wire[i : i + 7] for i in range(0, len(wire), 7)])))


FRAMES = st.tuples(
    st.sampled_from([TEXT, BINARY, FIN | TEXT, FIN | BINARY, CONT, FIN | CONT, FIN | PING]),
    st.sampled_from([b"", b"a", "ü".encode(), b"\xff", b"x" * 130]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(FRAMES, max_size=8), st.integers(1, 40), st.sampled_from(ROLES), st.booleans())
def test_takes_the_same_steps_for_any_frames(frames, step, role, fail_by_drop):
    wire = b"".join(frame(first, data, masked=role == "server") for first, data in frames)
    pieces = [wire[i : i + step] for i in range(0, len(wire), step)]
    both(*histories(lambda: connected(role, failByDrop=fail_by_drop), ([wire], pieces)))


def answers(action):
    """What a connection does with five messages and a ping, when the second message is answered."""

    def make(role, **options):
        connection = connected(role, **options)

        def on_message(self, payload, is_binary):
            if payload == b"2":
                action(self)

        connection.on_message = on_message
        return connection

    for role in ROLES:
        wire = b"".join(
            frame(first, payload, masked=role == "server")
            for first, payload in (
                *((FIN | TEXT, b"1"), (FIN | BINARY, b"2"), (FIN | TEXT, b"3")),
                *((FIN | PING, b"ping"), (FIN | TEXT, b"4"), (FIN | TEXT, b"\xff")),
                (FIN | TEXT, b"5"),
            )
        )
        for options in ({}, {"failByDrop": False}):
            yield lambda role=role, options=options, wire=wire: history(
                lambda: make(role, log=True, **options), [wire, wire]
            )


def fail(self):
    raise ZeroDivisionError("on purpose")


ACTIONS = {
    "answers": lambda self: self.sendMessage(b"answer", True),
    "closes": lambda self: self.sendClose(3000, "enough"),
    "drops": lambda self: self.dropConnection(abort=True),
    "fails the connection": lambda self: self._fail_connection(1008, "no"),
    "lowers the limit": lambda self: setattr(self, "maxMessagePayloadSize", 0.5),
    "turns validation off": lambda self: setattr(self, "utf8validateIncoming", False),
    "logs from now on": lambda self: setattr(self, "logFrames", True),
    "resets the statistics": lambda self: self.trafficStats.reset(),
    "asks to be told": lambda self: self.on(
        "message", lambda payload, is_binary: self.events.append((payload, is_binary))
    ),
    "waits for a pong": lambda self: self._sendAutoPing(),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_takes_the_same_steps_when_a_message_is_answered(name):
    class Clock:
        def cancel(self):
            pass

    with (
        mock("os.urandom", lambda size: b"u" * size),
        mock("time.time_ns", lambda: 1),
        mock.object(framework.txaio, "call_later", lambda *a: Clock()),
    ):
        both(*answers(ACTIONS[name]))


def test_an_exception_of_the_program_is_the_frameworks():
    def taken():
        return [
            [(raised, step["events"], step["state"]) for raised, step in steps[:1]]
            for steps in (function() for function in answers(fail))
        ]

    assert both(taken)[0][0][0] == (ZeroDivisionError, "on purpose")


def test_a_pending_ping_is_put_off_by_a_message():
    def taken():
        connection = connected("server", autoPingRestartOnAnyTraffic=True)
        calls = []
        connection._cancelAutoPingTimeoutCall = lambda: calls.append(connection.events[:])
        connection.autoPingTimeoutCall = object()
        receive(connection, frame(FIN | TEXT, b"a", masked=True) * 2)
        connection.autoPingTimeoutCall = None
        receive(connection, frame(FIN | TEXT, b"a", masked=True))
        return calls

    assert len(both(taken)) == 2


def test_what_comes_while_a_message_is_delivered_waits_for_its_turn():
    late = frame(FIN | TEXT, b"late", masked=True)
    raised = []

    def bring_more(self, payload, is_binary):
        if payload == b"1":
            raised.append(receive(self, late))

    with patched(integration):
        for first in (FIN | TEXT, FIN | PING):
            connection = connected("server")
            connection.on_message = bring_more
            wire = frame(FIN | TEXT, b"1", masked=True) + frame(first, b"2", masked=True)
            receive(connection, wire)
            told = [event[2] if event[0] == "message" else event[1] for event in connection.events]
            assert told == [b"1", b"2", b"late"]
    assert raised == [None, None]


def test_a_connection_goes_on_after_an_exception_of_the_program():
    with patched(integration):
        connection = connected("server")
        connection.on_message = lambda self, payload, is_binary: payload.missing
        for _ in range(2):
            raised, _ = receive(connection, frame(FIN | TEXT, b"a", masked=True))
            assert raised is AttributeError
        assert len(connection.events) == 2


HOOKS = [
    *("onFrameBegin", "onFrameData", "onFrameEnd", "onMessageBegin", "onMessageFrameBegin"),
    *("onMessageFrameData", "onMessageFrameEnd", "onMessageFrame", "onMessageEnd"),
    *("_onMessageBegin", "_onMessageFrameBegin", "_onMessageFrameData", "_onMessageFrameEnd"),
    *("_onMessageFrame", "_onMessageEnd", "_onMessage", "fire"),
]


HOOKED = b"".join(
    frame(first, payload, masked=True)
    for first, payload in (
        *((FIN | TEXT, b"1"), (FIN | BINARY, b"2"), (TEXT, b"3"), (FIN | CONT, b"4")),
        (FIN | TEXT, b"5"),
    )
)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_of_a_subclass_is_called(hook):
    Hooked = type("Hooked", (Server,), {hook: noting(hook, getattr(Server, hook))})
    both(*histories(lambda: connected("server", Hooked), ([HOOKED], [HOOKED[:9], HOOKED[9:]])))


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_somebody_puts_on_the_librarys_class_is_called(hook):
    owner = next(owner for owner in Server.__mro__ if hook in vars(owner))

    def taken():
        original = vars(owner)[hook]
        wrapper = wraps(original)(noting(hook, original))
        with mock.object(owner, hook, wrapper):
            return history(lambda: connected("server"), [HOOKED, HOOKED])

    with patched(integration):  # as they are, the classes are plain
        history(lambda: connected("server"), [HOOKED])
    both(taken)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_is_put_on_an_instance_is_called(hook):
    def make():
        connection = connected("server")
        original = getattr(Server, hook)
        setattr(
            connection,
            hook,
            lambda *arguments, **options: noting(hook, original)(connection, *arguments, **options),
        )
        return connection

    both(lambda: history(make, [HOOKED]))


def test_a_class_is_plain_again_when_a_hook_is_taken_off():
    with patched(integration):
        receive(connected("server"), HOOKED)
        with mock.object(protocol.WebSocketProtocol, "onFrameBegin", side_effect=KeyError):
            assert receive(connected("server"), HOOKED)[0] is KeyError
        with mock.object(wsfast_autobahn, "split_frames", side_effect=ZeroDivisionError):
            assert receive(connected("server"), HOOKED)[0] is ZeroDivisionError


def test_a_reader_of_frames_as_they_come():
    """The streaming API: a subclass takes messages in pieces and never hears of onMessage."""

    class Streaming(Server):
        def onMessageBegin(self, isBinary):
            self.events.append(("begin", isBinary))

        def onMessageFrameBegin(self, length):
            self.events.append(("frame", length))

        def onMessageFrameData(self, payload):
            self.events.append(("data", payload))

        def onMessageFrameEnd(self):
            self.events.append(("frame end",))

        def onMessageEnd(self):
            self.events.append(("end",))

    for name in ("texts", "fragments", "lengths", "ping in fragments", "not UTF-8: far in"):
        both(*histories(lambda: connected("server", Streaming), cuts(streams(True)[name])))


@pytest.mark.skipif(ON_TWISTED, reason="once is enough")
@pytest.mark.parametrize("role", ROLES)
def test_takes_a_message_of_16_mib(role):
    text = MIXED.encode() * (1 << 24 >> 6)
    wire = frame(FIN | TEXT, text, masked=role == "server")
    with patched(integration):
        for step in (1 << 18, len(wire)):
            connection = connected(role)
            for i in range(0, len(wire), step):
                receive(connection, wire[i : i + step])
            assert connection.events == [("message", bytes, text, bool, False)]
            assert connection.trafficStats.incomingOctetsAppLevel == len(text)
