"""The tables of RFC 6455: opcodes, close codes, header bits and lengths.

Literals, and the one rule about close codes. Everything may import this module; it imports nothing
of wsfast.
"""

from __future__ import annotations

from enum import Enum, IntEnum

__all__ = ["CloseCode", "Opcode", "Role"]


class Role(Enum):
    """Which end of the connection we are (section 5.1).

    A server receives masked frames and sends unmasked ones; a client the other way round.
    """

    CLIENT = "client"
    SERVER = "server"


class Opcode(IntEnum):
    """What a frame carries (section 5.2). Values from 8 up are control frames."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """Why a connection ends (section 7.4.1, and IANA's registry for 1012 to 1015)."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RECEIVED = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


# Section 5.2, first byte of a header.
FIN = 0x80
RSV1 = 0x40
RSV2 = 0x20
RSV3 = 0x10
RSV_BITS = RSV1 | RSV2 | RSV3
OPCODE_BITS = 0x0F
CONTROL_BIT = 0x08

# Section 5.2, second byte.
MASK = 0x80
LENGTH_BITS = 0x7F

# Section 5.2, payload length: up to 125 in the second byte itself, or a mark that 16 or 64 bits
# follow.
LENGTH_16 = 126
LENGTH_64 = 127

# Section 5.5: "All control frames MUST have a payload length of 125 bytes or less".
MAX_CONTROL_PAYLOAD = 125

# Section 5.3.
KEY_SIZE = 4

# Two bytes, eight of length, four of masking key.
MAX_HEADER_SIZE = 14


def may_be_sent(code: int) -> bool:
    """Tell if a close frame may carry this code (sections 7.4.1 and 7.4.2).

    1004 is reserved; 1005, 1006 and 1015 are for reporting inside a program only; 1016 to 2999
    belong to later revisions, 3000 to 4999 to libraries and applications.
    """
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999
