"""Frames in Python: the specification of ``codec_c``.

Wire to frames and frames to wire, each by itself. Knows headers, masks and the rules of RFC 6455
section 5; no idea what a connection is, and leaves messages to ``messages_py``.
"""

from __future__ import annotations

from typing import NoReturn

from ..exceptions import ProtocolError
from ..kernels.buffers import Buffer, bytes_of, not_copied
from ..kernels.mask_py import apply_mask, rotate_key, xor
from ..kernels.utf8_py import encode_utf8
from ..rfc6455 import (
    CONTROL_BIT,
    FIN,
    KEY_SIZE,
    LENGTH_16,
    LENGTH_64,
    LENGTH_BITS,
    MASK,
    MAX_CONTROL_PAYLOAD,
    MAX_HEADER_SIZE,
    OPCODE_BITS,
    RSV_BITS,
    Opcode,
    Role,
)
from . import violations
from .arguments import INTERRUPTED, OPCODES, check_frame, check_rsv, expects_mask, limit_of
from .received import Close

__all__ = ["Frame", "FrameParser", "serialize_frame", "split_frames"]

_CONTINUATION = Opcode.CONTINUATION.value
_CLOSE = Opcode.CLOSE.value
_PLAIN = frozenset((FIN | Opcode.TEXT, FIN | Opcode.BINARY))  # no rule but in_message concerns them


class Frame:
    """A frame (RFC 6455 section 5.2).

    Attributes:
        opcode: what it carries.
        payload: unmasked.
        fin: whether it is the last of its message.
        rsv: the reserved bits where they stand in the header: 0x40 is RSV1, 0x20 RSV2, 0x10 RSV3.

    Raises:
        ValueError: the opcode is reserved.
    """

    __slots__ = ("fin", "opcode", "payload", "rsv")

    opcode: Opcode
    payload: bytes
    fin: bool
    rsv: int

    def __init__(self, opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0) -> None:
        self.opcode = Opcode(opcode)
        self.payload = payload
        self.fin = fin
        self.rsv = rsv

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        return (
            self.opcode == other.opcode
            and self.payload == other.payload
            and self.fin == other.fin
            and self.rsv == other.rsv
        )

    def __repr__(self) -> str:
        return (
            f"Frame(Opcode.{self.opcode.name}, {self.payload!r}, fin={self.fin}, rsv={self.rsv:#x})"
        )


class FrameParser:
    """Parse the frames of one direction of a connection, in pieces of any size.

    Keeps every rule of RFC 6455 section 5 that shows in the frames themselves: reserved bits and
    opcodes, lengths in the fewest bytes, masks, control frames, close payloads, and the order of
    fragments. Text is not validated: a frame may end inside a character. What follows a close frame
    is parsed like all else, and is for the caller to discard. A parser belongs to one connection
    and one thread at a time.

    Args:
        role: which end of the connection we are. A server wants masked frames, a client unmasked.
        max_frame_size: most bytes in a payload; None for no limit.
        allowed_rsv: the reserved bits that negotiated extensions use, on the first frame of a
            message: 0x40 allows RSV1.

    Raises:
        TypeError: ``role`` is not a Role, or an option has the wrong type.
        ValueError: a limit is negative, or ``allowed_rsv`` has other bits.

    >>> parser = FrameParser(Role.CLIENT)
    >>> parser.feed(bytes.fromhex("81 05 48 65 6c 6c"))
    []
    >>> parser.feed(bytes.fromhex("6f"))
    [Frame(Opcode.TEXT, b'Hello', fin=True, rsv=0x0)]
    """

    __slots__ = (
        "_allowed_rsv",
        "_failure",
        "_first",
        "_head",
        "_in_message",
        "_key",
        "_masked",
        "_max_frame_size",
        "_payload",
        "_remaining",
    )

    def __init__(
        self, role: Role, *, max_frame_size: int | None = 1 << 20, allowed_rsv: int = 0
    ) -> None:
        masked = expects_mask(role)
        frame_size = limit_of(max_frame_size, "max_frame_size")
        rsv = check_rsv(allowed_rsv, "allowed_rsv")
        payload = bytearray()
        # Nothing can fail from here on, so that a second call leaves no half of the first.
        self._masked = masked
        self._max_frame_size = frame_size
        self._allowed_rsv = rsv
        self._in_message = False
        self._failure: tuple[type[Exception], tuple[object, ...]] | None = None
        self._head = b""  # what has come of a header that is not complete
        # The frame whose payload is coming:
        self._first = 0
        self._key = b""
        self._remaining = -1  # bytes of payload to come; -1 between frames
        self._payload = payload

    def __reduce__(self) -> NoReturn:
        raise not_copied(self)

    def feed(self, data: Buffer) -> list[Frame]:
        """Take the next bytes from the wire.

        Args:
            data: bytes-like and contiguous, of any length. It is not kept.

        Returns:
            The frames that are complete with it, in order.

        Raises:
            ProtocolError: the peer broke a rule. ``completed`` holds the frames before that. The
                parser stays failed: whatever else it is fed, it raises the same error.
            InvalidUtf8: the reason of a close frame is not UTF-8.
            MessageTooBig: a frame passes ``max_frame_size``; raised with the length that says so.
            RuntimeError: an earlier call was interrupted or has not returned; make another parser.
            TypeError: ``data`` is not bytes-like.
            ValueError: ``data`` is not contiguous.
        """
        data = bytes_of(data, "data")
        if self._failure is not None:
            error, arguments = self._failure
            raise error(*arguments)
        self._failure = INTERRUPTED
        frames: list[Frame] = []
        try:
            self._parse(data, frames)
        except ProtocolError as exc:
            exc.completed = frames
            self._failure = type(exc), exc.args
            self._drop_payload()
            raise
        self._failure = None
        return frames

    def _parse(self, data: bytes, frames: list[Frame]) -> None:
        position, end = 0, len(data)
        while position < end:
            if self._remaining < 0:
                if self._head:
                    data, position = self._head + data[position:], 0
                    end, self._head = len(data), b""
                found = read_header(
                    data,
                    position,
                    self._masked,
                    self._allowed_rsv,
                    self._in_message,
                    self._max_frame_size,
                )
                if found is None:
                    self._head = data[position:]
                    return
                position, self._first, self._remaining, self._key = found
            piece = data[position : position + self._remaining]
            position += len(piece)
            self._remaining -= len(piece)
            if piece:
                self._payload += xor(piece, self._key) if self._masked else piece
                self._key = rotate_key(self._key, len(piece))
            if self._remaining == 0:
                frames.append(self._complete())

    def _drop_payload(self) -> None:
        self._payload = bytearray()

    def _complete(self) -> Frame:
        first, payload = self._first, bytes(self._payload)
        self._drop_payload()
        self._remaining = -1
        opcode = first & OPCODE_BITS
        if opcode == _CLOSE:
            Close.from_payload(payload)
        elif not opcode & CONTROL_BIT:
            self._in_message = not first & FIN
        return Frame(opcode, payload, bool(first & FIN), first & RSV_BITS)


def read_header(
    data: bytes,
    position: int,
    masked: bool,
    allowed_rsv: int,
    in_message: bool,
    max_frame_size: int,
) -> tuple[int, int, int, bytes] | None:
    """Read the header at ``position`` (RFC 6455 section 5.2).

    Returns:
        Where it ends, its first byte, the length of the payload and the masking key; None if there
        are more bytes to come. Whatever is wrong is found with the field that shows it.
    """
    head = data[position : position + MAX_HEADER_SIZE]
    if not head:
        return None
    first = head[0]
    if first not in _PLAIN or in_message:
        check_first_byte(first, allowed_rsv, in_message)
    if len(head) == 1:
        return None
    rest = length_and_key(head, masked, max_frame_size)
    if rest is None:
        return None
    size, length, key = rest
    return position + size, first, length, key


def length_and_key(head: bytes, masked: bool, max_frame_size: int) -> tuple[int, int, bytes] | None:
    """Read a header from its second byte on.

    Returns:
        Its size, the length of the payload and the masking key; None if there are more bytes to
        come.
    """
    first, second = head[0], head[1]
    if masked:
        if not second & MASK:
            raise violations.unmasked_frame()
    elif second & MASK:
        raise violations.masked_frame()
    length = second & LENGTH_BITS
    size = 2
    if first & CONTROL_BIT:
        if length > MAX_CONTROL_PAYLOAD:
            raise violations.control_frame_too_long(first)
        if length == 1 and first & OPCODE_BITS == _CLOSE:
            raise violations.close_payload_too_short()
    elif length == LENGTH_16:
        size = 4
        if len(head) < size:
            return None
        length = int.from_bytes(head[2:4], "big")
        if length < LENGTH_16:
            raise violations.length_not_minimal(length)
    elif length == LENGTH_64:
        size = 10
        if len(head) < size:
            return None
        length = int.from_bytes(head[2:10], "big")
        if length < 1 << 16:
            raise violations.length_not_minimal(length)
        if length >= 1 << 63:
            raise violations.length_top_bit(length)
    if length > max_frame_size:
        raise violations.frame_too_big(length, max_frame_size)
    if not masked:
        return size, length, b""
    key = head[size : size + KEY_SIZE]
    return (size + KEY_SIZE, length, key) if len(key) == KEY_SIZE else None


def check_first_byte(first: int, allowed_rsv: int, in_message: bool) -> None:
    """Check the first byte of a header by itself and against the message in progress."""
    opcode = first & OPCODE_BITS
    control = opcode & CONTROL_BIT
    if first & RSV_BITS and (first & RSV_BITS & ~allowed_rsv or control or opcode == _CONTINUATION):
        # An extension may set a bit on the first frame of a message; RFC 7692 section 6.1 for RSV1.
        raise violations.reserved_bits(first)
    if opcode not in OPCODES:
        raise violations.reserved_opcode(first)
    if control:
        if not first & FIN:
            raise violations.fragmented_control_frame(first)
    elif opcode == _CONTINUATION:
        if not in_message:
            raise violations.unexpected_continuation(first)
    elif in_message:
        raise violations.expected_continuation(first)


def split_frames(
    data: Buffer, role: Role, max_frame_size: int | None = None
) -> tuple[list[tuple[int, bytes]], int, bool]:
    """Split the complete frames off the start of what a connection has received.

    For those who keep the buffer and the errors to themselves: it has no state, and raises for
    nothing that the peer does. It stops in front of a frame that is not complete or not
    well-formed, and behind a fragment, which may change how big the next frame may be.

    Args:
        data: bytes-like and contiguous, of any length. It is not kept.
        role: which end of the connection we are. A server wants masked frames, a client unmasked.
        max_frame_size: most bytes in a payload; None for no limit. A frame that passes it is not
            well-formed.

    Returns:
        The frames, each as the first byte of its header and its payload, unmasked; how many bytes
        they take on the wire; and False if it stopped in front of a frame that is not well-formed.
        Reserved bits, the order of fragments, close codes and UTF-8 are left to the caller.

    Raises:
        TypeError: ``data`` is not bytes-like, ``role`` not a Role, ``max_frame_size`` not an int.
        ValueError: ``data`` is not contiguous, or ``max_frame_size`` is negative.

    >>> split_frames(bytes.fromhex("81 05 48 65 6c 6c 6f 89 00 82"), Role.CLIENT)
    ([(129, b'Hello'), (137, b'')], 9, True)
    """
    masked = expects_mask(role)
    most = limit_of(max_frame_size, "max_frame_size")
    if not isinstance(data, bytearray):  # of which no more than is needed is copied, every time
        data = bytes_of(data, "data")
    frames: list[tuple[int, bytes]] = []
    position, end = 0, len(data)
    while end - position >= 2:
        head = bytes(data[position : position + MAX_HEADER_SIZE])
        first = head[0]
        control = first & CONTROL_BIT
        if first & OPCODE_BITS not in OPCODES or (control and not first & FIN):
            return frames, position, False
        try:
            found = length_and_key(head, masked, most)
        except ProtocolError:
            return frames, position, False
        if found is None:
            break
        size, length, key = found
        if length > end - position - size:
            break
        payload = bytes(data[position + size : position + size + length])
        frames.append((first, xor(payload, key) if masked else payload))
        position += size + length
        if not control and (first & OPCODE_BITS == _CONTINUATION or not first & FIN):
            break
    return frames, position, True


def serialize_frame(
    opcode: int,
    payload: str | Buffer = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    key: Buffer | None = None,
) -> bytes:
    """Write one frame (RFC 6455 section 5.2).

    Args:
        opcode: what it carries.
        payload: bytes-like, or text, which is encoded as UTF-8.
        fin: whether it is the last of its message.
        rsv: reserved bits where they stand in the header: 0x40 sets RSV1.
        key: the masking key, 4 bytes, for a client (see ``masking_key``); None for a server.

    Returns:
        Header and payload, as they go onto the wire.

    Raises:
        ValueError: a reserved opcode, other bits in ``rsv``, a control frame that is fragmented or
            longer than 125 bytes, or a key that is not of 4 bytes.
        TypeError: ``payload`` or ``key`` is not bytes-like, ``opcode`` or ``rsv`` not an int.
        UnicodeEncodeError: text with a surrogate in it.

    >>> serialize_frame(Opcode.TEXT, "Hello").hex(" ")
    '81 05 48 65 6c 6c 6f'
    """
    payload = encode_utf8(payload) if isinstance(payload, str) else bytes_of(payload, "payload")
    check_frame(opcode, len(payload), fin, rsv)
    first = (FIN if fin else 0) | rsv | opcode
    if key is None:
        return header(first, len(payload), 0) + payload
    masked = apply_mask(payload, key)
    return header(first, len(payload), MASK) + bytes_of(key, "key") + masked


def header(first: int, length: int, mask_bit: int) -> bytes:
    """Write a header up to the masking key, the length in the fewest bytes."""
    if length < LENGTH_16:
        return bytes((first, mask_bit | length))
    if length < 1 << 16:
        return bytes((first, mask_bit | LENGTH_16)) + length.to_bytes(2, "big")
    return bytes((first, mask_bit | LENGTH_64)) + length.to_bytes(8, "big")
