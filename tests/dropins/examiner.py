"""The other end of an echo, which knows nothing of wsfast: ``python examiner.py ROLE ...``.

``client URL [--no-empty]`` sends messages of every kind to an echo server, and holds the echoes
against them; ``server`` prints its port and does the same with an echo client (``clients.py``).
Both do it plain, then compressed where the echo agrees to that, and print ``ok`` at last.
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

sys.path.append(str(Path(__file__).parents[1] / "integrations"))

from peers import MESSAGES, MIXED

COMPRESSIONS = (None, "deflate")


async def examine(connection, messages, compressed):
    for message in messages:
        await connection.send(message)
        echo = await connection.recv()
        assert type(echo) is type(message)
        assert echo == message
    for pieces in (["frag", "ments: ", MIXED], [b"\x00", b"", bytes(range(256))]):
        # wsproto forgets, at a ping, that the message is compressed.
        await connection.send(pieces if compressed else with_pings(connection, pieces))
        assert await connection.recv() == pieces[0][:0].join(pieces)


async def with_pings(connection, pieces):
    """Fragments, and a ping behind each (RFC 6455 section 5.4: in the middle of a message)."""
    for piece in pieces:
        yield piece
        await connection.ping()


async def examine_server(url, messages):
    for compression in COMPRESSIONS:
        async with connect(
            url, max_size=None, compression=compression, ping_interval=None
        ) as connection:
            await examine(connection, messages, compression is not None)


async def examine_client():
    """Serve as the Autobahn test suite does; a case is whether to agree to compression."""
    loop = asyncio.get_running_loop()
    examined = loop.create_future()
    passed = []

    async def handler(connection):
        path, query = urlsplit(connection.request.path)[2:4]
        if path == "/getCaseCount":
            await connection.send(str(len(COMPRESSIONS)))
        elif path == "/runCase":
            case = int(parse_qs(query)["case"][0])
            try:
                await examine(connection, MESSAGES, COMPRESSIONS[case - 1] is not None)
            except Exception as error:
                examined.set_exception(error)
                return
            passed.append(case)
        elif not examined.done():
            examined.set_result(None)

    def process_request(connection, request):
        if "case=1" in request.path:
            request.headers.pop("Sec-WebSocket-Extensions", None)

    async with serve(
        handler,
        "127.0.0.1",
        0,
        max_size=None,
        ping_interval=None,
        process_request=process_request,
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await examined
    assert passed == [1, 2]


def main(role, url=None, option=None):
    if role == "client":
        messages = [message for message in MESSAGES if message or option != "--no-empty"]
        asyncio.run(examine_server(url, messages))
    else:
        asyncio.run(examine_client())
    assert "wsfast" not in sys.modules
    print("ok", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
