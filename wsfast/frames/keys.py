"""Masking keys: strong ones, without a system call a frame.

RFC 6455 section 5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be
derived from a strong source of entropy". Both twins take their keys from blocks of ``os.urandom``
and never use four bytes twice. A child process drops what is left of its parent's block: the two
would mask with the same keys.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from ..rfc6455 import KEY_SIZE

__all__ = ["KEYS_A_BLOCK", "drop_at_fork", "fresh_block"]

# A system call takes 300 ns and more; shared by so many keys it is lost among the rest.
KEYS_A_BLOCK = 1024


def fresh_block() -> bytes:
    """Draw the bytes of the next ``KEYS_A_BLOCK`` keys from the operating system."""
    while True:
        process = os.getpid()
        block = os.urandom(KEYS_A_BLOCK * KEY_SIZE)
        if os.getpid() == process:  # else a signal handler has forked meanwhile
            return block


def drop_at_fork(drop_block: Callable[[], None]) -> None:
    """Have ``drop_block`` called around each fork: before it, so that the child inherits no key for
    those who are called ahead of us, and in the child."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(before=drop_block, after_in_child=drop_block)
