"""autobahn, patched, against itself unpatched, and against peers without wsfast.

A process has one framework, since txaio takes no other after the first. These tests run on asyncio,
and once more, in a process of their own, on Twisted. Protocols are compared step by step, on a
transport in memory, over every stream of ``streams.py``, however it is cut.
"""

import asyncio
import os
import random
import re
import subprocess
import sys
from functools import wraps
from importlib import import_module
from itertools import product
from unittest.mock import patch as mock

import pytest
import txaio
from autobahn.websocket import compress_deflate, protocol, xormasker
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MIXED
from streams import BINARY, CONT, FIN, NOT_UTF8, PING, RSV1, TEXT, cuts, frame, streams

from wsfast.integrations import autobahn as wsfast_autobahn
from wsfast.integrations.autobahn import integration

ON_TWISTED = os.environ.get("WSFAST_TEST_FRAMEWORK") == "twisted"

framework = import_module(f"autobahn.{'twisted' if ON_TWISTED else 'asyncio'}.websocket")

USES_NVX = xormasker.create_xor_masker.__module__ != xormasker.__name__

on_asyncio = pytest.mark.skipif(ON_TWISTED, reason="asyncio's part")
on_twisted = pytest.mark.skipif(not ON_TWISTED, reason="Twisted's part")

ROLES = ["server", "client"]
CONNECTING = protocol.WebSocketProtocol.STATE_CONNECTING
OPEN = protocol.WebSocketProtocol.STATE_OPEN
CLOSED = protocol.WebSocketProtocol.STATE_CLOSED


@pytest.mark.skipif(ON_TWISTED, reason="once is enough")
def test_all_of_this_holds_on_twisted():
    run_again("", WSFAST_TEST_FRAMEWORK="twisted")


def run_again(which, **environment):
    """Run these tests in a process of their own."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", which],
        env=os.environ | {"PYTEST_ADDOPTS": ""} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.returncode == 0, run.stdout


TRANSPORT_CALLS = (
    *("close", "abort", "loseConnection", "abortConnection"),
    *("setTcpNoDelay", "unregisterProducer"),
)


class Transport:
    """A transport in memory, as both frameworks know it; it notes what is done with it."""

    def __init__(self):
        self.written = []
        self.calls = []
        self.on_write = None

    def write(self, data):
        assert type(data) is bytes
        self.written.append(data)
        if self.on_write:
            self.on_write()

    def get_extra_info(self, name, default=None):
        return ("127.0.0.1", 1) if name == "peername" else default

    def getPeer(self):
        return "127.0.0.1"

    def __getattr__(self, name):
        if name in TRANSPORT_CALLS:
            return lambda *arguments: self.calls.append(name)
        raise AttributeError(name)


class Log:
    """Notes all that is logged, debug messages too."""

    def __init__(self):
        self.lines = []

    def __getattr__(self, level):
        def log(text="", **fields):
            # Colours aside, a protocol shows in a text by its class and its address.
            line = re.sub(r"0x[0-9a-f]+", "0x", text.format(**fields)) if fields else text
            self.lines.append((level, line))

        return log


def recording(Base):
    class Recording(Base):
        """Notes what the library tells; ``on_message`` may answer."""

        def __init__(self):
            super().__init__()
            self.events = []
            self.on_message = None

        def onMessage(self, payload, isBinary):
            self.events.append(("message", type(payload), payload, type(isBinary), isBinary))
            if self.on_message:
                self.on_message(self, payload, isBinary)

        def onPing(self, payload):
            self.events.append(("ping", payload))
            super().onPing(payload)

        def onPong(self, payload):
            self.events.append(("pong", payload))

        def onClose(self, wasClean, code, reason):
            self.events.append(("close", wasClean, code, reason))

    return Recording


Server = recording(framework.WebSocketServerProtocol)
Client = recording(framework.WebSocketClientProtocol)

# No timer outlives a test.
NO_TIMERS = {"openHandshakeTimeout": 0, "closeHandshakeTimeout": 0}


# Those that no factory takes.
INSTANCE_OPTIONS = ("logOctets", "logFrames", "trackTimings")


@pytest.fixture(scope="module", autouse=True)
def memory():
    """What protocols in memory need: a loop to belong to, which hardly runs."""
    # Most of the time of a connection goes into the text of one debug message.
    with mock.object(protocol, "pformat", lambda options: ""):
        if ON_TWISTED:
            yield
            return
        loop = asyncio.new_event_loop()
        with mock.object(txaio.config, "loop", loop):
            yield
        loop.close()


def connected(role, Protocol=None, *, log=False, compression=False, **options):
    """Make a protocol whose opening handshake is over."""
    if role == "server":
        Protocol, Factory = Protocol or Server, framework.WebSocketServerFactory
    else:
        Protocol, Factory = Protocol or Client, framework.WebSocketClientFactory
        options.setdefault("serverConnectionDropTimeout", 0)
    factory = Factory("ws://localhost:9", **({} if ON_TWISTED else {"loop": txaio.config.loop}))
    own = {name: options.pop(name) for name in INSTANCE_OPTIONS if name in options}
    factory.setProtocolOptions(**NO_TIMERS | options)
    connection = Protocol()
    vars(connection).update(own)
    connection.factory = factory
    transport = Transport()
    if ON_TWISTED:
        connection.makeConnection(transport)
    else:
        connection.connection_made(transport)
    transport.calls.clear()
    transport.written.clear()
    connection.state = OPEN
    connection.websocket_version = 13
    connection.inside_message = False
    connection.current_frame = None
    if compression:
        connection._perMessageCompress = compress_deflate.PerMessageDeflate(
            role == "server", False, False, 15, 15, 8
        )
    if log:
        connection.log = Log()
    return connection


def receive(connection, data):
    """Give a connection what a read has brought, and answer what that raised."""
    try:
        if ON_TWISTED:
            connection.dataReceived(data)
        else:
            connection._dataReceived(data)
    except Exception as exc:
        return type(exc), str(exc)


def facts(connection):
    """All that can be seen of a connection after a step."""
    return {
        "events": connection.events[:],
        "written": connection.transport.written[:],
        "calls": connection.transport.calls[:],
        "stats": vars(connection.trafficStats).copy(),
        "log": connection.log.lines[:] if isinstance(connection.log, Log) else None,
        "data": (type(connection.data), connection.data),
    } | {
        name: getattr(connection, name)
        for name in (
            *("state", "inside_message", "failedByMe", "closedByMe", "droppedByMe"),
            *("wasClean", "wasNotCleanReason", "localCloseCode", "localCloseReason"),
            *("remoteCloseCode", "remoteCloseReason", "autoPingPending"),
            *("wasMaxFramePayloadSizeExceeded", "wasMaxMessagePayloadSizeExceeded"),
        )
    }


def history(make, pieces):
    """What a connection does with these pieces, step by step."""
    connection = make()
    random.seed(1)  # a factory has seeded anew
    return [(receive(connection, piece), facts(connection)) for piece in pieces if piece]


def both(*functions):
    """Run each unpatched and patched, hold the results to each other, and return the last."""
    plain = [function() for function in functions]
    with patched(integration):
        for function, result in zip(functions, plain, strict=True):
            assert function() == result
    return plain[-1]


def histories(make, wires):
    return [lambda pieces=pieces: history(make, pieces) for pieces in wires]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", streams(True))
def test_takes_the_same_steps(name, role):
    wire = streams(role == "server")[name]
    both(*histories(lambda: connected(role), cuts(wire)))


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
        [(FIN | RSV1 | TEXT, b"\xff\xff\xff\xff")],
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
    with patched(integration):
        connection = connected("server")
        connection.transport.on_write = lambda: receive(connection, late)
        connection.on_message = lambda self, payload, is_binary: (
            self.sendMessage(b"answer") if payload == b"1" else None
        )
        for payloads in ((b"1",), (b"1", b"2"), (b"1", b"2", b"\xff")):
            connection.events.clear()
            wire = b"".join(frame(FIN | TEXT, payload, masked=True) for payload in payloads)
            receive(connection, wire)
            assert [event[2] for event in connection.events[:2]] == [*payloads, b"late"][:2]
        assert connection.state == CLOSED


HOOKS = [
    *("onFrameBegin", "onFrameData", "onFrameEnd", "onMessageBegin", "onMessageFrameBegin"),
    *("onMessageFrameData", "onMessageFrameEnd", "onMessageFrame", "onMessageEnd"),
    *("_onMessageBegin", "_onMessageFrameBegin", "_onMessageFrameData", "_onMessageFrameEnd"),
    *("_onMessageFrame", "_onMessageEnd", "_onMessage", "fire"),
]


def noting(hook, original):
    def note(self, *arguments, **options):
        self.events.append((hook, arguments, options))
        return original(self, *arguments, **options)

    return note


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


@on_asyncio
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


# Sending


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


# The kernels


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


@pytest.mark.skipif(ON_TWISTED or not USES_NVX, reason="once is enough")
def test_the_librarys_kernels_in_python_give_way_too():
    run_again("validates or masks or whatever_the_options", AUTOBAHN_USE_NVX="0")
