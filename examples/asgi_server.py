"""An ASGI application on uvicorn that echoes: asgi_server.py"""

import asyncio
import socket

import uvicorn


async def echo(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


def main():
    config = uvicorn.Config(
        echo,
        lifespan="off",
        log_level="error",
        loop="asyncio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
    )
    # asyncio turns Nagle's algorithm off for a socket that says that it is of TCP.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)
        asyncio.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main()
