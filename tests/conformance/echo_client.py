"""The client that the Autobahn test suite tries: one connection a case, echoing every message.

``python echo_client.py URL`` goes through the cases that the suite serves there.
"""

import asyncio
import contextlib
import sys

from wsfast.asyncio import Deflate, connect
from wsfast.exceptions import WebSocketError

AGENT = "wsfast"
LARGEST = 16 << 20  # bytes, the messages of 9.1.6 and 9.2.6
# Chapter 13 has servers that ask for no context takeover of a client that offers it only. The
# messages of 12.1.1 and the like are so small that they would not be compressed, which is allowed,
# but kosoku 0.1.0 breaks on it.
COMPRESSION = Deflate(client_no_context_takeover=True, threshold=0)


async def case_count(url):
    async with connect(f"{url}/getCaseCount") as ws:
        return int(await ws.recv())


async def run_case(url, case):
    # The suite counts frames: a keepalive ping would be one that no case expects.
    async with connect(
        f"{url}/runCase?case={case}&agent={AGENT}",
        max_size=LARGEST,
        ping_interval=None,
        compression=COMPRESSION,
    ) as ws:
        async for message in ws:
            await ws.send(message)


async def main(url):
    for case in range(1, await case_count(url) + 1):
        with contextlib.suppress(WebSocketError):  # the suite judges, from what it received
            await run_case(url, case)
    # wstest ends without completing this handshake.
    with contextlib.suppress(WebSocketError, OSError):
        async with connect(f"{url}/updateReports?agent={AGENT}&shutdownOnComplete=true"):
            pass


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
