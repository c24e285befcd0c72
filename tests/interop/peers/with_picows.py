"""picows itself: frames in callbacks, messages put together here. It has no compression."""

import asyncio
from contextlib import asynccontextmanager

import rig
from picows import (
    WSListener,
    WSMsgType,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_connect,
    ws_create_server,
)


class End(WSListener):
    """What arrives waits in a queue: messages, and at last how the connection closed."""

    compressed = False

    def __init__(self, converse=None):
        self.converse = converse
        self.received = asyncio.Queue()
        self.pongs = asyncio.Queue()
        self.pieces = []

    def on_ws_connected(self, transport):
        self.transport = transport
        self.subprotocol = transport.response.headers.get("Sec-WebSocket-Protocol")
        if self.converse:
            target = transport.request.path.decode()
            self.task = asyncio.create_task(self.converse(self, target))

    def on_ws_frame(self, transport, frame):
        match frame.msg_type:
            case WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            case WSMsgType.PONG:
                self.pongs.put_nowait(frame.get_payload_as_bytes())
            case WSMsgType.CLOSE:
                code, reason = frame.get_close_code(), frame.get_close_message()
                self.received.put_nowait(rig.Closed(int(code), (reason or b"").decode()))
                if not transport.is_close_frame_sent:
                    transport.send_close(code, reason)
                transport.disconnect()
            case _:
                self.on_fragment(frame)

    def on_fragment(self, frame):
        if not self.pieces:
            self.text = frame.msg_type is WSMsgType.TEXT
        self.pieces.append(frame.get_payload_as_bytes())
        if frame.fin:
            message = b"".join(self.pieces)
            self.pieces.clear()
            self.received.put_nowait(message.decode() if self.text else message)

    def on_ws_disconnected(self, transport):
        self.received.put_nowait(rig.Closed(1006, ""))

    async def send(self, message):
        self.send_frame(kind(message), message, True)

    async def send_fragments(self, pieces):
        last = len(pieces) - 1
        for i, piece in enumerate(pieces):
            self.send_frame(WSMsgType.CONTINUATION if i else kind(piece), piece, i == last)

    def send_frame(self, kind, payload, fin):
        self.transport.send(kind, payload.encode() if isinstance(payload, str) else payload, fin)

    async def receive(self):
        received = await self.received.get()
        if isinstance(received, rig.Closed):
            raise received
        return received

    async def ping(self):
        self.transport.send_ping(b"are you there?")
        assert await self.pongs.get() == b"are you there?"

    async def close(self, code, reason):
        self.transport.send_close(code, reason.encode())


def kind(message):
    return WSMsgType.TEXT if isinstance(message, str) else WSMsgType.BINARY


async def serve(converse, certificate):
    def accept(request):
        chosen = {}
        if rig.SUBPROTOCOL in request.headers.get("Sec-WebSocket-Protocol", ""):
            chosen["Sec-WebSocket-Protocol"] = rig.SUBPROTOCOL
        response = WSUpgradeResponse.create_101_response(chosen)
        return WSUpgradeResponseWithListener(response, End(converse))

    server = await ws_create_server(
        accept,
        "127.0.0.1",
        0,
        ssl=rig.server_tls(certificate),
        max_frame_size=rig.LIMIT,
    )
    await rig.ready(server.sockets[0].getsockname()[1])


@asynccontextmanager
async def connect(uri, tls, subprotocols, compression):
    offered = {"Sec-WebSocket-Protocol": ", ".join(subprotocols)} if subprotocols else None
    transport, end = await ws_connect(
        End, uri, ssl_context=tls, extra_headers=offered, max_frame_size=rig.LIMIT
    )
    yield end
    transport.disconnect()
    await transport.wait_disconnected()


if __name__ == "__main__":
    rig.main(serve, connect)
