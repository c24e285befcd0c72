"""Every rule that a decoder can find broken: its reason, its text, its close code.

Both twins raise what these functions build, so that they cannot say different things. In the order
in which a decoder meets them.
"""

from __future__ import annotations

from ..exceptions import InvalidUtf8, MessageTooBig, ProtocolError
from ..rfc6455 import MAX_CONTROL_PAYLOAD, Opcode

# Section 5.2, first byte.


def reserved_bits(first: int) -> ProtocolError:
    return ProtocolError(
        "reserved_bits",
        f"reserved bits {first >> 4 & 7:03b} (RSV1 to RSV3) are set, "
        "and no extension that was negotiated uses them",
    )


def reserved_opcode(first: int) -> ProtocolError:
    return ProtocolError("reserved_opcode", f"opcode {first & 0xF:#x} is reserved")


def fragmented_control_frame(first: int) -> ProtocolError:
    return ProtocolError(
        "fragmented_control_frame", f"{_name(first)} frame without FIN: it must not be fragmented"
    )


def unexpected_continuation(first: int) -> ProtocolError:
    return ProtocolError(
        "unexpected_continuation", "continuation frame, but no fragmented message is in progress"
    )


def expected_continuation(first: int) -> ProtocolError:
    return ProtocolError(
        "expected_continuation", f"{_name(first)} frame inside a fragmented message"
    )


# Section 5.2, second byte; section 5.1.


def unmasked_frame() -> ProtocolError:
    return ProtocolError("unmasked_frame", "frame without a mask, and clients must mask")


def masked_frame() -> ProtocolError:
    return ProtocolError("masked_frame", "frame with a mask, and servers must not mask")


def control_frame_too_long(first: int) -> ProtocolError:
    return ProtocolError(
        "control_frame_too_long",
        f"{_name(first)} frame with a payload of more than {MAX_CONTROL_PAYLOAD} bytes",
    )


def close_payload_too_short() -> ProtocolError:
    return ProtocolError(
        "close_payload_too_short", "close frame with a payload of 1 byte: a code takes 2"
    )


# Section 5.2, extended payload length.


def length_not_minimal(length: int) -> ProtocolError:
    return ProtocolError(
        "length_not_minimal", f"payload length {length} is not written in the fewest bytes"
    )


def length_top_bit(length: int) -> ProtocolError:
    return ProtocolError(
        "length_top_bit", f"payload length {length:#x} has the top bit set, which must be 0"
    )


# Section 10.4: limits of this implementation.


def too_many_fragments(limit: int) -> MessageTooBig:
    return MessageTooBig(
        "too_many_fragments", f"message of more fragments than max_fragments, which is {limit}"
    )


def frame_too_big(length: int, limit: int) -> MessageTooBig:
    return MessageTooBig(
        "frame_too_big", f"frame of {length} bytes passes max_frame_size, which is {limit} bytes"
    )


def message_too_big(size: int, limit: int) -> MessageTooBig:
    return MessageTooBig(
        "message_too_big",
        f"message of at least {size} bytes passes max_size, which is {limit} bytes",
    )


# Sections 5.6 and 8.1.


def invalid_utf8(index: int, size: int | None = None) -> InvalidUtf8:
    """The byte at ``index`` spoils a text message; or, at its end ``size``, bytes are lacking."""
    if index == size:
        return InvalidUtf8(
            "invalid_utf8", f"text message ends inside a UTF-8 character, after {size} bytes"
        )
    return InvalidUtf8("invalid_utf8", f"text message is not UTF-8: bad byte at index {index}")


# Sections 5.5.1 and 7.4.


def close_code(code: int) -> ProtocolError:
    return ProtocolError("close_code", f"close frame with code {code}, which must not be sent")


def close_reason(index: int) -> InvalidUtf8:
    return InvalidUtf8("invalid_utf8", f"close reason is not UTF-8: bad byte at index {index}")


def _name(first: int) -> str:
    return Opcode(first & 0xF).name.lower()
