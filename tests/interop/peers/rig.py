"""What every program of this folder does, whichever library carries it.

    python with_LIBRARY.py server [CERTIFICATE]
    python with_LIBRARY.py client

A server prints its port, then a line for each connection that has ended. A client reads a task
from each line of its input, and answers it with a line. All lines are JSON.

A library's file says how to ``serve`` and how to ``connect``; both give an end, which has
``subprotocol``, ``compressed`` (was permessage-deflate agreed on), and coroutines:
``send(message)``, ``send_fragments(pieces)``, ``receive()``, ``ping()`` (till its pong is here),
``close(code, reason)``. ``receive`` raises ``Closed`` when no more can come. What a library can't
do, its ends leave out.
"""

import asyncio
import hashlib
import json
import ssl
import sys
import traceback

SUBPROTOCOL = "chat.v2"  # the only one the servers speak
LIMIT = 32 << 20  # bytes of a message
PATIENCE = 30  # seconds for one conversation


class Closed(Exception):
    """The connection has ended; ``code`` and ``reason`` as the library tells them."""

    def __init__(self, code, reason):
        super().__init__(code, reason)
        self.code, self.reason = code, reason


def main(serve, connect):
    match sys.argv[1:]:
        case ["client"]:
            answer_tasks(connect)
        case ["server", *certificate]:
            asyncio.run(serve(converse, certificate[0] if certificate else None))


async def ready(port):
    """Tell the port, then serve until the process is ended."""
    tell(port=port)
    await asyncio.get_running_loop().create_future()


def tell(**what):
    print(json.dumps(what), flush=True)


def server_tls(certificate):
    """The TLS of a server; the file holds its key and its certificate. None: no TLS."""
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def build(description):
    """The message that a task describes."""
    times = description.get("times", 1)
    if "text" in description:
        return description["text"] * times
    return bytes.fromhex(description["hex"]) * times


def seen(message):
    """A message as lines of JSON tell of it."""
    kind = "text" if isinstance(message, str) else "binary"
    payload = message.encode() if isinstance(message, str) else bytes(message)
    return [kind, len(payload), hashlib.sha256(payload).hexdigest()]


def thirds(message):
    """Three pieces of a message, of which any may be empty."""
    third = len(message) // 3
    return [message[:third], message[third : 2 * third], message[2 * third :]]


async def converse(end, target):
    """Serve one connection; the path says how, the query which conversation it is."""
    path, _, conversation = target.partition("?")
    try:
        if path == "/ping":
            await end.ping()
            await end.send("the pong came")
        while True:
            message = await end.receive()
            if path == "/close":
                code, _, reason = message.partition(" ")
                await end.close(int(code), reason)
            elif path == "/fragments":
                await end.send_fragments(thirds(message))
            else:
                await end.send(message)
    except Closed as closed:
        tell(conversation=conversation, closed=[closed.code, closed.reason])
    except Exception:
        tell(conversation=conversation, error=traceback.format_exc())


def answer_tasks(connect):
    for line in sys.stdin:
        try:
            tell(**asyncio.run(asyncio.wait_for(carry_out(connect, **json.loads(line)), PATIENCE)))
        except Exception:
            tell(error=traceback.format_exc())


async def carry_out(connect, uri, authority, subprotocols, compression, steps):
    """Connect, take the steps, and tell what was seen on the way."""
    tls = authority and ssl.create_default_context(cafile=authority)
    received, closed = [], None
    async with connect(uri, tls, subprotocols, compression) as end:
        for step, *arguments in steps:
            match step:
                case "send":
                    await end.send(*map(build, arguments))
                case "send_fragments":
                    await end.send_fragments(list(map(build, arguments)))
                case "receive":
                    received.append(seen(await end.receive()))
                case "ping":
                    await end.ping()
                case "close":
                    await end.close(*arguments)
                case "wait_closed":
                    closed = await how_it_closed(end)
        return {
            "received": received,
            "closed": closed,
            "subprotocol": end.subprotocol,
            "compressed": end.compressed,
        }


async def how_it_closed(end):
    try:
        unexpected = await end.receive()
    except Closed as closed:
        return [closed.code, closed.reason]
    raise AssertionError(f"another message came: {unexpected!r:.100}")
