"""wsproto: through hypercorn as a server, through httpx-ws as a client.

hypercorn lets an application neither ping nor fragment, and tells it nothing of the close frame
that came. httpx-ws offers no compression.
"""

import asyncio
import logging
import socket
from contextlib import asynccontextmanager

import httpx
import rig
from httpx_ws import WebSocketDisconnect, aconnect_ws
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from wsproto.events import BytesMessage, TextMessage


class ServerEnd:
    def __init__(self, receive, send):
        self.events, self.send_event = receive, send

    async def send(self, message):
        kind = "text" if isinstance(message, str) else "bytes"
        await self.send_event({"type": "websocket.send", kind: message})

    async def receive(self):
        event = await self.events()
        if event["type"] == "websocket.disconnect":
            raise rig.Closed(None, None)
        return event["bytes"] if event["text"] is None else event["text"]

    async def close(self, code, reason):
        await self.send_event({"type": "websocket.close", "code": code, "reason": reason})


class ClientEnd:
    compressed = False

    def __init__(self, session):
        self.session = session
        self.subprotocol = session.subprotocol

    async def send(self, message):
        await self.session.send(event(message))

    async def send_fragments(self, pieces):
        last = len(pieces) - 1
        for i, piece in enumerate(pieces):
            await self.session.send(event(piece, finished=i == last))

    async def receive(self):
        try:
            return (await self.session.receive()).data
        except WebSocketDisconnect as closed:
            raise rig.Closed(closed.code, closed.reason) from None

    async def ping(self):
        await (await self.session.ping(b"are you there?")).wait()

    async def close(self, code, reason):
        await self.session.close(code, reason)


def event(message, finished=True):
    kind = TextMessage if isinstance(message, str) else BytesMessage
    return kind(message, message_finished=finished)


async def serve(converse, certificate):
    async def app(scope, receive, send):
        if scope["type"] != "websocket":
            return
        await receive()
        chosen = rig.SUBPROTOCOL if rig.SUBPROTOCOL in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": chosen})
        target = f"{scope['path']}?{scope['query_string'].decode()}"
        await converse(ServerEnd(receive, send), target)

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.certfile = config.keyfile = certificate
    config.websocket_max_message_size = rig.LIMIT
    config.errorlog = logging.getLogger("hypercorn")
    await asyncio.gather(hypercorn_serve(app, config, mode="asgi"), rig.ready(port))


@asynccontextmanager
async def connect(uri, tls, subprotocols, compression):
    async with (
        httpx.AsyncClient(verify=tls or True, trust_env=False) as client,
        aconnect_ws(
            uri, client, subprotocols=subprotocols or None, max_message_size_bytes=rig.LIMIT
        ) as session,
    ):
        yield ClientEnd(session)


if __name__ == "__main__":
    rig.main(serve, connect)
