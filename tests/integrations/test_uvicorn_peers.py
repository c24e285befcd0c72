"""Peers of wsfast's class for uvicorn: right, wrong, hostile, and in other processes.

What they send goes through uvicorn's own class for websockets as well, and must mean the same.
"""

import asyncio
import logging
import ssl
import struct
import subprocess
import sys
from functools import partial
from importlib import import_module
from socket import SO_LINGER, SOL_SOCKET

import pytest
import trustme
from streams import BINARY, CONT, FIN, MIXED, PING, PONG, TEXT, cuts, frame, streams
from uvicorn import Config
from uvicorn.server import ServerState
from uvicorn_servers import CLASSES, Peer, Recording, disconnect, request, run, serving, talk_to

masked = partial(frame, masked=True)

PATHS = {
    "wsfast": "wsfast.integrations.uvicorn:WebSocketProtocol",
    "sansio": "uvicorn.protocols.websockets.websockets_sansio_impl:WebSocketsSansIOProtocol",
}


@pytest.fixture(params=CLASSES)
def ws(request):
    return request.param


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_kind(request):
    return request.param


@pytest.fixture
def serve(ws, loop_kind):
    return partial(talk_to, ws=ws, loop_kind=loop_kind)


# Every stream of streams.py, however it is cut.


class Wire:
    """A transport that keeps what is written, and takes no heed of pauses."""

    def __init__(self):
        self.written = b""
        self.closed = False

    def get_extra_info(self, name, default=None):
        return {"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    resume_reading = pause_reading


def outcome(ws, pieces):
    """What an echo receives and what it writes, fed with the pieces; and if it hangs up."""

    async def main():
        app = Recording()
        config = Config(app, lifespan="off", log_config=None, ws_ping_interval=None)
        config.load()
        module, _, name = PATHS[ws].partition(":")
        state = ServerState()
        protocol = getattr(import_module(module), name)(config, state, {})
        wire = Wire()
        protocol.connection_made(wire)
        protocol.data_received(request())
        tasks = list(state.tasks)
        await turns()
        head = len(wire.written)
        for piece in pieces:
            if not wire.closed:
                protocol.loop.call_soon(protocol.data_received, piece)  # as a transport does
                await turns()
        closed = wire.closed
        protocol.connection_lost(None)
        await asyncio.gather(*tasks)
        return app.events[1:], wire.written[head:], closed

    return run("asyncio", main())


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


def without_reason(events, written, closed):
    """The same without what is told of a fault, which each says in its own words."""
    last = events[-1]
    code = last["code"]
    if code in (1002, 1007, 1009):
        at = written.rindex(struct.pack("!H", code)) - 2
        written = written[:at] + written[at + 2 : at + 4]
        events = [*events[:-1], {"type": last["type"], "code": code}]
    return events, written, closed


STREAMS = streams(masked=True)

# Each is stricter than the other in one thing. wsfast has lengths take no more bytes than they need
# (RFC 6455 section 5.2); uvicorn's class has no close frame come inside a message.
DIFFERENT = {
    "close in fragments",
    "length in 2 bytes, of 5",
    "length in 8 bytes, of 5",
    "length in 8 bytes, of 300",
    "length with the top bit",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", [name for name in STREAMS if name not in DIFFERENT])
def test_a_stream_means_what_it_means_to_uvicorns_own_class(name):
    """Each byte comes by itself, so that both have time to answer."""
    wire = STREAMS[name]
    step = 1 if len(wire) <= 2_000 else 977
    pieces = [wire[i : i + step] for i in range(0, len(wire), step)]
    expected = outcome("sansio", pieces)
    assert without_reason(*outcome("wsfast", pieces)) == without_reason(*expected)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_means_the_same_however_it_is_cut(name):
    first, *others = [outcome("wsfast", pieces) for pieces in cuts(STREAMS[name])]
    for other in others:
        assert other == first


# Limits.


@pytest.mark.parametrize("size", [10, 11])
@pytest.mark.parametrize("fragments", [1, 3])
def test_the_limit_is_kept_to_the_byte(serve, size, fragments):
    app = Recording()

    async def talk(peer):
        await peer.open()
        data = b"x" * size
        if fragments == 1:
            peer.send(masked(FIN | BINARY, data))
        else:
            peer.send(masked(BINARY, data[:5]) + masked(CONT, b"") + masked(FIN | CONT, data[5:]))
        if size == 10:
            return await peer.frame()
        return await peer.closed()

    answer = serve(app, talk, ws_max_size=10)
    if size == 10:
        assert answer == (FIN | BINARY, b"x" * 10)
    else:
        assert answer[0] == app.events[1]["code"] == 1009


def test_a_message_may_have_as_many_fragments_as_it_has_bytes_and_more(serve):
    async def talk(peer):
        await peer.open()
        pieces = masked(CONT, b"x") + masked(CONT)
        peer.send(masked(BINARY) + pieces * 70_000 + masked(FIN | CONT))
        return await peer.frame()

    assert serve(Recording(), talk) == (FIN | BINARY, b"x" * 70_000)


def test_a_header_that_declares_too_much_is_refused_without_its_payload(serve):
    async def talk(peer):
        await peer.open()
        peer.send(bytes((FIN | BINARY, 0xFF)) + struct.pack("!Q", (1 << 63) - 1) + bytes(4))
        return (await peer.closed())[0]

    assert serve(Recording(), talk) == 1009


def test_text_that_is_not_utf_8_is_logged_and_refused(serve, caplog):
    app = Recording()

    async def talk(peer):
        await peer.open()
        peer.send(masked(FIN | TEXT, b"abc\xff"))
        return await peer.closed()

    assert serve(app, talk) == (1007, "")
    assert app.events[1:] == [disconnect(1007, "")]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == "Invalid UTF-8 sequence received from client."
    assert record.exc_info


def test_messages_before_a_fault_are_received_and_answered(loop_kind):
    """wsfast's own: uvicorn's class drops what came in the same read."""
    app = Recording()

    async def talk(peer):
        await peer.open()
        peer.send(masked(FIN | TEXT, b"good") + frame(FIN | TEXT, b"bad", masked=False))
        return await peer.receive(), (await peer.closed())[0]

    assert talk_to(app, talk, "wsfast", loop_kind) == ("good", 1002)
    assert [event.get("text") or event["code"] for event in app.events[1:]] == ["good", 1002]


def test_after_a_fault_nothing_can_be_sent(serve):
    errors = []

    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["code"] == 1002
        try:
            await send({"type": "websocket.send", "text": "late"})
        except (RuntimeError, OSError) as exc:
            errors.append(exc)

    async def talk(peer):
        await peer.open()
        peer.send(frame(FIN | TEXT, b"x", masked=False))
        return await peer.closed()

    assert serve(app, talk)[0] == 1002
    assert len(errors) == 1


# Slow, silent, gone.


def test_bytes_that_come_one_by_one_make_messages(serve):
    async def talk(peer):
        await peer.open()
        for byte in masked(FIN | TEXT, MIXED.encode()):
            peer.send(bytes((byte,)))
            await asyncio.sleep(0)
        return await peer.receive()

    assert serve(Recording(), talk) == MIXED


@pytest.mark.parametrize("reset", [False, True])
def test_a_peer_that_is_gone_inside_a_message_is_told_as_1005(serve, reset):
    app = Recording()

    async def talk(peer):
        await peer.open()
        peer.send(masked(FIN | TEXT, b"x" * 100)[:50])
        await peer.writer.drain()
        if reset:
            linger = struct.pack("ii", 1, 0)
            socket = peer.writer.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_LINGER, linger)
            peer.abort()
        else:
            peer.writer.write_eof()
            assert await peer.rest() == b""

    serve(app, talk)
    assert app.events[1:] == [disconnect(1005)]


def test_a_peer_that_only_listens_is_pinged_and_found_gone(serve):
    async def talk(peer):
        await peer.open()
        return (await peer.frame())[0], (await peer.closed())[0]

    settings = {"ws_ping_interval": 0.01, "ws_ping_timeout": 0.01}
    assert serve(Recording(), talk, **settings) == (FIN | PING, 1011)


def test_a_flood_of_pings_is_answered(serve):
    async def talk(peer):
        await peer.open()
        peer.send(masked(FIN | PING, b"p") * 2000)
        for _ in range(2000):
            assert await peer.frame() == (FIN | PONG, b"p")

    if serve.keywords["ws"] == "sansio":
        serve(Recording(), talk)
        return

    async def talk_to_wsfast(peer):
        """Of the pings of one read only the latest have to be answered (section 5.5.3)."""
        await peer.open()
        peer.send(masked(FIN | PING, b"p") * 2000 + masked(FIN | PING, b"last"))
        while (answer := await peer.frame()) != (FIN | PONG, b"last"):
            assert answer == (FIN | PONG, b"p")

    serve(Recording(), talk_to_wsfast)


def test_many_small_messages_of_a_peer_that_reads_late(serve):
    async def talk(peer):
        await peer.open()
        wire = masked(FIN | TEXT, MIXED.encode())
        count = 4_000
        peer.send(wire * count)
        await asyncio.sleep(0.05)
        received = 0
        while received < count:
            assert await peer.receive() == MIXED
            received += 1

    serve(Recording(), talk)


# TLS, other frameworks, other processes.


def test_tls(serve):
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    ws, loop_kind = serve.keywords["ws"], serve.keywords["loop_kind"]
    app = Recording()

    async def main():
        settings = {"ssl_context_factory": lambda config, default: server_context}
        async with serving(app, ws, **settings) as server:
            peer = await Peer.connect(server, ssl=context, server_hostname="127.0.0.1")
            await peer.open()
            for message in (MIXED, MIXED * 5_000):
                peer.text(message)
                assert await peer.receive() == message
            peer.close()
            assert await peer.closed() == (1000, "")
            peer.writer.close()

    run(loop_kind, main())
    assert app.scope["scheme"] == "wss"


def test_starlette(serve):
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocketDisconnect

    ended = []

    async def echo(websocket):
        await websocket.accept(subprotocol="v1")
        try:
            async for message in websocket.iter_json():
                await websocket.send_json(message)
            ended.append("quietly")
        except WebSocketDisconnect as exc:
            ended.append(exc.code)

    async def deny(websocket):
        await websocket.send_denial_response(PlainTextResponse("no", status_code=402))

    app = Starlette(routes=[WebSocketRoute("/echo", echo), WebSocketRoute("/deny", deny)])

    async def talk(peer):
        headers = await peer.open("/echo", Sec_WebSocket_Protocol="v1")
        assert ("sec-websocket-protocol", "v1") in headers
        peer.text('{"a":"ü"}')
        assert await peer.receive() == '{"a":"ü"}'
        peer.close(1001)
        await peer.closed()
        for target, status, body in (("/deny", 402, b"no"), ("/none", 403, b"")):
            other = await Peer.connect(peer.server)
            assert (await other.ask(target))[0] == status
            assert await other.rest() == body
            other.writer.close()

    serve(app, talk)
    assert ended == ["quietly"]


@pytest.mark.parametrize("client", ["websockets-client", "websocket-client"])
def test_clients_in_another_process_without_wsfast(peer, loop_kind, client):
    """The websockets client without compression, and then with it."""

    async def main():
        async with serving(Recording(), "wsfast", ws_max_size=1 << 26) as server:
            port = server.servers[0].sockets[0].getsockname()[1]
            process = peer(client, port)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, process.stdout.read)

    assert run(loop_kind, main()) == "ok\n"


def test_the_class_is_named_on_the_command_line(tmp_path):
    (tmp_path / "echoing.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'websocket.accept'})\n"
        "    while 'text' in (event := await receive()):\n"
        "        await send({'type': 'websocket.send', 'text': event['text']})\n"
    )
    command = [sys.executable, "-m", "uvicorn", "--lifespan", "off", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--ws", CLASSES["wsfast"], "--app-dir", tmp_path, "echoing:app"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while "running on" not in (line := process.stderr.readline()):
            assert line
        port = int(line.split("127.0.0.1:")[1].split()[0])

        async def talk():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            peer = Peer(None, reader, writer)
            await peer.open()
            peer.text(MIXED)
            assert await peer.receive() == MIXED
            process.terminate()
            assert await peer.closed() == (1012, "")
            writer.close()

        run("asyncio", talk())
        _, log = process.communicate(timeout=10)
        assert "[accepted]" in log
        assert "Finished server process" in log
    finally:
        process.kill()
        process.communicate()
