"""From a host name to a connected socket.

Knows names, addresses and RFC 8305 ("Happy Eyeballs"); nothing of TLS, proxies or WebSocket.

The loop's own ``create_connection`` is not used for this: uvloop's tries the addresses one after
the other, and each waits for its time-out.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

# RFC 8305 section 8: "Connection Attempt Delay ... recommended value is 250 milliseconds".
ATTEMPT_DELAY = 0.25

AddressInfo = tuple[Any, Any, int, str, Any]


async def open_socket(
    host: str, port: int, local_address: tuple[str, int] | None = None
) -> socket.socket:
    """Connect to whichever address of ``host`` answers first.

    Args:
        host: a name or an IP address.
        port: the TCP port.
        local_address: host and port to bind to.

    Returns:
        A connected socket that does not block. A cancelled call leaves none open.

    Raises:
        OSError: the name is unknown (``socket.gaierror``), or no address could be reached.
    """
    loop = asyncio.get_running_loop()
    remote = await _addresses(host, port)
    local = await _addresses(*local_address) if local_address else None
    if len(remote) > 1:
        from aiohappyeyeballs import start_connection

        return await start_connection(
            remote, local_addr_infos=local, happy_eyeballs_delay=ATTEMPT_DELAY, loop=loop
        )
    family, kind, protocol, _, address = remote[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if local:
            sock.bind(local[0][4])
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _addresses(host: str, port: int) -> list[AddressInfo]:
    try:  # an IP address needs no thread to look it up
        return socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
