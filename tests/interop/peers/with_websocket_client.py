"""websocket-client: blocking, and a client only. It has no compression."""

import ssl
from contextlib import asynccontextmanager

import rig
import websocket
from websocket import ABNF


class End:
    """It answers pings and the close frame while it receives."""

    compressed = False

    def __init__(self, connection):
        self.connection = connection
        self.subprotocol = connection.subprotocol

    async def send(self, message):
        self.connection.send(message, opcode(message))

    async def send_fragments(self, pieces):
        last = len(pieces) - 1
        for i, piece in enumerate(pieces):
            kind = ABNF.OPCODE_CONT if i else opcode(piece)
            payload = piece.encode() if isinstance(piece, str) else piece
            self.connection.send_frame(ABNF(int(i == last), 0, 0, 0, kind, 1, payload))

    async def receive(self):
        kind, payload = self.connection.recv_data()
        if kind == ABNF.OPCODE_CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else 1005
            raise rig.Closed(code, payload[2:].decode())
        return payload.decode() if kind == ABNF.OPCODE_TEXT else payload

    async def ping(self):
        self.connection.ping(b"are you there?")
        assert self.connection.recv_data(control_frame=True) == (
            ABNF.OPCODE_PONG,
            b"are you there?",
        )

    async def close(self, code, reason):
        self.connection.close(code, reason.encode())


def opcode(message):
    return ABNF.OPCODE_TEXT if isinstance(message, str) else ABNF.OPCODE_BINARY


@asynccontextmanager
async def connect(uri, tls, subprotocols, compression):
    connection = websocket.create_connection(
        uri,
        sslopt={"context": tls} if tls else {"cert_reqs": ssl.CERT_REQUIRED},
        subprotocols=subprotocols,
        timeout=rig.PATIENCE,
    )
    try:
        yield End(connection)
        connection.close()
    finally:
        connection.shutdown()  # close() leaves the socket open when the server closed first


if __name__ == "__main__":
    rig.main(None, connect)
