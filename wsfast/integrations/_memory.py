"""What the C library does with memory that is given back."""

from __future__ import annotations

__all__ = ["keep_blocks"]


def keep_blocks() -> None:
    """Make glibc reuse blocks of up to 1 MiB, for the rest of the process.

    It gives blocks of more than 128 KiB back to the kernel when they are freed, until a larger one
    has been freed. asyncio reads into blocks of 256 KiB, and every read faults the pages of a new
    one in, which takes as long as all else that an echo of 64 KiB needs. Elsewhere this does
    nothing.
    """
    bytes(1 << 20)
