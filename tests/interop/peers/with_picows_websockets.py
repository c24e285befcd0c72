"""The API of websockets that picows offers."""

import rig
from picows.websockets import ConnectionClosed, connect, serve
from websockets_face import peer

if __name__ == "__main__":
    rig.main(*peer(serve, connect, ConnectionClosed))
