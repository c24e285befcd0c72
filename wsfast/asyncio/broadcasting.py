"""One message to many connections, encoded once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..protocol.connection import Connection
from ..rfc6455 import Role

if TYPE_CHECKING:
    from ..kernels.buffers import Buffer
    from .websocket import WebSocket

__all__ = ["broadcast"]


def broadcast(
    connections: Iterable[WebSocket], message: str | Buffer, *, text: bool | None = None
) -> None:
    """Send one message to every connection that is open, without waiting for any of them.

    It is encoded once for all connections of a server without compression; the others encode it
    each for themselves. A peer that reads too slowly holds up nobody else: it is treated as
    ``slow_consumer`` says, and "wait" keeps for it no more than ``max_outgoing``, then gives it up.

    Args:
        connections: such as ``server.connections``.
        message: text, or anything bytes-like for a binary message.
        text: True sends bytes, which have to be UTF-8, as text; False sends text as binary.

    Raises:
        UnicodeEncodeError: text with a surrogate in it; nothing is sent then, as with all errors.
        TypeError: neither text nor bytes-like.
        ValueError: bytes that are not contiguous, or that are not UTF-8 where ``text`` is True.
    """
    encoder = Connection(Role.SERVER)
    encoder.send(message, text=text)
    wire = encoder.data_to_send()
    # A copy: who is given up here leaves the set of a server.
    for ws in tuple(connections):
        if ws.shares_wire:
            ws.write_frame(wire)
        else:
            ws.send_nowait(message, text=text)
