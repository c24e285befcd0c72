"""Frames in C: the twin of ``codec_py``.

Wire to frames and frames to wire, each by itself. Knows headers, masks and the rules of RFC 6455
section 5; no idea what a connection is, and leaves messages to ``messages_c``.
"""

cimport cython
from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from .._simd cimport kernels, wsf_rotate_key
from ..kernels.mask_c cimport acquire, key_at
from ..kernels.utf8_c cimport utf8_size, write_utf8

from typing import NoReturn

from ..exceptions import ProtocolError
from ..kernels.buffers import Buffer, not_copied
from ..rfc6455 import Opcode, Role
from . import violations
from .arguments import INTERRUPTED, check_frame, check_rsv, expects_mask, limit_of
from .received import Close

cdef extern from "Python.h":
    long PyLong_AsLongAndOverflow(object value, int* overflow)
    void Py_XDECREF(PyObject* o)
    PyObject* new_bytes "PyBytes_FromStringAndSize"(char* data, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject** bytes, Py_ssize_t size) except -1

__all__ = ["Frame", "FrameParser", "serialize_frame", "split_frames"]

OPCODES = tuple(Opcode(value) if value in set(Opcode) else None for value in range(16))


cdef class Frame:
    """A frame (RFC 6455 section 5.2).

    Attributes:
        opcode: what it carries.
        payload: unmasked.
        fin: whether it is the last of its message.
        rsv: the reserved bits where they stand in the header: 0x40 is RSV1, 0x20 RSV2, 0x10 RSV3.

    Raises:
        ValueError: the opcode is reserved.
    """

    cdef public object opcode
    cdef public object payload
    cdef public object fin
    cdef public object rsv

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


cdef class FrameParser:
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

    cdef FrameReader reader
    cdef bint in_message
    cdef object failure
    # The payload so far of the frame in reader: a bytes object that nobody else has seen, and how
    # much of it is filled.
    cdef PyObject* payload
    cdef Py_ssize_t room
    cdef Py_ssize_t have

    def __cinit__(self):
        reset_reader(&self.reader)

    def __init__(
        self, role: Role, *, max_frame_size: int | None = 1 << 20, allowed_rsv: int = 0
    ) -> None:
        cdef bint masked = expects_mask(role)
        cdef Py_ssize_t frame_size = limit(max_frame_size, "max_frame_size")
        cdef int rsv = check_rsv(allowed_rsv, "allowed_rsv")
        # Nothing can fail from here on, so that a second call leaves no half of the first.
        reset_reader(&self.reader)
        self.reader.masked = masked
        self.reader.max_frame_size = frame_size
        self.reader.allowed_rsv = rsv
        self.in_message = False
        self.failure = None
        self.drop_payload()

    def __dealloc__(self):
        self.drop_payload()

    cdef void drop_payload(self) noexcept:
        Py_XDECREF(self.payload)
        self.payload = NULL
        self.room = self.have = 0

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
        cdef Py_buffer view
        cdef list frames = []
        acquire(data, &view, "data")
        try:
            self.parse_or_fail(<const uint8_t*>view.buf, view.len, frames)
        finally:
            PyBuffer_Release(&view)
        return frames

    cdef int parse_or_fail(self, const uint8_t* p, Py_ssize_t n, list frames) except -1:
        if self.failure is not None:
            raise self.failure[0](*self.failure[1])
        self.failure = INTERRUPTED
        try:
            self.parse(p, n, frames)
        except ProtocolError as exc:
            # For want of memory for its traceback, Cython makes it a MemoryError even here.
            if isinstance(exc, ProtocolError):
                exc.completed = frames
                self.failure = type(exc), exc.args
                self.drop_payload()
            raise
        self.failure = None
        return 0

    @cython.final
    cdef int parse(self, const uint8_t* p, Py_ssize_t n, list frames) except -1:
        cdef const uint8_t* end = p + n
        cdef FrameReader* reader = &self.reader
        cdef Py_ssize_t size
        while p < end:
            if reader.remaining < 0:
                p = read_header(reader, p, end, self.in_message)
                if reader.violation != NONE:
                    raise violation_of(reader)
                if reader.remaining < 0:
                    return 0
            size = min(<uint64_t>(end - p), <uint64_t>reader.remaining)
            if size:
                self.gather(p, size)
                p += size
            if reader.remaining == 0:
                frames.append(self.complete())
        return 0

    @cython.final
    cdef int gather(self, const uint8_t* piece, Py_ssize_t size) except -1:
        """Unmask the next piece of the payload into its place."""
        cdef FrameReader* reader = &self.reader
        cdef Py_ssize_t needed = self.have + size, room
        if needed > self.room:
            room = room_to_gather(needed, reader.remaining - size, True)
            if self.payload is NULL:
                self.payload = new_bytes(NULL, room)
            else:
                _PyBytes_Resize(&self.payload, room)
            self.room = room
        kernels.mask(
            <uint8_t*>PyBytes_AS_STRING(<object>self.payload) + self.have, piece, size, reader.key
        )
        self.have = needed
        reader.remaining -= size
        reader.key = wsf_rotate_key(reader.key, size)
        return 0

    @cython.final
    cdef Frame complete(self):
        cdef Frame frame = Frame.__new__(Frame)
        cdef uint8_t first = self.reader.first
        # The room is exact: room_to_gather knows where the payload ends.
        frame.payload = b"" if self.payload is NULL else <bytes>self.payload
        self.drop_payload()
        self.reader.remaining = -1
        if first & OPCODE_BITS == CLOSE:
            Close.from_payload(frame.payload)
        elif not first & CONTROL_BIT:
            self.in_message = not first & FIN
        frame.opcode = OPCODES[first & OPCODE_BITS]
        frame.fin = first & FIN != 0
        frame.rsv = first & RSV_BITS
        return frame


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
    cdef Py_buffer view
    cdef FrameReader reader
    cdef list frames = []
    cdef const uint8_t* p
    cdef const uint8_t* end
    cdef const uint8_t* start
    cdef size_t size
    cdef bint well_formed = True
    cdef bytes payload
    reset_reader(&reader)
    reader.masked = expects_mask(role)
    reader.max_frame_size = limit(max_frame_size, "max_frame_size")
    acquire(data, &view, "data")
    try:
        start = p = <const uint8_t*>view.buf
        end = p + view.len
        while end - p >= 2:
            reader.first = p[0]
            size = 0
            if is_known(reader.first):
                size = parse_length_and_key(&reader, p, end - p)
            else:
                reader.violation = RESERVED_OPCODE
            if reader.violation != NONE:
                well_formed = False
                break
            if size == 0 or reader.length > <uint64_t>(end - p) - size:
                break
            payload = PyBytes_FromStringAndSize(NULL, reader.length)
            kernels.mask(<uint8_t*>PyBytes_AS_STRING(payload), p + size, reader.length, reader.key)
            frames.append((reader.first, payload))
            p += size + reader.length
            if is_fragment(reader.first):
                break
        return frames, p - start, well_formed
    finally:
        PyBuffer_Release(&view)


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
    cdef Py_buffer view
    cdef bytes frame
    cdef uint8_t* dst
    cdef Py_ssize_t size
    cdef bint masked = key is not None
    cdef uint32_t word = 0
    cdef int code = byte_of(opcode), bits = byte_of(rsv)
    cdef int first = (FIN if fin else 0) | bits | code
    cdef bint text = isinstance(payload, str)
    if text:
        size = utf8_size(payload)
    else:
        acquire(payload, &view, "payload")
        size = view.len
    try:
        if (
            not 0 <= code <= OPCODE_BITS
            or bits & ~RSV_BITS
            or not is_known(first)
            or (code & CONTROL_BIT and size > MAX_CONTROL_PAYLOAD)
        ):
            check_frame(opcode, size, fin, rsv)
        if masked:
            word = key_at(key, 0)
        frame = PyBytes_FromStringAndSize(NULL, header_size(size, masked) + size)
        dst = write_header(<uint8_t*>PyBytes_AS_STRING(frame), first, size, masked, word)
        if text:
            write_utf8(dst, size, payload)
            if masked:
                kernels.mask(dst, dst, size, word)
        else:
            kernels.mask(dst, <uint8_t*>view.buf, size, word)
    finally:
        if not text:
            PyBuffer_Release(&view)
    return frame


cdef inline int byte_of(object value) noexcept:
    """The value of an int that fits a byte; -1 for anything else, for check_frame to refuse."""
    cdef int overflow = 0
    cdef long number
    if not isinstance(value, int):
        return -1
    number = PyLong_AsLongAndOverflow(value, &overflow)
    return number if 0 <= number <= 0xFF and not overflow else -1


cdef void reset_reader(FrameReader* reader) noexcept:
    reader.max_frame_size = PY_SSIZE_T_MAX
    reader.head_size = 0
    reader.key = 0
    reader.remaining = -1
    reader.violation = NONE


cdef Py_ssize_t limit(object value, str name) except -1:
    cdef int overflow
    cdef long size
    if type(value) is int:  # the usual, without a call of Python
        size = PyLong_AsLongAndOverflow(value, &overflow)
        if size >= 0 and not overflow:
            return size
    return PY_SSIZE_T_MAX if value is None else limit_of(value, name)


cdef object violation_of(FrameReader* reader):
    if reader.violation == UNMASKED_FRAME:
        return violations.unmasked_frame()
    if reader.violation == MASKED_FRAME:
        return violations.masked_frame()
    if reader.violation == CLOSE_PAYLOAD_TOO_SHORT:
        return violations.close_payload_too_short()
    if reader.violation == LENGTH_NOT_MINIMAL:
        return violations.length_not_minimal(reader.length)
    if reader.violation == LENGTH_TOP_BIT:
        return violations.length_top_bit(reader.length)
    if reader.violation == FRAME_TOO_BIG:
        return violations.frame_too_big(reader.length, reader.max_frame_size)
    return FIRST_BYTE_VIOLATIONS[reader.violation](reader.first)


cdef dict FIRST_BYTE_VIOLATIONS = {
    RESERVED_BITS: violations.reserved_bits,
    RESERVED_OPCODE: violations.reserved_opcode,
    FRAGMENTED_CONTROL_FRAME: violations.fragmented_control_frame,
    UNEXPECTED_CONTINUATION: violations.unexpected_continuation,
    EXPECTED_CONTINUATION: violations.expected_continuation,
    CONTROL_FRAME_TOO_LONG: violations.control_frame_too_long,
}
