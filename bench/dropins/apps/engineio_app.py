"""python-engineio, on ASGI."""

import engineio

server = engineio.AsyncServer(async_mode="asgi")
app = engineio.ASGIApp(server)


@server.on("message")
async def echo(sid, data):
    await server.send(sid, data)
