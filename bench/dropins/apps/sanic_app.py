"""Sanic."""

from sanic import Sanic

app = Sanic("echo")


@app.websocket("/")
async def echo(request, ws):
    async for message in ws:
        await ws.send(message)
