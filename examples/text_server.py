"""A server of websockets that sends as many long texts as it is asked for: text_server.py"""

import asyncio

from websockets.asyncio.server import ServerConnection, serve

SENTENCES = (
    "The quick brown fox. Zwölf Boxkämpfer jagen Viktor. Съешь же ещё булок. いろはにほへと。"
)
TEXT = (SENTENCES * 560).encode()  # about 64 KiB


async def send_texts(connection: ServerConnection) -> None:
    async for message in connection:
        for _ in range(int(message)):
            await connection.send(TEXT, text=True)


async def main() -> None:
    async with serve(send_texts, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
