"""Masking keys in Python: the specification of ``keys_c``.

RFC 6455 section 5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be
derived from a strong source of entropy". Both twins take their keys from blocks of ``os.urandom``
and never use four bytes twice. No key survives a fork, however a process forks: parent and child
would mask with the same. Knows nothing of frames.
"""

from __future__ import annotations

import os
import sys
from mmap import PAGESIZE, mmap

from ..rfc6455 import KEY_SIZE

__all__ = ["masking_key"]

# A system call takes 300 ns and more; shared by so many keys it is lost among the rest. With their
# number they fill a page of memory.
KEYS_A_BLOCK = 1023

_WIPE_ON_FORK = 18  # MADV_WIPEONFORK of Linux, from 4.14 on


def masking_key() -> bytes:
    """Draw a masking key: 4 bytes of the operating system's entropy, used once (section 5.3).

    >>> len(masking_key())
    4
    """
    while True:
        try:
            key = _unused_keys.pop()
        except IndexError:
            _mark[0] = 1
            block = fresh_block()
            _unused_keys.extend(
                block[i * KEY_SIZE : (i + 1) * KEY_SIZE] for i in range(KEYS_A_BLOCK)
            )
            continue
        # Only now, since a signal handler may have forked just before.
        if _mark[0]:
            return key
        _unused_keys.clear()


def fresh_block() -> bytes:
    """Draw the bytes of the next ``KEYS_A_BLOCK`` keys from the operating system."""
    while True:
        process = os.getpid()
        block = os.urandom(KEYS_A_BLOCK * KEY_SIZE)
        if os.getpid() == process:  # else a signal handler has forked meanwhile
            return block


class ProcessMark:
    """Item 0 is true in the process that last set it, as in ``page_wiped_on_fork``.

    For systems without such a page. A system call each time: 300 ns against 50.
    """

    def __init__(self) -> None:
        self._process = 0

    def __getitem__(self, index: int) -> int:
        return os.getpid() == self._process

    def __setitem__(self, index: int, value: int) -> None:
        self._process = os.getpid()


def page_wiped_on_fork() -> mmap | None:
    """A page of memory that any fork leaves empty in the child; None where the system has none."""
    if sys.platform == "linux":
        from mmap import MAP_ANONYMOUS, MAP_PRIVATE

        page = mmap(-1, PAGESIZE, flags=MAP_PRIVATE | MAP_ANONYMOUS)
        try:
            page.madvise(-1)
        except OSError:
            try:
                page.madvise(_WIPE_ON_FORK)
            except OSError:
                return None  # an older kernel
            return page
        # Whatever takes any advice (an emulator, say) follows none.
    return None


_unused_keys: list[bytes] = []
_mark: mmap | ProcessMark = page_wiped_on_fork() or ProcessMark()
