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

__all__ = ["KEYS_A_BLOCK", "fresh_block", "in_forked_child"]

KEYS_A_BLOCK = 1024


def fresh_block() -> bytes:
    """Draw the bytes of the next ``KEYS_A_BLOCK`` keys from the operating system."""
    return os.urandom(KEYS_A_BLOCK * KEY_SIZE)


def in_forked_child(drop_block: Callable[[], None]) -> None:
    """Have ``drop_block`` called in each child process, before it can use a key."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(after_in_child=drop_block)
