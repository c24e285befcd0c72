"""daphne on wsfast, in a process of its own: echoes, and prints its port.

It never sends an empty message, and never compresses.
"""

from wsfast.integrations import autobahn, daphne


async def echo(scope, receive, send):
    if (await receive())["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


def main():
    assert autobahn.patch()
    assert daphne.patch()
    from daphne.server import Server

    assert len(autobahn.integration.in_place()) == 6
    assert len(daphne.integration.in_place()) == 2
    server = Server(
        echo,
        endpoints=["tcp:port=0:interface=127.0.0.1"],
        ready_callable=lambda: print(server.listening_addresses[0][1], flush=True),
    )
    server.run()


if __name__ == "__main__":
    main()
