"""What a message costs while it waits: the specification of ``memory_c``.

A limit on what may wait bounds memory only if it counts memory: a text of one character takes 3
bytes of the wire and 60 or 70 of memory. Knows how CPython lays out its objects; no idea who waits.
"""

from __future__ import annotations

import sys

from .arguments import not_received
from .received import OBJECT_SIZE, Close, CompressedMessage, Ping, Pong, Received

__all__ = ["memory_of"]

_RECEIVED = frozenset((str, bytes, CompressedMessage, Ping, Pong, Close))

_LIST_SLOT = 8  # a pointer
_ALLOCATOR_UNIT = 16  # every block of CPython's allocator is a multiple of it


def memory_of(message: Received) -> int:
    """Count the memory that a message costs while it waits in a list.

    It is what CPython allocates on 64 bits: each object, rounded up as its allocator does, and the
    place in the list. An empty ``str`` or ``bytes`` exists once for all and costs only the place.

    Args:
        message: what a ``MessageDecoder`` returns.

    Returns:
        The number of bytes.

    Raises:
        TypeError: ``message`` is nothing that a decoder returns.

    >>> memory_of(b"")
    8
    >>> memory_of(bytes(1000))
    1048
    """
    if type(message) not in _RECEIVED:
        raise not_received(message)
    if isinstance(message, (str, bytes)):
        return _LIST_SLOT + _block_of(message)
    content = message.reason if isinstance(message, Close) else message.payload
    return _LIST_SLOT + OBJECT_SIZE + _block_of(content)


def _block_of(content: str | bytes) -> int:
    """Count the memory of a text or of bytes."""
    return -(-_size_of(content) // _ALLOCATOR_UNIT) * _ALLOCATOR_UNIT if content else 0


def _estimated_size_of(content: str | bytes) -> int:
    """Estimate what other implementations allocate, where ``sys.getsizeof`` is of no use."""
    return 64 + len(content) * (1 if content.isascii() or isinstance(content, bytes) else 4)


_size_of = sys.getsizeof if sys.implementation.name == "cpython" else _estimated_size_of
