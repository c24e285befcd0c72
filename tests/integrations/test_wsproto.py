"""wsproto, patched, against itself unpatched; and what runs on it, against peers without wsfast."""

import inspect
import pickle
import subprocess
import sys
from contextlib import suppress
from dataclasses import fields
from functools import partial
from itertools import cycle, product
from pathlib import Path

import httpx_ws
import pytest
import simple_websocket
import wsproto.connection as library
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MESSAGES, MIXED
from streams import BINARY, CLOSE, CONT, FIN, KEY, NOT_UTF8, PING, RSV1, TEXT, cuts, frame, streams
from wsproto import WSConnection, frame_protocol
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Message,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.frame_protocol import FrameDecoder, FrameProtocol, MessageDecoder, RsvBits

from wsfast.integrations import wsproto as wsfast_wsproto
from wsfast.integrations.wsproto import integration

SERVER, CLIENT = ConnectionType.SERVER, ConnectionType.CLIENT
ROLES = [SERVER, CLIENT]
ECHO_SERVERS = Path(__file__).parents[1] / "dropins" / "servers.py"


@pytest.fixture(autouse=True)
def known_keys(monkeypatch):
    monkeypatch.setattr("os.urandom", lambda size: (KEY * size)[:size])


def outcome(function, *args):
    """What a call returns or raises, in a form that can be compared."""
    try:
        result = function(*args)
    except Exception as exc:
        return type(exc), str(exc), exc.args
    return type(result), result


def both(*functions):
    """Run each unpatched and patched, hold the results to each other, and return the last."""
    plain = [function() for function in functions]
    with patched(integration):
        for function, result in zip(functions, plain, strict=True):
            assert function() == result
    return plain[-1]


def shown(event):
    """All that an event is: its attributes with their types, and how it is written."""
    return (
        type(event),
        {name: (type(value), value) for name, value in vars(event).items()},
        list(vars(event)),
        repr(event),
        outcome(hash, event),
        vars(pickle.loads(pickle.dumps(event))),
    )


def masked(role):
    return role is SERVER


def all_at_once(connection):
    return [shown(event) for event in connection.events()]


def one_a_generator(connection):
    """Take one event and drop the generator, as ``next(connection.events())`` does."""
    found = []
    while (event := next(connection.events(), None)) is not None:
        found.append((shown(event), connection.state))
    return found


def in_turns(connection):
    """Take events by two generators, each suspended while the other goes on."""
    found, generators = [], [connection.events(), connection.events()]
    while generators:
        for generator in list(generators):
            event = next(generator, None)
            if event is None:
                generators.remove(generator)
            else:
                found.append((shown(event), connection.state))
    return found


def answering(connection):
    """Answer every event while the generator is suspended."""
    found = []
    for event in connection.events():
        found.append(shown(event))
        if isinstance(event, CloseConnection | Ping):
            event = event.response()
        found.append((outcome(connection.send, event), connection.state))
    return found


def closing_first(connection):
    """Close on the first event, and go on receiving."""
    found = []
    for event in connection.events():
        if not found:
            found.append(outcome(connection.send, CloseConnection(1000, "bye")))
        found.append((shown(event), connection.state))
    return found


CONSUMERS = [all_at_once, one_a_generator, in_turns, answering, closing_first]


def received(role, pieces, consume=all_at_once, **options):
    connection = Connection(role, **options)
    found = []
    for piece in pieces:
        found.append(outcome(connection.receive_data, piece))
        found.append(consume(connection))
        found.append(connection.state)
    return found


@pytest.mark.parametrize("role", ROLES, ids=str)
@pytest.mark.parametrize("name", streams(False))
def test_receives_the_same(name, role):
    both(*[partial(received, role, pieces) for pieces in cuts(streams(masked(role))[name])])


@pytest.mark.parametrize("consume", CONSUMERS)
@pytest.mark.parametrize("role", ROLES, ids=str)
def test_receives_the_same_however_events_are_consumed(role, consume):
    wires = [wire for wire in streams(masked(role)).values() if len(wire) < 20_000]
    both(*[partial(received, role, [wire], consume) for wire in wires])
    both(*[partial(received, role, [wire[:30], wire[30:]], consume) for wire in wires])


@pytest.mark.parametrize("consume", CONSUMERS)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_receives_the_same_of_any_frames(consume, data):
    """Frames, most of them right, one after the other and cut anywhere."""
    role = data.draw(st.sampled_from(ROLES))
    firsts = st.sampled_from([0x81, 0x81, 0x82, 0x89, 0x8A, 0x01, 0x00, 0x80, 0x88, 0xC1, 0x83])
    payloads = st.one_of(
        st.text(max_size=40).map(str.encode), st.binary(max_size=5), st.just(MIXED.encode() * 4)
    )
    frames = data.draw(st.lists(st.tuples(firsts, payloads), max_size=12))
    wire = b"".join(frame(*each, masked=masked(role)) for each in frames)
    places = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=4)))
    pieces = [wire[a:b] for a, b in zip([0, *places], [*places, len(wire)], strict=True)]
    both(lambda: received(role, pieces, consume))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(ROLES), st.lists(st.binary(max_size=60), max_size=4))
def test_receives_the_same_of_noise(role, pieces):
    both(lambda: received(role, pieces))


@pytest.mark.parametrize("role", ROLES, ids=str)
@pytest.mark.parametrize("many", [1, 100, 2_500])
def test_receives_many_in_one_read(role, many):
    wire = b"".join(
        frame(FIN | first, payload, masked=masked(role))
        for first, payload in zip(
            cycle([TEXT, BINARY, PING]), [MIXED.encode(), b"", b"x" * 90, b""] * many, strict=False
        )
    )
    both(lambda: received(role, [wire[:50_000], wire[50_000:]]))


@pytest.mark.parametrize("role", ROLES, ids=str)
@pytest.mark.parametrize("size", [125, 126, 16_384, 20_000, 65_535, 65_536, 300_000])
def test_receives_long_frames(role, size):
    text = (MIXED * (size // 50)).encode()[:size].decode(errors="ignore").encode()
    wire = b"".join(
        frame(FIN | first, payload, masked=masked(role))
        for first, payload in [(TEXT, text), (BINARY, text), (TEXT, b"x"), (TEXT, text)]
    )
    both(
        *[
            partial(received, role, [wire[i : i + step] for i in range(0, len(wire), step)])
            for step in (4_096, 65_536, len(wire))
        ]
    )


def test_receives_16_mib():
    text = "🦊" * (1 << 22)
    wire = frame(FIN | TEXT, text.encode(), masked=False)
    with patched(integration):
        for step in (100_000, len(wire)):
            connection = Connection(CLIENT)
            found = []
            for i in range(0, len(wire), step):
                connection.receive_data(wire[i : i + step])
                found += connection.events()
            assert "".join(event.data for event in found) == text
            assert [event.message_finished for event in found] == [False] * (len(found) - 1) + [
                True
            ]


@pytest.mark.parametrize("role", ROLES, ids=str)
@pytest.mark.parametrize("data", [*NOT_UTF8.values(), MIXED.encode(), b"\xf0\x9f\xa6", b"\xe2"])
def test_texts_in_pieces_are_the_same_at_every_cut(role, data):
    wire = frame(FIN | TEXT, data, masked=masked(role))
    both(*[partial(received, role, [wire[:i], wire[i:]]) for i in range(min(len(wire), 100))])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=3).map(str.encode), st.binary(max_size=3)), max_size=5))
def test_texts_in_fragments_are_the_same(pieces):
    firsts = [TEXT, *[CONT] * len(pieces)]
    wire = b"".join(
        frame(first, piece, masked=True) for first, piece in zip(firsts, pieces, strict=False)
    )
    both(lambda: received(SERVER, [wire + frame(FIN | CONT, masked=True)]))


@pytest.mark.parametrize("first", [TEXT, BINARY])
@pytest.mark.parametrize("other", [TEXT, BINARY])
def test_a_whole_message_inside_another_is_the_same_error(first, other):
    wire = frame(first, b"a", masked=True) + frame(FIN | other, b"b", masked=True)
    both(lambda: received(SERVER, [wire]), lambda: received(SERVER, [wire[:7], wire[7:]]))


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_what_comes_while_events_are_consumed_is_consumed_too(role):
    hello = frame(FIN | TEXT, b"Hello", masked=masked(role))

    def found():
        connection, found = Connection(role), []
        connection.receive_data(hello * 2 + hello[:4])
        for event in connection.events():
            found.append(shown(event))
            if len(found) < 9:
                connection.receive_data(hello[4:] + hello[:4])
        return found

    assert len(both(found)) > 9


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_the_end_of_the_stream_is_the_same(role):
    hello = frame(FIN | TEXT, b"Hello", masked=masked(role))

    def found():
        connection = Connection(role)
        connection.receive_data(hello * 2)
        generator = connection.events()
        seen = [shown(next(generator)), outcome(connection.receive_data, None), connection.state]
        seen += map(shown, generator)
        return seen, all_at_once(connection), outcome(connection.receive_data, b"x")

    both(found)


@pytest.mark.parametrize("role", ROLES, ids=str)
@pytest.mark.parametrize("last", [TEXT, FIN | CONT, FIN | CLOSE, FIN | 3], ids=hex)
def test_the_end_of_the_stream_does_not_overtake_what_came_before_it(role, last):
    hello = frame(FIN | TEXT, b"Hello", masked=masked(role))
    wire = hello * 2 + frame(TEXT, b"a", masked=masked(role)) + hello[:4]

    def found():
        connection = Connection(role)
        connection.receive_data(wire)
        generator = connection.events()
        seen = [shown(next(generator))]
        connection.receive_data(hello[4:] + frame(last, b"\x03\xe8", masked=masked(role)))
        connection.receive_data(None)
        seen += map(shown, generator)
        return seen, all_at_once(connection), connection.state

    both(found)


def test_nothing_happens_before_events_are_consumed():
    hello = frame(FIN | TEXT, b"Hello", masked=True)
    with patched(integration):
        connection = Connection(SERVER)
        connection.receive_data(hello + hello + frame(FIN | CLOSE, b"\x03\xe8", masked=True))
        generator = connection.events()
        assert inspect.isgenerator(generator)
        next(generator)
        assert connection._proto._frame_decoder.buffer.buffer.startswith(hello)
        next(generator)
        assert connection.state is ConnectionState.OPEN
        next(generator)
        assert connection.state is ConnectionState.REMOTE_CLOSING


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_patching_and_unpatching_lose_nothing_between_two_events(role):
    texts = [f"message {i}" for i in range(6)]
    wire = b"".join(frame(FIN | TEXT, text.encode(), masked=masked(role)) for text in texts)
    before = Connection(role)
    before.receive_data(wire)
    seen = [next(before.events()).data]
    with patched(integration):
        seen += [event.data for _, event in zip("xx", before.events(), strict=False)]
        during = Connection(role)
        during.receive_data(wire)
        also = [next(during.events()).data]
    seen += [event.data for event in before.events()]
    also += [event.data for _, event in zip("xx", during.events(), strict=False)]
    with patched(integration):
        also += [event.data for event in during.events()]
    assert seen == also == texts


class Counting(Extension):
    """Writes down what it is called with."""

    name = "counting"

    def __init__(self):
        self.calls = []

    def enabled(self):
        return True

    def offer(self):
        return True

    def frame_inbound_header(self, proto, opcode, rsv, payload_length):
        self.calls.append(("header", proto.client, opcode, rsv, payload_length))
        return RsvBits(False, False, True)

    def frame_inbound_payload_data(self, proto, data):
        self.calls.append(("data", type(data), data))
        return data.upper()

    def frame_inbound_complete(self, proto, fin):
        self.calls.append(("complete", fin))
        return b"!"

    def frame_outbound(self, proto, opcode, rsv, data, fin):
        self.calls.append(("out", opcode, rsv, type(data), data, fin))
        return RsvBits(False, False, True), data + b"!"


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_extensions_are_called_the_same(role):
    def found():
        extension = Counting()
        connection = Connection(role, [extension])
        sent = [outcome(connection.send, message) for message in (TextMessage("a"), Ping(b"b"))]
        for wire in streams(masked(role)).values():
            for piece in (wire[:9], wire[9:]):
                with suppress(library.LocalProtocolError):
                    connection.receive_data(piece)
                extension.calls.append(all_at_once(connection))
            connection = Connection(role, [extension])
        return sent, extension.calls

    both(found)


def test_an_extension_that_is_disabled_later_is_called_the_same():
    def found():
        extension = Counting()
        connection = Connection(SERVER, [extension])
        extension.enabled = lambda: False
        connection.receive_data(frame(FIN | TEXT, b"Hello", masked=True) * 2)
        return one_a_generator(connection), extension.calls

    both(found)


@pytest.mark.parametrize(
    "options",
    [{}, {"client_no_context_takeover": True, "server_no_context_takeover": True}],
    ids=str,
)
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_compressed_messages_are_the_same(options, step):
    def found():
        ends = []
        for role in (CLIENT, SERVER):
            extension = PerMessageDeflate(**options)
            extension._enabled = True
            ends.append(Connection(role, [extension]))
        seen = []
        for sender, receiver in (ends, ends[::-1]):
            messages = [
                TextMessage(MIXED), TextMessage(MIXED), BytesMessage(b""), Ping(b"p"),
                TextMessage(MIXED[:20], message_finished=False), TextMessage(MIXED[20:]),
            ]  # fmt: skip
            wire = b"".join(sender.send(message) for message in messages)
            seen.append(wire)
            for i in range(0, len(wire), step):
                receiver.receive_data(wire[i : i + step])
                seen += map(shown, receiver.events())
        return seen

    both(found)


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_broken_compression_is_the_same(role):
    def found():
        extension = PerMessageDeflate()
        extension._enabled = True
        wire = frame(FIN | TEXT | RSV1, b"\xff\xff\xff", masked=masked(role))
        return received(role, [wire + wire], extensions=[extension])

    both(found)


CONTENTS = [
    *["", "Hello", MIXED, "x" * 125, "x" * 126, "ÿ" * 32_768, MIXED * 2_000, "\ud800", "a\udfff"],
    *[b"", b"abc", b"x" * 125, b"x" * 126, b"x" * 65_535, b"\xff" * 65_536],
    *[bytearray(b"abc"), memoryview(b"abcd")[::2], memoryview(b"abc"), None, 3, [1, 2], "x" * 4],
]
KINDS = [Message, TextMessage, BytesMessage, Ping, Pong]


@pytest.mark.parametrize("role", ROLES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_sends_the_same(role, kind):
    def sent():
        return [outcome(Connection(role).send, kind(content)) for content in CONTENTS]

    both(sent)


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_sends_the_same_fragments(role):
    """Every mixture of two kinds and all values of ``message_finished``, also those not bool."""
    values = [True, False, 1, 0, 2, None]

    def sent():
        found = []
        for finished in product(values, repeat=2):
            connection = Connection(role)
            for event, end in zip(
                [TextMessage, BytesMessage, TextMessage], [*finished, True], strict=True
            ):
                data = MIXED if event is TextMessage else b"abc"
                found.append(outcome(connection.send, event(data, message_finished=end)))
        return found

    both(sent)


@pytest.mark.parametrize("role", ROLES, ids=str)
@pytest.mark.parametrize("state", ConnectionState)
def test_sends_the_same_in_every_state(role, state):
    def sent():
        found = []
        for event in (
            TextMessage("a"),
            BytesMessage(b"a"),
            Ping(),
            Pong(),
            CloseConnection(1001, "ö" * 90),
            CloseConnection(1005),
            CloseConnection(1000),
            Request("h", "t"),
            None,
        ):
            connection = Connection(role)
            connection._state = state
            found.append((outcome(connection.send, event), connection.state))
        return found

    both(sent)


def test_a_subclass_of_an_event_may_do_what_it_likes():
    class Shouting(TextMessage):
        @property
        def data(self):
            return "LOUD"

        @data.setter
        def data(self, value):
            pass

    def sent():
        event = object.__new__(Shouting)
        return Connection(SERVER).send(event)

    both(sent)


def test_a_fresh_key_masks_every_frame(monkeypatch):
    sizes = []
    monkeypatch.setattr("os.urandom", lambda size: sizes.append(size) or bytes([len(sizes)] * size))

    def sent():
        sizes.clear()
        connection = Connection(CLIENT)
        events = [
            TextMessage(MIXED),
            BytesMessage(b"abc"),
            Ping(b"p"),
            TextMessage(""),
            TextMessage("a", message_finished=False),
        ]
        return [connection.send(event) for event in events], list(sizes)

    assert both(sent)[1] == [4] * 5


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_what_is_below_a_connection_is_the_same(role):
    """``FrameProtocol``, ``MessageDecoder`` and the masker by themselves."""

    def found():
        seen = []
        for wire in streams(masked(role)).values():
            protocol = FrameProtocol(role is CLIENT, [])
            protocol.receive_bytes(wire)
            seen.append(
                outcome(
                    lambda p=protocol: [
                        (frame, type(frame.payload)) for frame in p.received_frames()
                    ]
                )
            )
        protocol = FrameProtocol(role is CLIENT, [])
        for content in CONTENTS:
            for fin in (True, False):
                seen.append(outcome(protocol.send_data, content, fin))
            for method in (protocol.ping, protocol.pong):
                seen.append(outcome(method, content))
        for key in (KEY, bytearray(KEY), b"", b"abc", b"abcde"):
            masker = frame_protocol.XorMaskerSimple(key)
            for data in (b"", b"a", b"abcdef", bytearray(b"abc"), memoryview(b"abc"), b"x" * 5_000):
                seen.append((outcome(masker.process, data), masker._masking_key))
        return seen

    both(found)


def test_masking_leaves_its_argument_alone():
    with patched(integration):
        data = bytearray(b"abcdef")
        made = frame_protocol.XorMaskerSimple(KEY).process(data)
        assert data == b"abcdef"
        assert made is not data


OVERRIDDEN = [
    (FrameProtocol, "received_frames", lambda self: iter(())),
    (FrameProtocol, "send_data", lambda self, payload, fin: b"sent"),
    (FrameProtocol, "_serialize_frame", lambda self, *args: b"serialized"),
    (FrameDecoder, "process_buffer", lambda self: None),
    (MessageDecoder, "process_frame", lambda self, frame: frame._replace(payload="other")),
]


@pytest.mark.parametrize(
    ("of", "name", "function"), OVERRIDDEN, ids=[name for _, name, _ in OVERRIDDEN]
)
@pytest.mark.parametrize("how", ["subclass", "instance"])
def test_steps_aside_for_what_is_overridden(of, name, function, how):
    hello = frame(FIN | TEXT, b"Hello", masked=True)

    def found():
        connection = Connection(SERVER)
        protocol = connection._proto
        part = {
            FrameProtocol: protocol,
            FrameDecoder: protocol._frame_decoder,
            MessageDecoder: protocol._message_decoder,
        }[of]
        if how == "subclass":
            part.__class__ = type("Own", (of,), {name: function})
        else:
            setattr(part, name, lambda *args: function(part, *args))
        connection.receive_data(hello + hello)
        return all_at_once(connection), connection.send(TextMessage("Hello"))

    both(found)


def test_steps_aside_for_a_connection_with_a_state_of_its_own():
    class Closed(Connection):
        state = ConnectionState.CLOSED

        def receive_data(self, data):
            self._proto.receive_bytes(data)

    def found():
        connection = Closed(SERVER)
        connection.receive_data(frame(FIN | CLOSE, masked=True))
        return (
            outcome(connection.send, TextMessage("a")),
            all_at_once(connection),
            connection._state,
        )

    both(found)


def test_a_subclass_that_overrides_nothing_of_that_is_fast(monkeypatch):
    class Connection(library.Connection):
        pass

    calls = []
    split = wsfast_wsproto.split_frames
    monkeypatch.setattr(
        wsfast_wsproto, "split_frames", lambda *args: calls.append(1) or split(*args)
    )
    with patched(integration):
        connection = Connection(SERVER)
        connection.receive_data(frame(FIN | TEXT, b"Hello", masked=True))
        assert list(connection.events()) == [TextMessage("Hello")]
    assert calls


def test_is_fast_again_after_a_message_in_fragments():
    fragments = frame(TEXT, b"Hel", masked=True) + frame(FIN | CONT, b"lo", masked=True)
    with patched(integration):
        connection = Connection(SERVER)
        connection.receive_data(fragments + frame(FIN | TEXT, b"Hello", masked=True) * 3)
        generator = connection.events()
        assert [event.data for _, event in zip(range(3), generator, strict=False)][2] == "Hello"
        assert len(connection._proto._frame_decoder.buffer.frames) == 2


def test_what_is_split_off_takes_little_memory():
    """A consumer that stops half way has no object for each of 300,000 tiny frames."""
    with patched(integration):
        connection = Connection(SERVER)
        connection.receive_data(frame(FIN | BINARY, b"x", masked=True) * 300_000)
        generator = connection.events()
        next(generator)
        assert len(connection._proto._frame_decoder.buffer.frames) < 16_384 / 7 + 1
        assert sum(1 for _ in generator) == 299_999


def test_the_library_calls_what_is_patched(monkeypatch):
    """The seams are those that are called, and not merely those that can be seen."""
    calls = []
    for name in ("split_frames", "decode_utf8", "apply_mask", "serialize_frame"):
        function = getattr(wsfast_wsproto, name)

        def spy(*args, name=name, function=function, **options):
            calls.append(name)
            return function(*args, **options)

        monkeypatch.setattr(wsfast_wsproto, name, spy)
    with patched(integration):
        client, server = WSConnection(CLIENT), WSConnection(SERVER)
        server.receive_data(client.send(Request("host", "/")))
        assert len(list(server.events())) == 1
        client.receive_data(server.send(AcceptConnection()))
        assert len(list(client.events())) == 1
        calls.clear()
        wire = client.send(TextMessage(MIXED))
        assert calls == ["serialize_frame"]
        server.receive_data(wire)
        assert list(server.events()) == [TextMessage(MIXED)]
        assert calls == ["serialize_frame", "split_frames", "decode_utf8"]
        calls.clear()
        server.receive_data(wire[:30])
        assert len(list(server.events())) == 1
        assert calls == ["split_frames", "apply_mask", "decode_utf8"]
        calls.clear()
        server.send(Ping(b"p"))
        assert calls == ["serialize_frame"]
        assert len(integration.in_place()) == len(integration.seams)


def test_unpatch_restores_the_very_objects():
    def owned():
        classes = (
            library.Connection,
            FrameProtocol,
            MessageDecoder,
            frame_protocol.XorMaskerSimple,
        )
        return [frame_protocol.Buffer, *[item for kind in classes for item in vars(kind).items()]]

    before = owned()
    with patched(integration):
        assert owned() != before
    assert owned() == before


def test_bytes_are_taken_from_the_buffer_with_their_event():
    """So that whoever looks at it, or unpatches, finds what is not handed out yet, and no more."""
    wires = [frame(FIN | BINARY, b"x" * size, masked=True) for size in (0, 125, 126, 65_536, 9)]
    with patched(integration):
        connection = Connection(SERVER)
        connection.receive_data(b"".join(wires))
        for _ in connection.events():
            del wires[0]
            assert connection._proto._frame_decoder.buffer.buffer == b"".join(wires)


SERVERS = ["hypercorn", "uvicorn-wsproto", "simple-websocket", "wsproto"]


@pytest.mark.parametrize(
    ("name", "client"),
    [*((name, "websockets-client") for name in SERVERS), ("wsproto", "websocket-client")],
)
def test_a_client_without_wsfast_agrees(name, client, peer):
    program = (
        "import runpy, sys\n"
        "from wsfast.integrations.wsproto import integration\n"
        "assert integration.patch()\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, ECHO_SERVERS, name, "--deflate"],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            port = int(server.stdout.readline())
            assert peer(client, port).stdout.read() == "ok\n"
        finally:
            server.kill()


def test_a_server_without_wsfast_agrees(peer):
    """The very clients that run on wsproto: simple-websocket's, and httpx-ws."""
    port = int(peer("websockets-server").stdout.readline())
    with patched(integration):
        client = simple_websocket.Client(f"ws://127.0.0.1:{port}/")
        for message in MESSAGES:
            client.send(message)
            assert client.receive() == message
        client.close()
        with httpx_ws.connect_ws(f"http://127.0.0.1:{port}/", max_message_size_bytes=1 << 25) as ws:
            for message in MESSAGES:
                if isinstance(message, str):
                    ws.send_text(message)
                    assert ws.receive_text() == message
                else:
                    ws.send_bytes(message)
                    assert ws.receive_bytes() == message


def test_patching_imports_nothing():
    program = (
        "import sys\n"
        "from wsfast.integrations import wsproto\n"
        "assert wsproto.patch()\n"
        "assert 'wsproto' not in sys.modules\n"
        "import wsproto.connection\n"
        "assert len(wsfast.integrations.wsproto.integration.in_place()) == 6\n"
    ).replace("wsfast.integrations.wsproto", "sys.modules['wsfast.integrations.wsproto']")
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_events_have_the_fields_that_are_written():
    """Events are made without their own ``__init__``, which would set these."""
    for event in (TextMessage, BytesMessage):
        assert [field.name for field in fields(event)] == [
            "data",
            "frame_finished",
            "message_finished",
        ]


def test_streams_reach_every_kind_of_end():
    """The corpus above is worth something: it ends in all the ways there are."""
    texts = set()
    for wire in streams(True).values():
        connection = Connection(SERVER)
        connection.receive_data(wire)
        texts |= {
            event.reason for event in connection.events() if isinstance(event, CloseConnection)
        }
    for text in (
        *(
            "unexpected CONTINUATION",
            "expected CONTINUATION, got",
            "Reserved bit",
            "Invalid opcode",
        ),
        *("unmasked", "fragment control", "payload len > 125", "Payload length", "non-zero MSB"),
        *(
            "can't decode",
            "1 byte",
            "invalid code",
            "local-only",
            "unknown reserved",
            "CLOSE reason",
        ),
    ):
        assert any(text in found for found in texts), text
