"""python-socketio, on ASGI."""

import socketio

server = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(server)


@server.on("echo")
async def echo(sid, data):
    await server.emit("echo", data, to=sid)
