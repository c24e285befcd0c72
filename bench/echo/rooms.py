"""Servers of one room each, as the documents of their libraries show it: whatever a member says is
sent to all of them.

    python -m echo.rooms NAME [the options of echo.servers]
"""

from __future__ import annotations

import asyncio

from .servers import HOST, MAX_SIZE, Floor, Options, main, prepared, wsfast_settings


async def wsfast(options: Options) -> object:
    """wsfast's ``broadcast``."""
    from wsfast.asyncio import broadcast, serve

    async def room(ws):
        async for message in ws:
            broadcast(server.connections, message)

    server = await serve(room, HOST, 0, **wsfast_settings(options))
    return server


async def websockets(options: Options) -> object:
    """websockets' ``broadcast``."""
    import websockets.speedups  # noqa: F401  - the contest is not for its twin in Python
    from websockets.asyncio.server import broadcast, serve

    async def room(connection):
        async for message in connection:
            broadcast(server.connections, message)

    server = await serve(room, HOST, 0, compression=None, ping_interval=None, max_size=MAX_SIZE)
    return server


async def picows(options: Options) -> object:
    """picows, which has no broadcast: a loop over the transports."""
    from picows import WSListener, WSMsgType, ws_create_server

    members = set()

    class Member(WSListener):
        def on_ws_connected(self, transport):
            members.add(transport)

        def on_ws_disconnected(self, transport):
            members.discard(transport)

        def on_ws_frame(self, transport, frame):
            if frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
            else:
                payload = frame.get_payload_as_bytes()
                for member in members:
                    member.send(WSMsgType.TEXT, payload)

    return await ws_create_server(lambda request: Member(), HOST, 0, max_frame_size=MAX_SIZE)


async def floor(options: Options) -> object:
    """A loop over the transports that writes frames made beforehand."""
    answers, size = prepared(options)
    members = set()
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: FloorMember(answers, size, members), HOST, 0)


class FloorMember(Floor):
    """A member of the floor's room."""

    def __init__(self, answers: memoryview, size: int, members: set[FloorMember]) -> None:
        super().__init__(answers, size)
        self._members = members

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._members.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._members.discard(self)

    def answer(self, frames: memoryview) -> None:
        for member in self._members:
            member._transport.write(frames)


SERVERS = {"wsfast": wsfast, "websockets": websockets, "picows": picows, "floor": floor}

if __name__ == "__main__":
    main(SERVERS)
