"""The other end, in a process of its own and without wsfast: ``python peers.py ROLE [PORT]``.

``websockets-server``: echoes, and prints its port. ``websockets-client PORT`` and
``websocket-client PORT``: send every message of ``MESSAGES``, hold the echo against it, and print
``ok``.
"""

import asyncio
import sys

MIXED = "Zwölf Boxkämpfer, いろはにほへと, Съешь же ещё, 🦊🐶. "
MESSAGES = [
    "",
    "Hello",
    "x" * 125,
    "x" * 126,
    MIXED,
    MIXED * 1_000,
    "ÿ" * 65_536,
    b"",
    bytes(range(256)),
    bytes(range(256)) * 300,
    "🦊" * (1 << 22),  # 16 MiB
]


async def serve():
    from websockets.asyncio.server import serve

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


async def call_with_websockets(url):
    from websockets.asyncio.client import connect

    for compression in (None, "deflate"):
        async with connect(url, max_size=None, compression=compression) as connection:
            for message in MESSAGES:
                await connection.send(message)
                assert await connection.recv() == message
            await connection.send(["frag", "ments: ", MIXED])
            assert await connection.recv() == "fragments: " + MIXED


def call_with_websocket_client(url):
    import websocket

    connection = websocket.create_connection(url)
    for message in MESSAGES:
        if isinstance(message, str):
            connection.send_text(message)
        else:
            connection.send_binary(message)
        assert connection.recv() == message
    connection.close()


def main(role, port=None):
    url = f"ws://127.0.0.1:{port}/"
    match role:
        case "websockets-server":
            asyncio.run(serve())
        case "websockets-client":
            asyncio.run(call_with_websockets(url))
        case "websocket-client":
            call_with_websocket_client(url)
    assert "wsfast" not in sys.modules
    print("ok", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
