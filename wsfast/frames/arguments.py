"""What callers may ask of a parser or an encoder, and what is said of anything else.

Both twins check their arguments here, so that they cannot say different things.
"""

from __future__ import annotations

import sys

from ..rfc6455 import CONTROL_BIT, MAX_CONTROL_PAYLOAD, RSV_BITS, Opcode, Role

OPCODES = frozenset(Opcode)

# The name of a member takes 100 ns in Python 3.11.
_SERVER = Role.SERVER

# The failure of a parser as long as feed runs, so that whatever breaks out of it (Ctrl-C, say) or
# into it (a finalizer, another thread) cannot make it parse from the wrong place.
INTERRUPTED = (
    RuntimeError,
    ("feed was interrupted, or called again before it returned: the place in the stream is lost",),
)


def expects_mask(role: Role) -> bool:
    """Tell if the frames that this role receives are masked (section 5.1)."""
    if not isinstance(role, Role):
        raise TypeError(f"role must be Role.CLIENT or Role.SERVER, not {role!r}")
    return role is _SERVER


def limit_of(value: int | None, name: str) -> int:
    """Check a limit; None stands for the largest object that Python can hold."""
    if value is None:
        return sys.maxsize
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int or None, not {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{name} must not be negative: {value}")
    return min(int(value), sys.maxsize)


def fragment_size_of(value: int | None) -> int:
    """Check the size of fragments; None stands for messages in one frame."""
    if value == 0:
        raise ValueError("fragment_size must be 1 or more")
    return limit_of(value, "fragment_size")


def not_received(message: object) -> TypeError:
    """Build the error for an object that no decoder returns."""
    return TypeError(
        "message must be what a MessageDecoder returns (str, bytes, CompressedMessage, Ping, Pong "
        f"or Close), not {type(message).__name__}"
    )


def check_rsv(rsv: int, name: str) -> int:
    """Check that only reserved bits are set."""
    if not isinstance(rsv, int):
        raise TypeError(f"{name} must be an int, not {type(rsv).__name__}")
    if rsv & ~RSV_BITS:
        raise ValueError(f"{name} must have no bits but 0x40, 0x20 and 0x10: {rsv:#x}")
    return rsv


def check_frame(opcode: int, size: int, fin: bool, rsv: int) -> None:
    """Check that a frame with a payload of this size may be sent (sections 5.2 and 5.5)."""
    if not isinstance(opcode, int):
        raise TypeError(f"opcode must be an int, not {type(opcode).__name__}")
    if opcode not in OPCODES:
        raise ValueError(f"opcode {opcode:#x} is reserved")
    check_rsv(rsv, "rsv")
    if opcode & CONTROL_BIT:
        if not fin:
            raise ValueError("a control frame must not be fragmented")
        if size > MAX_CONTROL_PAYLOAD:
            raise ValueError(
                f"payload of a control frame has {size} bytes, "
                f"and at most {MAX_CONTROL_PAYLOAD} are allowed"
            )
