"""Echo servers of every library, as its documents show them: ``python servers.py NAME``.

They know nothing of wsfast, which is put on them from outside, ``python -m wsfast run --
servers.py NAME``; only ``uvicorn-wsfast`` names its class, by the string that users give. Each
prints its port when it is ready, and serves until the process is ended. Pings and logs are off.

A function a library, which imports it; ``options`` are those of the command line. What a library
has no setting for is left as it is: some always compress where the client offers it, others never,
and some have no limit.
"""

import argparse
import asyncio
import socket
import sys
import threading

HOST = "127.0.0.1"
MAX_SIZE = 32 << 20  # bytes


def ready(port):
    print(port, flush=True)


def listen(options):
    """A socket that listens, for those that take one: the kernel keeps early clients waiting.

    It says that it is of TCP: only then does asyncio turn Nagle's algorithm off.
    """
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, options.port))
    listener.listen(2048)
    return listener


def set_nodelay(listener, nodelay):
    """Turn Nagle's algorithm off, or leave it on: connections inherit that from their listener."""
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)


def run(main, options):
    """Run a coroutine on the chosen loop, as ``asyncio.run`` does."""
    if options.loop == "uvloop":
        import uvloop

        uvloop.run(main)
    else:
        asyncio.run(main)


async def asgi_echo(scope, receive, send):
    """What runs on uvicorn, hypercorn and daphne."""
    if scope["type"] == "lifespan":
        while True:
            phase = (await receive())["type"]
            await send({"type": f"{phase}.complete"})
            if phase == "lifespan.shutdown":
                return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        if event.get("text") is not None:
            await send({"type": "websocket.send", "text": event["text"]})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})


def websockets(options):
    from websockets.asyncio.server import serve

    run(serve_websockets(serve, options), options)


def websockets_legacy(options):
    import warnings

    warnings.simplefilter("ignore", DeprecationWarning)
    from websockets.legacy.server import serve

    run(serve_websockets(serve, options), options)


async def serve_websockets(serve, options):
    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async with serve(
        echo,
        HOST,
        options.port,
        max_size=options.max_size,
        compression="deflate" if options.deflate else None,
        ping_interval=None,
    ) as server:
        ready(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().create_future()


def uvicorn(ws):
    def serve(options):
        from uvicorn import Config, Server

        config = Config(
            asgi_echo,
            loop=options.loop,
            ws=ws,
            ws_max_size=options.max_size,
            ws_per_message_deflate=options.deflate,
            ws_ping_interval=None,
            log_level="warning",
            access_log=False,
        )
        listener = listen(options)
        config.load()
        ready(listener.getsockname()[1])
        Server(config).run(sockets=[listener])

    return serve


def hypercorn(options):
    """Compresses where the client offers it."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    listener = listen(options)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.websocket_max_message_size = options.max_size
    config.errorlog = None
    ready(listener.getsockname()[1])
    run(serve(asgi_echo, config), options)


def daphne(options):
    """Never compresses, and never sends an empty message. Its reactor is on the policy's loop."""
    if options.loop == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    from daphne.server import Server

    server = Server(
        asgi_echo,
        endpoints=[f"tcp:port={options.port}:interface={HOST}"],
        websocket_max_message_size=options.max_size,
        websocket_max_frame_size=options.max_size,
        ping_interval=86_400,
        ready_callable=lambda: ready(server.listening_addresses[0][1]),
    )
    server.run()


def aiohttp(options):
    from aiohttp import WSMsgType, web

    async def echo(request):
        ws = web.WebSocketResponse(max_msg_size=options.max_size, compress=options.deflate)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await ws.send_bytes(message.data)
        return ws

    async def main():
        app = web.Application()
        app.router.add_get("/{path:.*}", echo)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, options.port).start()
        ready(runner.addresses[0][1])
        await asyncio.get_running_loop().create_future()

    run(main(), options)


def tornado(options):
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application
    from tornado.websocket import WebSocketHandler

    class Echo(WebSocketHandler):
        def open(self):
            self.set_nodelay(options.nodelay)

        def get_compression_options(self):
            return {} if options.deflate else None

        def on_message(self, message):
            self.write_message(message, binary=isinstance(message, bytes))

    async def main():
        app = Application([("/.*", Echo)], websocket_max_message_size=options.max_size)
        sockets = bind_sockets(options.port, HOST)
        HTTPServer(app).add_sockets(sockets)
        ready(sockets[0].getsockname()[1])
        await asyncio.get_running_loop().create_future()

    run(main(), options)


def autobahn(options):
    from autobahn.asyncio.websocket import WebSocketServerFactory, WebSocketServerProtocol

    async def main():
        factory = autobahn_echo(WebSocketServerFactory, WebSocketServerProtocol, options)
        server = await asyncio.get_running_loop().create_server(factory, HOST, options.port)
        ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    run(main(), options)


def autobahn_twisted(options):
    """On Twisted's own reactor, whatever ``--loop`` says."""
    from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
    from twisted.internet import reactor

    factory = autobahn_echo(WebSocketServerFactory, WebSocketServerProtocol, options)
    ready(reactor.listenTCP(options.port, factory, interface=HOST).getHost().port)
    reactor.run()


def autobahn_echo(Factory, Protocol, options):
    from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept

    class Echo(Protocol):
        def onMessage(self, payload, isBinary):
            self.sendMessage(payload, isBinary)

    def accept(offers):
        for offer in offers:
            if options.deflate and isinstance(offer, PerMessageDeflateOffer):
                return PerMessageDeflateOfferAccept(offer)
        return None

    factory = Factory()
    factory.protocol = Echo
    factory.setProtocolOptions(
        maxFramePayloadSize=options.max_size,
        maxMessagePayloadSize=options.max_size,
        perMessageCompressionAccept=accept,
    )
    return factory


def ws4py(options):
    """Has neither compression nor a limit."""
    from ws4py.server.geventserver import WSGIServer
    from ws4py.server.wsgiutils import WebSocketWSGIApplication
    from ws4py.websocket import EchoWebSocket

    application = WebSocketWSGIApplication(handler_cls=EchoWebSocket)
    serve_with_gevent(WSGIServer((HOST, options.port), application, log=None), options)


def gevent_websocket(options):
    """Has neither compression nor a limit."""
    from gevent.pywsgi import WSGIServer
    from geventwebsocket.handler import WebSocketHandler

    def echo(environ, start_response):
        ws = environ["wsgi.websocket"]
        while (message := ws.receive()) is not None:
            ws.send(message)
        return []

    address = (HOST, options.port)
    server = WSGIServer(address, echo, log=None, handler_class=WebSocketHandler)
    serve_with_gevent(server, options)


def serve_with_gevent(server, options):
    server.start()
    set_nodelay(server.socket, options.nodelay)
    ready(server.server_port)
    server.serve_forever()


def eventlet(options):
    """Compresses where the client offers it."""
    import eventlet
    from eventlet import websocket, wsgi

    def echo(ws):
        while (message := ws.wait()) is not None:
            ws.send(message)

    application = websocket.WebSocketWSGI(echo, max_frame_length=options.max_size)
    listener = eventlet.listen((HOST, options.port), backlog=2048)
    set_nodelay(listener, options.nodelay)
    ready(listener.getsockname()[1])
    wsgi.server(listener, application, log_output=False)


def simple_websocket(options):
    """Threads, as with Flask. Compresses where the client offers it."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    from simple_websocket import ConnectionClosed, Server

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            environ = {
                f"HTTP_{name.upper().replace('-', '_')}": value
                for name, value in self.headers.items()
            }
            environ["werkzeug.socket"] = self.connection
            ws = Server.accept(environ, max_message_size=options.max_size)
            self.close_connection = True
            try:
                while True:
                    ws.send(ws.receive())
            except ConnectionClosed:
                ws.thread.join()  # it has the close frame still to send

    server = ThreadingHTTPServer((HOST, options.port), Handler)
    set_nodelay(server.socket, options.nodelay)
    ready(server.server_port)
    server.serve_forever()


def wsproto(options):
    """Sans-IO, on a socket and a thread a connection. Has no limit."""
    listener = listen(options)
    ready(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_wsproto, args=(connection, options), daemon=True).start()


def serve_wsproto(connection, options):
    from wsproto import ConnectionType, WSConnection
    from wsproto.connection import ConnectionState
    from wsproto.events import AcceptConnection, CloseConnection, Message, Ping, Request
    from wsproto.extensions import PerMessageDeflate

    ws = WSConnection(ConnectionType.SERVER)
    pieces = []
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while ws.state is not ConnectionState.CLOSED:
            ws.receive_data(connection.recv(1 << 16) or None)
            for event in ws.events():
                match event:
                    case Request():
                        extensions = [PerMessageDeflate()] if options.deflate else []
                        connection.sendall(ws.send(AcceptConnection(extensions=extensions)))
                    case Message():
                        pieces.append(event.data)
                        if event.message_finished:
                            message = pieces[0][:0].join(pieces)
                            pieces.clear()
                            connection.sendall(ws.send(Message(message)))
                    case CloseConnection() if ws.state is not ConnectionState.CLOSED:
                        connection.sendall(ws.send(event.response()))
                    case Ping():
                        connection.sendall(ws.send(event.response()))


SERVERS = {
    "websockets": websockets,
    "websockets-legacy": websockets_legacy,
    "uvicorn": uvicorn("auto"),
    "uvicorn-websockets-sansio": uvicorn("websockets-sansio"),
    "uvicorn-websockets": uvicorn("websockets"),
    "uvicorn-wsproto": uvicorn("wsproto"),
    "uvicorn-wsfast": uvicorn("wsfast.integrations.uvicorn:WebSocketProtocol"),
    "hypercorn": hypercorn,
    "daphne": daphne,
    "aiohttp": aiohttp,
    "tornado": tornado,
    "autobahn": autobahn,
    "autobahn-twisted": autobahn_twisted,
    "ws4py": ws4py,
    "gevent-websocket": gevent_websocket,
    "eventlet": eventlet,
    "simple-websocket": simple_websocket,
    "wsproto": wsproto,
}


def main():
    parser = argparse.ArgumentParser(description="An echo server of a library.")
    parser.add_argument("name", choices=SERVERS)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--deflate", action="store_true", help="compress, where it is offered")
    parser.add_argument(
        "--nodelay", action="store_true", help="where the library leaves Nagle's algorithm on"
    )
    parser.add_argument("--max-size", type=int, default=MAX_SIZE, help="bytes of a message")
    options = parser.parse_args()
    try:
        SERVERS[options.name](options)
    except ModuleNotFoundError as error:
        sys.exit(f"{options.name}: {error}")


if __name__ == "__main__":
    main()
