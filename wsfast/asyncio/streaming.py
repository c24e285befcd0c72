"""Messages in pieces, both ways: taken as they come, and given as an iterable.

Knows when a piece can be taken, and what counts as an iterable of pieces; nothing of frames.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Mapping
from types import coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .websocket import WebSocket

__all__ = ["ReceivedPieces", "is_in_pieces", "pieces_of"]


class ReceivedPieces(AsyncIterator[str | bytes]):
    """The next message in pieces. It may be left at any time, and leaves nothing behind."""

    def __init__(self, ws: WebSocket) -> None:
        self._ws: WebSocket | None = ws  # None after the last piece

    async def __anext__(self) -> str | bytes:
        ws = self._ws
        if ws is None:
            raise StopAsyncIteration
        while not ws._waiting() and not ws._over:
            piece = ws._take()
            if piece is not None:
                return piece
            await _more(ws)
        self._ws = None
        last: str | bytes = await ws.recv()
        return last


@coroutine
def _more(ws: WebSocket) -> Generator[Any, None, None]:
    """Wait for more of a message."""
    waiter = ws._waits()
    ws._taking = True
    try:
        yield waiter
    finally:
        ws._taking = False


def is_in_pieces(message: object) -> bool:
    """Tell if a message is an iterable of pieces; what is bytes-like is whole."""
    if isinstance(message, (str, bytes, bytearray, memoryview, Mapping)):
        return False
    if not isinstance(message, (AsyncIterable, Iterable)):
        return False
    try:
        memoryview(message)  # type: ignore[arg-type]
    except TypeError:
        return True
    return False


async def pieces_of(message: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterator[Any]:
    """The pieces of a message, whichever kind of iterable it is."""
    if isinstance(message, AsyncIterable):
        async for piece in message:
            yield piece
    else:
        for piece in message:
            yield piece
