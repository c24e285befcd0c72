"""What a caller may hand in as bytes, and what is said of anything else.

Both twins raise these errors, so that their texts are the same.
"""

from __future__ import annotations

import sys
from array import array
from mmap import mmap
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    if sys.version_info >= (3, 12):
        from collections.abc import Buffer
    else:
        Buffer: TypeAlias = bytes | bytearray | memoryview | array[Any] | mmap
else:
    Buffer = bytes | bytearray | memoryview | array | mmap

__all__ = [
    "Buffer",
    "bytes_of",
    "check_writable",
    "not_bytes_like",
    "not_contiguous",
    "not_copied",
    "read_only",
]


def bytes_of(data: Buffer, name: str) -> bytes:
    """Take the bytes of any contiguous bytes-like object, as they lie in memory.

    Raises:
        TypeError: ``data`` is not bytes-like.
        ValueError: ``data`` is not contiguous.
    """
    if type(data) is bytes:
        return data
    view = _view_of(data, name)
    if not view.c_contiguous:
        raise not_contiguous(name)
    return view.tobytes()


def check_writable(data: Buffer, name: str) -> None:
    """Raise TypeError unless ``data`` is a bytes-like object that can be written to."""
    if _view_of(data, name).readonly:
        raise read_only(data, name)


def _view_of(data: Buffer, name: str) -> memoryview:
    try:
        return memoryview(data)
    except TypeError:
        raise not_bytes_like(data, name) from None


def not_bytes_like(data: object, name: str) -> TypeError:
    """Build the error for an object that has no bytes to offer."""
    return TypeError(f"{name} must be a bytes-like object, not {type(data).__name__}")


def read_only(data: object, name: str) -> TypeError:
    """Build the error for bytes that cannot be written to."""
    return TypeError(f"{name} must be writable, but this {type(data).__name__} is read-only")


def not_copied(stateful: object) -> TypeError:
    """Build the error for copying or pickling what has its place in one stream."""
    name = type(stateful).__name__
    return TypeError(f"{name} cannot be copied or pickled: make another {name}")


def not_contiguous(name: str) -> ValueError:
    """Build the error for bytes that do not lie side by side."""
    return ValueError(f"{name} must be contiguous")
