"""autobahn on wsfast, in a process of its own: ``python autobahn_peer.py FRAMEWORK ROLE [PORT]``.

``asyncio server`` and ``twisted server``: echoes, and prints its port. ``asyncio client PORT`` and
``twisted client PORT``: sends every message of ``MESSAGES``, holds the echo against it, and prints
``ok``.
"""

import asyncio
import sys
from importlib import import_module

from peers import MESSAGES

from wsfast.integrations.autobahn import integration


def echo(framework):
    class Echo(framework.WebSocketServerProtocol):
        def onMessage(self, payload, isBinary):
            self.sendMessage(payload, isBinary)

    return Echo


def call(framework, stop):
    class Call(framework.WebSocketClientProtocol):
        def onOpen(self):
            self.messages = iter(MESSAGES)
            self.send_next()

        def send_next(self):
            self.message = next(self.messages, None)
            if self.message is None:
                self.sendClose(1000)
            elif isinstance(self.message, str):
                self.sendMessage(self.message.encode())
            else:
                self.sendMessage(self.message, isBinary=True)

        def onMessage(self, payload, isBinary):
            assert (payload if isBinary else payload.decode()) == self.message
            self.send_next()

        def onClose(self, wasClean, code, reason):
            assert (wasClean, code) == (True, 1000), reason
            print("ok", flush=True)
            stop()

    return Call


def accept(offers):
    from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept

    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)


def main(name, role, port=0):
    assert integration.patch()
    framework = import_module(f"autobahn.{name}.websocket")
    assert len(integration.in_place()) == 6, integration.in_place()
    run, listen, connect, stop, options = on_asyncio() if name == "asyncio" else on_twisted()
    if role == "server":
        factory = framework.WebSocketServerFactory(**options)
        factory.setProtocolOptions(perMessageCompressionAccept=accept)
        factory.protocol = echo(framework)
        print(listen(factory), flush=True)
    else:
        factory = framework.WebSocketClientFactory(f"ws://127.0.0.1:{port}/", **options)
        factory.protocol = call(framework, stop)
        connect(factory, int(port))
    run()


def on_asyncio():
    loop = asyncio.new_event_loop()

    def listen(factory):
        server = loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0))
        return server.sockets[0].getsockname()[1]

    def connect(factory, port):
        loop.run_until_complete(loop.create_connection(factory, "127.0.0.1", port))

    return loop.run_forever, listen, connect, loop.stop, {"loop": loop}


def on_twisted():
    from twisted.internet import reactor

    def listen(factory):
        return reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port

    def connect(factory, port):
        reactor.connectTCP("127.0.0.1", port, factory)

    return reactor.run, listen, connect, reactor.stop, {}


if __name__ == "__main__":
    main(*sys.argv[1:])
