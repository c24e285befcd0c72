"""websockets, by its asyncio client and server."""

import rig
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets_face import peer

if __name__ == "__main__":
    rig.main(*peer(serve, connect, ConnectionClosed))
