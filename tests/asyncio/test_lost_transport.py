"""A transport that is going down, and has not told so yet: what a program sends then is lost."""

import logging

from raw import Peer

from wsfast.asyncio import Callbacks, serve

LARGE = bytes(1 << 20)  # soon more than a socket takes
OFTEN = 10  # from the fifth write on, transports complain


async def test_sending_on_it_is_no_error_and_logs_nothing(caplog):
    def send_too_late(ws, message):
        ws.abort()
        for _ in range(OFTEN):
            ws.send(LARGE)

    callbacks = Callbacks(on_message=send_too_late)
    with caplog.at_level(logging.WARNING):
        async with serve(callbacks, "127.0.0.1", 0) as server, Peer(server) as peer:
            await peer.open()
            peer.text("anything")
            await peer.ended()
    assert not caplog.records
