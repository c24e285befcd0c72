"""What a decoder hands out besides ``str`` and ``bytes``: small, immutable objects.

Written once for both twins, like everything about frames that is rare.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from ..kernels.utf8_py import first_error
from ..rfc6455 import MAX_CONTROL_PAYLOAD, CloseCode, Opcode, may_be_sent
from . import violations

__all__ = ["OBJECT_SIZE", "Close", "CompressedMessage", "Ping", "Pong", "Received"]

_MAX_REASON = MAX_CONTROL_PAYLOAD - 2  # behind the code
_NO_STATUS = CloseCode.NO_STATUS_RECEIVED.value


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping (RFC 6455 section 5.5.2): reply with a pong of the same payload.

    Attributes:
        payload: up to 125 bytes.
    """

    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Pong:
    """A pong (RFC 6455 section 5.5.3), asked for or not.

    Attributes:
        payload: up to 125 bytes.
    """

    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame (RFC 6455 section 5.5.1).

    Attributes:
        code: the close code; 1005 where the frame carries none (section 7.1.5).
        reason: text that takes up to 123 bytes as UTF-8.
    """

    code: int = _NO_STATUS
    reason: str = ""

    # Most connections end with one of the same few.
    @classmethod
    @lru_cache(maxsize=32)
    def from_payload(cls, payload: bytes) -> Close:
        """Read the payload of a close frame.

        Raises:
            ProtocolError: one byte alone, or a code that must not be sent (section 7.4).
            InvalidUtf8: the reason is not UTF-8.
        """
        if not payload:
            return cls()
        if len(payload) == 1:
            raise violations.close_payload_too_short()
        code = payload[0] << 8 | payload[1]
        if not may_be_sent(code):
            raise violations.close_code(code)
        try:
            return cls(code, payload[2:].decode())
        except UnicodeDecodeError as exc:
            index = first_error(exc)
        raise violations.close_reason(index)

    def to_payload(self) -> bytes:
        """Write the payload of a close frame (section 5.5.1).

        Returns:
            The code and the reason as they go onto the wire; nothing for the code 1005.

        Raises:
            ValueError: a code that must not be sent, a reason without a code, or one that takes
                more than 123 bytes.
            UnicodeEncodeError: a reason with a surrogate in it.
        """
        if self.code == _NO_STATUS and not self.reason:
            return b""
        if not may_be_sent(self.code):
            raise ValueError(f"code {self.code} must not be sent in a close frame")
        reason = self.reason.encode()
        if len(reason) > _MAX_REASON:
            raise ValueError(
                f"reason takes {len(reason)} bytes, and there is room for {_MAX_REASON}"
            )
        return self.code.to_bytes(2, "big") + reason


@dataclass(frozen=True, slots=True)
class CompressedMessage:
    """A whole message whose first frame had RSV1 set: compressed (RFC 7692 section 6.2).

    Attributes:
        opcode: TEXT or BINARY, what the message is once it is decompressed.
        payload: still compressed; text inside has not been validated.
    """

    opcode: Opcode
    payload: bytes


# What each of these objects takes in CPython of 64 bits, besides what it refers to: a head for the
# garbage collector, one for the object, and one or two attributes, rounded up to 16 bytes.
OBJECT_SIZE = 48

# What MessageDecoder.feed returns a list of.
Received: TypeAlias = str | bytes | Ping | Pong | Close | CompressedMessage
