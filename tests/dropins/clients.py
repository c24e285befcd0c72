"""Echo clients of every library, as its documents show them: ``python clients.py NAME URL``.

They know nothing of wsfast, which is put on them from outside, ``python -m wsfast run --
clients.py NAME URL``. The server runs cases, as the Autobahn test suite does: the client asks for
their number at ``/getCaseCount``, connects to ``/runCase?case=1`` and so on, and echoes what comes
there. Pings are off.

A function a library, which imports it. It connects, and sends what ``answer`` makes of each message
until the connection has closed; that it closed for an error is for the server to judge.
"""

import argparse
import asyncio
import socket
import sys
from urllib.parse import urlsplit

AGENT = "client"
MAX_SIZE = 32 << 20  # bytes


def run(main, options):
    """Run a coroutine on the chosen loop, as ``asyncio.run`` does."""
    if options.loop == "uvloop":
        import uvloop

        uvloop.run(main)
    else:
        asyncio.run(main)


def websockets(url, answer, options):
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    async def main():
        try:
            async with connect(
                url,
                max_size=options.max_size,
                compression="deflate" if options.deflate else None,
                ping_interval=None,
            ) as connection:
                async for message in connection:
                    if (reply := answer(message)) is not None:
                        await connection.send(reply)
        except WebSocketException:
            return

    run(main(), options)


def websocket_client(url, answer, options):
    """Has neither compression nor a limit."""
    from websocket import ABNF, WebSocketApp

    def echo(app, message):
        if (reply := answer(message)) is not None:
            text = isinstance(reply, str)
            app.send(reply, ABNF.OPCODE_TEXT if text else ABNF.OPCODE_BINARY)

    WebSocketApp(url, on_message=echo).run_forever()


def aiohttp(url, answer, options):
    from aiohttp import ClientError, ClientSession, WSMsgType

    async def main():
        try:
            async with (
                ClientSession() as session,
                session.ws_connect(
                    url, max_msg_size=options.max_size, compress=15 if options.deflate else 0
                ) as ws,
            ):
                async for message in ws:
                    if (reply := answer(message.data)) is None:
                        continue
                    if message.type is WSMsgType.TEXT:
                        await ws.send_str(reply)
                    elif message.type is WSMsgType.BINARY:
                        await ws.send_bytes(reply)
        except ClientError:
            return

    run(main(), options)


def tornado(url, answer, options):
    from tornado.websocket import WebSocketClosedError, websocket_connect

    async def main():
        connection = await websocket_connect(
            url,
            compression_options={} if options.deflate else None,
            max_message_size=options.max_size,
        )
        while (message := await connection.read_message()) is not None:
            if (reply := answer(message)) is not None:
                try:
                    await connection.write_message(reply, binary=isinstance(reply, bytes))
                except WebSocketClosedError:
                    return

    run(main(), options)


def autobahn(url, answer, options):
    from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol
    from autobahn.websocket.compress import (
        PerMessageDeflateOffer,
        PerMessageDeflateResponse,
        PerMessageDeflateResponseAccept,
    )

    async def main():
        closed = asyncio.get_running_loop().create_future()

        class Echo(WebSocketClientProtocol):
            def onMessage(self, payload, isBinary):
                if (reply := answer(payload)) is not None:
                    self.sendMessage(reply, isBinary)

            def onClose(self, wasClean, code, reason):
                closed.set_result(None)

        def accept(response):
            if isinstance(response, PerMessageDeflateResponse):
                return PerMessageDeflateResponseAccept(response)
            return None

        factory = WebSocketClientFactory(url)
        factory.protocol = Echo
        factory.setProtocolOptions(
            maxFramePayloadSize=options.max_size,
            maxMessagePayloadSize=options.max_size,
            perMessageCompressionOffers=[PerMessageDeflateOffer()] if options.deflate else [],
            perMessageCompressionAccept=accept,
        )
        loop = asyncio.get_running_loop()
        await loop.create_connection(factory, factory.host, factory.port)
        await closed

    run(main(), options)


def ws4py(url, answer, options):
    """Has neither compression nor a limit.

    Its ``WebSocketClient`` starts a thread to read, and may then itself read what came right behind
    the handshake; here one thread does both.
    """
    from ws4py.client import WebSocketBaseClient

    class Echo(WebSocketBaseClient):
        def handshake_ok(self):
            """Starts nothing: ``run`` does the reading."""

        def received_message(self, message):
            if (reply := answer(message.data)) is not None:
                self.send(reply, message.is_binary)

    client = Echo(url)
    client.connect()
    client.run()


def wsproto(url, answer, options):
    """Sans-IO, on a plain socket. Has no limit."""
    from wsproto import ConnectionType, WSConnection
    from wsproto.connection import ConnectionState
    from wsproto.events import CloseConnection, Message, Ping, Request
    from wsproto.extensions import PerMessageDeflate

    parts = urlsplit(url)
    ws = WSConnection(ConnectionType.CLIENT)
    extensions = [PerMessageDeflate()] if options.deflate else []
    request = Request(parts.netloc, f"{parts.path}?{parts.query}", extensions=extensions)
    pieces = []
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(ws.send(request))
        while ws.state is not ConnectionState.CLOSED:
            ws.receive_data(connection.recv(1 << 16) or None)
            for event in ws.events():
                match event:
                    case Message():
                        pieces.append(event.data)
                        if event.message_finished:
                            reply = answer(pieces[0][:0].join(pieces))
                            pieces.clear()
                            if reply is not None:
                                connection.sendall(ws.send(Message(reply)))
                    case CloseConnection() if ws.state is not ConnectionState.CLOSED:
                        connection.sendall(ws.send(event.response()))
                    case Ping():
                        connection.sendall(ws.send(event.response()))


CLIENTS = {
    "websockets": websockets,
    "websocket-client": websocket_client,
    "aiohttp": aiohttp,
    "tornado": tornado,
    "autobahn": autobahn,
    "ws4py": ws4py,
    "wsproto": wsproto,
}


def main():
    parser = argparse.ArgumentParser(description="An echo client of a library.")
    parser.add_argument("name", choices=CLIENTS)
    parser.add_argument("url", help="of the server that runs cases")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--deflate", action="store_true", help="offer compression")
    parser.add_argument("--max-size", type=int, default=MAX_SIZE, help="bytes of a message")
    options = parser.parse_args()
    connect = CLIENTS[options.name]
    counts = []
    try:
        connect(f"{options.url}/getCaseCount", counts.append, options)
        for case in range(1, int(counts[0]) + 1):
            url = f"{options.url}/runCase?case={case}&agent={AGENT}"
            try:
                connect(url, lambda message: message, options)
            except OSError:  # such as a reset, of which the server knows
                continue
    except ModuleNotFoundError as error:
        sys.exit(f"{options.name}: {error}")
    last = f"{options.url}/updateReports?agent={AGENT}&shutdownOnComplete=true"
    try:
        connect(last, lambda message: None, options)
    except OSError:
        return


if __name__ == "__main__":
    main()
