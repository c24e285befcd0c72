"""autobahn's protocols in memory, step by step, in a form that can be compared.

A process has one framework, since txaio takes no other after the first: asyncio, unless
WSFAST_TEST_FRAMEWORK says twisted.
"""

import asyncio
import os
import random
import re
from contextlib import contextmanager
from importlib import import_module
from unittest.mock import patch as mock

import txaio
from autobahn.websocket import compress_deflate, protocol
from patching import patched

from wsfast.integrations.autobahn import integration

ON_TWISTED = os.environ.get("WSFAST_TEST_FRAMEWORK") == "twisted"

framework = import_module(f"autobahn.{'twisted' if ON_TWISTED else 'asyncio'}.websocket")

ROLES = ["server", "client"]
OPEN = protocol.WebSocketProtocol.STATE_OPEN


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


@contextmanager
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


def noting(hook, original):
    def note(self, *arguments, **options):
        self.events.append((hook, arguments, options))
        return original(self, *arguments, **options)

    return note
