"""The server that the Autobahn test suite tries: it echoes every message.

Prints the port that it listens at, and runs until it is ended.
"""

import asyncio

from wsfast.asyncio import Deflate, serve

LARGEST = 16 << 20  # bytes, the messages of 9.1.6 and 9.2.6
# The messages of 12.1.1 and the like are so small that they would not be compressed, which is
# allowed, but kosoku 0.1.0 breaks on it.
COMPRESSION = Deflate(threshold=0)


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def main():
    # The suite counts frames: a keepalive ping would be one that no case expects.
    async with serve(
        echo, "127.0.0.1", 0, max_size=LARGEST, ping_interval=None, compression=COMPRESSION
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())
