"""What is tried between wsfast and its peers, and which peer can't do what.

A behaviour is a list of steps that a client takes, the path that tells the server how to answer,
and what must be seen at the ends; ``peers/rig.py`` says what steps and paths mean.
"""

from dataclasses import dataclass, field

# What a library may lack in a role.
FRAGMENTS = "send a message in fragments"
PING = "send a ping and tell of its pong"
COMPRESSION = "agree on permessage-deflate"


@dataclass(frozen=True)
class Peer:
    """A program of ``peers/``, and what its library lacks in each role."""

    program: str
    client_lacks: frozenset[str] = frozenset()
    server_lacks: frozenset[str] = frozenset()
    is_server: bool = True
    tells_close_frame: bool = True  # a server, to its application: the code and the reason


WSFAST = Peer("with_wsfast.py")

# Those that the tests of every day run against; the others are for `make interop`.
EVERYDAY = {
    "websockets": Peer("with_websockets.py"),
    "websocket-client": Peer(
        "with_websocket_client.py", client_lacks=frozenset({COMPRESSION}), is_server=False
    ),
}

PEERS = EVERYDAY | {
    "aiohttp": Peer("with_aiohttp.py", frozenset({FRAGMENTS}), frozenset({FRAGMENTS})),
    "picows": Peer("with_picows.py", frozenset({COMPRESSION}), frozenset({COMPRESSION})),
    "picows.websockets": Peer("with_picows_websockets.py"),
    "tornado": Peer("with_tornado.py", frozenset({FRAGMENTS}), frozenset({FRAGMENTS})),
    "wsproto": Peer(
        "with_wsproto.py",
        frozenset({COMPRESSION}),
        frozenset({FRAGMENTS, PING}),
        tells_close_frame=False,
    ),
    "ws": Peer("with_ws.mjs"),
}


@dataclass(frozen=True)
class Behaviour:
    """Steps of a client, and what must come of them; the connection ends with ``closed``."""

    steps: list
    received: list
    path: str = "/echo"
    closed: tuple[int, str] = (1000, "done")
    closed_by: str = "client"
    compression: bool = False
    subprotocols: list[str] = field(default_factory=list)
    subprotocol: str | None = None
    client_needs: frozenset[str] = frozenset()
    server_needs: frozenset[str] = frozenset()

    def all_steps(self):
        if self.closed_by == "client":
            return [*self.steps, ["close", *self.closed]]
        code, reason = self.closed
        return [*self.steps, ["send", {"text": f"{code} {reason}"}], ["wait_closed"]]

    def possible(self, server, client):
        both_need = {COMPRESSION} if self.compression else set()
        return not (
            (self.server_needs | both_need) & server.server_lacks
            or (self.client_needs | both_need) & client.client_lacks
        )


def text(string, times=1):
    return {"text": string, "times": times}


def binary(payload, times=1):
    return {"hex": payload.hex(), "times": times}


def echo(*messages, **how):
    """All are sent, then all are received."""
    sending = [["send", message] for message in messages]
    return Behaviour(sending + [["receive"]] * len(messages), list(messages), **how)


def in_turns(*messages, **how):
    """Each is received before the next is sent."""
    steps = [step for message in messages for step in (["send", message], ["receive"])]
    return Behaviour(steps, list(messages), **how)


def in_fragments(*pieces, whole, **how):
    """The client sends one message in pieces, and receives it whole."""
    needs = frozenset({FRAGMENTS})
    return Behaviour([["send_fragments", *pieces], ["receive"]], [whole], client_needs=needs, **how)


def fragmented_answer(message, **how):
    return echo(message, path="/fragments", server_needs=frozenset({FRAGMENTS}), **how)


def closing(by, code, reason):
    return Behaviour([], [], path="/close", closed_by=by, closed=(code, reason))


MIXED = "Zwölf Boxkämpfer, いろはにほへと, Съешь же ещё, 🦊🐶. "
MIB = 1 << 20
EVERY_BYTE = bytes(range(256))

BEHAVIOURS = {
    "ASCII text": echo(text("Hello")),
    "text of many languages": echo(text(MIXED)),
    "binary": echo(binary(EVERY_BYTE)),
    "empty text": echo(text("")),
    "empty binary": echo(binary(b"")),
    "every form of the length": in_turns(*(text("x", size) for size in (125, 126, 65535, 65536))),
    "1 MiB of ASCII": echo(text("x", MIB)),
    "1 MiB of other text": echo(text("🦊", MIB // 4)),
    "1 MiB of binary": echo(binary(EVERY_BYTE, MIB // 256)),
    "many messages in flight": echo(*(text(MIXED, n % 5) for n in range(200))),
    "text and binary in turns": in_turns(text("a"), binary(b"\xff"), text("é"), binary(b"")),
    "client sends fragments of text": in_fragments(
        text("frag"), text(MIXED, 100), text("ments"), whole=text("frag" + MIXED * 100 + "ments")
    ),
    "client sends fragments of binary": in_fragments(
        binary(b"\xff", MIB), binary(b"\xff", MIB), whole=binary(b"\xff", 2 * MIB)
    ),
    "client sends empty fragments": in_fragments(text(""), text("a"), text(""), whole=text("a")),
    "server sends fragments of text": fragmented_answer(text(MIXED, 100)),
    "server sends fragments of binary": fragmented_answer(binary(EVERY_BYTE, 1000)),
    "server sends empty fragments": fragmented_answer(text("a")),
    "client pings": Behaviour(
        [["ping"], ["send", text("still there")], ["receive"], ["ping"]],
        [text("still there")],
        client_needs=frozenset({PING}),
    ),
    "server pings": Behaviour(
        [["receive"]], [text("the pong came")], path="/ping", server_needs=frozenset({PING})
    ),
    "compressed text": in_turns(*[text(MIXED, 20)] * 3, compression=True),
    "compressed binary": in_turns(*[binary(EVERY_BYTE, 20)] * 3, compression=True),
    "compressed empty messages": in_turns(text(""), binary(b""), compression=True),
    "compressed 1 MiB": echo(text("🦊", MIB // 4), compression=True),
    "compressed fragments of the client": in_fragments(
        text(MIXED, 20), text(MIXED, 20), whole=text(MIXED, 40), compression=True
    ),
    "compressed fragments of the server": fragmented_answer(text(MIXED, 100), compression=True),
    "sub-protocol": Behaviour([], [], subprotocols=["chat.v1", "chat.v2"], subprotocol="chat.v2"),
    "client closes": closing("client", 1000, ""),
    "client closes with a code of its own": closing("client", 4321, "Grüße"),
    "client closes with the longest reason": closing("client", 3000, "r" * 123),
    "server closes": closing("server", 1000, ""),
    "server closes with a code of its own": closing("server", 4321, "Grüße"),
    "server closes with the longest reason": closing("server", 3000, "r" * 123),
    "server goes away": closing("server", 1001, "for a while"),
}
