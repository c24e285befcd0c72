"""Messages in C: the twin of ``messages_py``.

Wire to messages and messages to wire. Knows frames and every rule of RFC 6455 section 5, fragments
and UTF-8 included; no idea what a connection is.

The hot path makes one object a message. The payload is unmasked straight into the memory of the
result; text is watched for bytes that are not ASCII meanwhile, and only where there are some is it
validated and transcoded.
"""

cimport cython
from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cpython.list cimport PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from .._simd cimport kernels, utf8_first_error, utf8_unfinished, wsf_rotate_key, wsf_text
from ..kernels.mask_c cimport acquire
from ..kernels.utf8_c cimport decode, decode_scanned, utf8_size, write_utf8
from .codec_c cimport (
    BINARY,
    CLOSE,
    CONTROL_BIT,
    FIN,
    FrameReader,
    MAX_CONTROL_PAYLOAD,
    MAX_HEADER_SIZE,
    NONE,
    OPCODE_BITS,
    OPCODES,
    PING,
    RSV1,
    TEXT,
    header_size,
    limit,
    read_header,
    reset_reader,
    room_to_gather,
    violation_of,
    write_header,
)
from .keys_c cimport next_key
from .memory_c cimport memory_of_message

from collections.abc import Iterable
from typing import NoReturn

from ..exceptions import ProtocolError
from ..kernels.buffers import Buffer, bytes_of, not_copied
from ..rfc6455 import Role
from . import violations
from .arguments import INTERRUPTED, expects_mask, fragment_size_of
from .received import Close, CompressedMessage, Ping, Pong, Received

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    void Py_XDECREF(PyObject* o)
    PyObject* PyList_GET_ITEM(list items, Py_ssize_t index)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    PyObject* new_text "PyUnicode_New"(Py_ssize_t size, Py_UCS4 maxchar) except NULL
    int PyUnicode_Resize(PyObject** text, Py_ssize_t size) except -1
    void* PyUnicode_DATA(object text)
    bint PyUnicode_IS_ASCII(object text)
    PyObject* new_bytes "PyBytes_FromStringAndSize"(char* data, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject** bytes, Py_ssize_t size) except -1

cdef object CLIENT = Role.CLIENT
cdef object SERVER = Role.SERVER

__all__ = ["MessageDecoder", "MessageEncoder", "encode_message"]

# Where text is not ASCII, up to this size it is unmasked on the stack instead of in the memory of
# an ASCII str that would have been made for nothing (100 bytes: 45 ns a message against 60).
cdef enum:
    SCRATCH_SIZE = 4096

# The most memory that a byte of the wire can cost, for reads that are too short to reach a budget:
# a ping or a compressed message of one byte takes 3 bytes (7 when masked), and costs 104.
cdef enum:
    MEMORY_A_BYTE = 35
    MEMORY_A_MASKED_BYTE = 15


cdef class MessageDecoder:
    """Decode the messages of one direction of a connection, from pieces of any size.

    One call a read. Headers, masks, fragments, UTF-8 and every rule of RFC 6455 section 5 are dealt
    with inside. The cost of a message is linear in its length, however the wire is cut, and memory
    follows the bytes that have arrived, never a length that a header declares. A decoder belongs to
    one connection and one thread at a time.

    Args:
        role: which end of the connection we are. A server wants masked frames, a client unmasked.
        max_size: most bytes in a message, on the wire; None for no limit.
        max_frame_size: most bytes in the payload of a data frame; None for no limit.
        max_fragments: most frames in a message; None for no limit.
        compression: whether permessage-deflate was negotiated, so that RSV1 may mark messages as
            compressed (RFC 7692 section 6.2). They come as ``CompressedMessage``.
        decode: whether text comes as ``str``; else as ``bytes`` that are valid UTF-8.

    Raises:
        TypeError: ``role`` is not a Role, or a limit not an int.
        ValueError: a limit is negative.

    >>> decoder = MessageDecoder(Role.CLIENT)
    >>> decoder.feed(bytes.fromhex("81 05 48 65 6c 6c 6f  89 00  82 01"))
    ['Hello', Ping(payload=b'')]
    >>> decoder.feed(bytes.fromhex("ff"))
    [b'\\xff']
    """

    cdef FrameReader reader
    cdef uint64_t max_size
    cdef uint64_t max_frame_size
    cdef uint64_t max_fragments
    cdef object failure
    cdef bint closed
    cdef bint decode_text  # else text comes as bytes
    # Text is read twice, to measure it and to decode it: what another thread or process may write to
    # meanwhile has to be copied first. bytes need not.
    cdef bint reads_bytes
    cdef bint expects_ascii  # as the last text was: where the next is unmasked to
    # The payload so far of a control frame.
    cdef uint8_t control[MAX_CONTROL_PAYLOAD]
    cdef size_t control_size
    # The message whose frames are coming. While it grows it is an object that nobody else has
    # seen: for text a str that claims to be ASCII, so that nothing is left to do when it is; bytes
    # for all else.
    cdef uint8_t opening  # first byte of its first header
    cdef uint64_t fragments  # its frames so far; 0 between messages
    cdef uint64_t taken  # bytes of it that take_partial() has handed out
    cdef PyObject* message
    cdef Py_ssize_t room
    cdef Py_ssize_t have
    # Of the text so far: how much is whole and valid characters, how many, and how wide.
    cdef Py_ssize_t valid
    cdef wsf_text text

    def __cinit__(self):
        reset_reader(&self.reader)

    def __init__(
        self,
        role: Role,
        *,
        max_size: int | None = 1 << 20,
        max_frame_size: int | None = None,
        max_fragments: int | None = 1 << 17,
        compression: bool = False,
        decode: bool = True,
    ) -> None:
        cdef bint masked = expects_mask(role)
        cdef Py_ssize_t size = limit(max_size, "max_size")
        cdef Py_ssize_t frame_size = limit(max_frame_size, "max_frame_size")
        cdef Py_ssize_t fragments = limit(max_fragments, "max_fragments")
        cdef int allowed_rsv = RSV1 if compression else 0
        cdef bint decode_text = decode
        # Nothing can fail from here on, so that a second call leaves no half of the first.
        reset_reader(&self.reader)
        self.reader.masked = masked
        self.reader.allowed_rsv = allowed_rsv
        self.max_size = size
        self.max_frame_size = frame_size
        self.max_fragments = fragments
        self.failure = None
        self.closed = False
        self.decode_text = decode_text
        self.expects_ascii = True
        self.control_size = 0
        self.drop_message()

    def __dealloc__(self):
        self.drop_message()

    cdef void drop_message(self) noexcept:
        Py_XDECREF(self.message)
        self.message = NULL
        self.fragments = self.taken = 0
        self.room = self.have = self.valid = 0
        self.text.chars = self.text.width = 0

    def __reduce__(self) -> NoReturn:
        raise not_copied(self)

    def feed(self, data: Buffer) -> list[Received]:
        """Take the next bytes from the wire.

        Args:
            data: bytes-like and contiguous, of any length. It is not kept.

        Returns:
            What is complete with it, in order: ``str`` for a text message, ``bytes`` for a binary
            one, ``Ping``, ``Pong`` and ``Close`` for control frames, ``CompressedMessage``.
            After a ``Close`` everything is discarded (section 1.4).

        Raises:
            ProtocolError: the peer broke a rule. ``completed`` holds what came before that. The
                decoder stays failed: whatever else it is fed, it raises the same error.
            InvalidUtf8: text is not UTF-8; raised with the first bad byte.
            MessageTooBig: a limit is passed; raised with the header that says so.
            RuntimeError: an earlier call was interrupted or has not returned; make another decoder.
            TypeError: ``data`` is not bytes-like.
            ValueError: ``data`` is not contiguous.
        """
        cdef Py_buffer view
        cdef list received = []
        if PyBytes_CheckExact(data):
            self.decode_or_fail(
                <uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), received, True,
                PY_SSIZE_T_MAX,
            )
            return received
        acquire(data, &view, "data")
        try:
            self.decode_or_fail(<uint8_t*>view.buf, view.len, received, False, PY_SSIZE_T_MAX)
        finally:
            PyBuffer_Release(&view)
        return received

    def feed_within(self, data: Buffer, budget: int | None) -> tuple[list[Received], int]:
        """Take the next bytes from the wire, as ``feed`` does, but stop at a budget of memory.

        For whoever lets messages wait and has to bound what they cost: a byte of the wire may cost
        35 of memory. It stops between two messages, as soon as those that it has made cost
        ``budget`` or more. A message that is complete is made in any case.

        Args:
            data: bytes-like and contiguous, of any length. It is not kept.
            budget: bytes of memory, as ``memory_of`` counts them; None for no limit.

        Returns:
            What ``feed`` returns, as far as it went; and how many bytes of ``data`` it has used:
            all, unless it stopped. The others have to be fed next.

        Raises:
            TypeError: ``budget`` is not an int, or what ``feed`` raises.
            ValueError: ``budget`` is negative, or what ``feed`` raises.
            ProtocolError, RuntimeError: as ``feed`` raises them.

        >>> decoder = MessageDecoder(Role.CLIENT)
        >>> decoder.feed_within(bytes.fromhex("81 01 41  81 01 42"), 50)
        (['A'], 3)
        """
        cdef Py_buffer view
        cdef list received = []
        cdef Py_ssize_t used, most = limit(budget, "budget")
        acquire(data, &view, "data")
        try:
            used = self.decode_or_fail(
                <uint8_t*>view.buf, view.len, received, PyBytes_CheckExact(data), most
            )
        finally:
            PyBuffer_Release(&view)
        self.failure = INTERRUPTED  # unless there is memory for the result
        result = received, used
        self.failure = None
        return result

    def take_partial(self) -> str | bytes | None:
        """Take what has come so far of the message in progress, and go on with the rest.

        What ``feed`` returns in the end is then only the rest of the message. All limits still hold
        for the whole message.

        Returns:
            Text up to its last whole character, or bytes; None where there is nothing to take, or
            the message is compressed.

        >>> decoder = MessageDecoder(Role.CLIENT)
        >>> decoder.feed(bytes.fromhex("81 05 48 65 6c"))
        []
        >>> decoder.take_partial()
        'Hel'
        >>> decoder.feed(bytes.fromhex("6c 6f"))
        ['lo']
        """
        cdef Py_ssize_t size = self.valid if self.is_text() else self.have
        cdef Py_ssize_t unfinished = self.have - size
        cdef uint8_t rest[4]
        cdef uint64_t taken = self.taken + <uint64_t>size, fragments = self.fragments
        cdef object piece
        if (
            self.fragments == 0 or self.opening & RSV1 or size == 0
            or self.failure is not None
        ):
            return None
        self.failure = INTERRUPTED  # unless nothing below runs out of memory
        memcpy(rest, self.gathered() + size, unfinished)
        if self.is_str() and self.text.width:
            piece = decode_scanned(self.gathered(), size, self.text.chars, self.text.width)
        else:
            self.resize(size)
            piece = <object>self.message
        self.drop_message()
        self.fragments, self.taken = fragments, taken
        if unfinished:
            self.resize(unfinished)
            memcpy(self.gathered(), rest, unfinished)
            self.have = unfinished
        self.failure = None
        return piece

    @property
    def unfinished(self) -> bool:
        """Whether a message is in progress: its first frame has begun, its last has not ended."""
        return self.fragments > 0

    cdef Py_ssize_t decode_or_fail(
        self, const uint8_t* p, Py_ssize_t n, list received, bint reads_bytes, Py_ssize_t budget
    ) except -1:
        cdef Py_ssize_t used
        if self.failure is not None:
            raise self.failure[0](*self.failure[1])
        self.failure = INTERRUPTED
        self.reads_bytes = reads_bytes
        try:
            used = self.decode(p, n, received, budget)
        except ProtocolError as exc:
            # For want of memory for its traceback, Cython makes it a MemoryError even here.
            if isinstance(exc, ProtocolError):
                exc.completed = received
                self.failure = type(exc), exc.args
                self.drop_message()
            raise
        self.failure = None
        return used

    @cython.final
    cdef Py_ssize_t decode(
        self, const uint8_t* p, Py_ssize_t n, list received, Py_ssize_t budget
    ) except -1:
        """Decode until nothing is left, or the messages cost `budget`. Returns how many of the n
        bytes were used."""
        cdef const uint8_t* start = p
        cdef const uint8_t* end = p + n
        cdef FrameReader* reader = &self.reader
        cdef Py_ssize_t size, counted = 0, cost = 0
        cdef bint counts = self.may_cost(n, budget)
        while p < end and not self.closed:
            if counts and PyList_GET_SIZE(received) > counted:
                cost += memory_of_message(<object>PyList_GET_ITEM(received, counted))
                counted += 1
                if cost >= budget:
                    return p - start
            if reader.remaining < 0:
                p = read_header(reader, p, end, self.fragments > 0)
                if reader.violation != NONE:
                    raise violation_of(reader)
                if reader.remaining < 0:
                    return n
                if not reader.first & CONTROL_BIT:
                    self.begin_frame()
                    if (
                        reader.length <= <uint64_t>(end - p)
                        and reader.first & FIN
                        and self.fragments == 1
                    ):
                        received.append(self.whole_message(p))
                        p += reader.length
                        continue
            size = min(<uint64_t>(end - p), <uint64_t>reader.remaining)
            if reader.first & CONTROL_BIT:
                kernels.mask(self.control + self.control_size, p, size, reader.key)
                self.control_size += size
            elif size:
                self.gather(p, size)
            p += size
            reader.remaining -= size
            if reader.remaining:
                reader.key = wsf_rotate_key(reader.key, size)
            else:
                reader.remaining = -1
                if reader.first & CONTROL_BIT:
                    received.append(self.complete_control_frame())
                elif reader.first & FIN:
                    received.append(self.complete_message())
        return n

    @cython.final
    cdef inline bint may_cost(self, Py_ssize_t n, Py_ssize_t budget) noexcept:
        """Whether messages out of the next n bytes could cost the budget at all. With them counts
        what has come of a message and of a control frame, which may have a header each."""
        cdef Py_ssize_t come = self.have + <Py_ssize_t>self.control_size + 2 * MAX_HEADER_SIZE
        return n + come >= budget // (MEMORY_A_MASKED_BYTE if self.reader.masked else MEMORY_A_BYTE)

    @cython.final
    cdef inline int begin_frame(self) except -1:
        """Begin a data frame: count it, and hold its declared length against the limits."""
        cdef FrameReader* reader = &self.reader
        cdef uint64_t size = self.taken + <uint64_t>self.have + reader.length
        if reader.first & OPCODE_BITS:
            self.opening = reader.first
        self.fragments += 1
        if (
            self.fragments > self.max_fragments
            or reader.length > self.max_frame_size
            or size > self.max_size
        ):
            raise self.passed_limit(size)
        return 0

    cdef object passed_limit(self, uint64_t size):
        if self.fragments > self.max_fragments:
            return violations.too_many_fragments(self.max_fragments)
        if self.reader.length > self.max_frame_size:
            return violations.frame_too_big(self.reader.length, self.max_frame_size)
        return violations.message_too_big(size, self.max_size)

    @cython.final
    cdef inline object whole_message(self, const uint8_t* src):
        """Make a message of one frame whose payload has arrived as a whole."""
        cdef Py_ssize_t size = self.reader.remaining
        cdef uint32_t key = self.reader.key
        cdef bytes payload
        self.reader.remaining = -1
        self.fragments = 0
        if self.is_str():
            if not self.expects_ascii:
                return self.wide_text(src, size, key)
            text = PyUnicode_New(size, 0x7F)
            if kernels.mask_ascii(<uint8_t*>PyUnicode_DATA(text), src, size, key):
                return text
            self.expects_ascii = False
            return self.text_of(<uint8_t*>PyUnicode_DATA(text), size)
        payload = PyBytes_FromStringAndSize(NULL, size)
        kernels.mask(<uint8_t*>PyBytes_AS_STRING(payload), src, size, key)
        if self.opening & RSV1:
            return CompressedMessage(OPCODES[self.opening & OPCODE_BITS], payload)
        if self.is_text() and not kernels.utf8_valid(
            <uint8_t*>PyBytes_AS_STRING(payload), size
        ):
            raise self.not_utf8(<uint8_t*>PyBytes_AS_STRING(payload), size)
        return payload

    @cython.final
    cdef object wide_text(self, const uint8_t* src, Py_ssize_t size, uint32_t key):
        """Make a whole text that is not expected to be ASCII."""
        cdef uint8_t scratch[SCRATCH_SIZE]
        if self.reads_bytes and not self.reader.masked:
            text = self.text_of(src, size)
        elif size <= SCRATCH_SIZE:
            kernels.mask(scratch, src, size, key)
            text = self.text_of(scratch, size)
        else:
            unmasked = PyUnicode_New(size, 0x7F)
            kernels.mask(<uint8_t*>PyUnicode_DATA(unmasked), src, size, key)
            text = self.text_of(<uint8_t*>PyUnicode_DATA(unmasked), size)
        self.expects_ascii = PyUnicode_IS_ASCII(text)
        return text

    @cython.final
    cdef object text_of(self, const uint8_t* src, Py_ssize_t size):
        text = decode(src, size)
        if text is None:
            raise self.not_utf8(src, size)
        return text

    cdef object not_utf8(self, const uint8_t* src, Py_ssize_t size):
        return violations.invalid_utf8(utf8_first_error(src, size), size)

    @cython.final
    cdef inline bint is_text(self) noexcept:
        return self.opening & (RSV1 | OPCODE_BITS) == TEXT

    @cython.final
    cdef inline bint is_str(self) noexcept:
        return self.is_text() and self.decode_text

    @cython.final
    cdef int gather(self, const uint8_t* piece, Py_ssize_t size) except -1:
        """Unmask the next piece of a message into its place."""
        cdef Py_ssize_t needed = self.have + size, room
        cdef bint ascii
        if needed > self.room:
            room = room_to_gather(
                needed, self.reader.remaining - size, self.reader.first & FIN != 0
            )
            self.resize(room)
        ascii = kernels.mask_ascii(self.gathered() + self.have, piece, size, self.reader.key)
        self.have = needed
        if self.is_text():
            if ascii and self.valid + size == needed:
                self.valid = needed
                self.text.chars += size
            else:
                self.validate()
        return 0

    cdef int resize(self, Py_ssize_t room) except -1:
        """Give the growing message room for so many bytes."""
        if self.is_str():
            if self.message is NULL:
                self.message = new_text(room, 0x7F)
            else:
                PyUnicode_Resize(&self.message, room)
        elif self.message is NULL:
            self.message = new_bytes(NULL, room)
        else:
            _PyBytes_Resize(&self.message, room)
        self.room = room
        return 0

    @cython.final
    cdef inline uint8_t* gathered(self) noexcept:
        if self.is_str():
            return <uint8_t*>PyUnicode_DATA(<object>self.message)
        return <uint8_t*>PyBytes_AS_STRING(<object>self.message)

    @cython.final
    cdef int validate(self) except -1:
        """Validate the text behind self.valid, up to the character that is not complete yet. That
        one fails too when no byte to come could complete it."""
        cdef const uint8_t* src = self.gathered() + self.valid
        cdef size_t size = self.have - self.valid
        cdef size_t unfinished = utf8_unfinished(src, size)
        cdef size_t whole = size - unfinished
        cdef wsf_text text
        if not kernels.utf8_scan(src, whole, &text) or (
            unfinished and utf8_first_error(src + whole, unfinished) != unfinished
        ):
            raise violations.invalid_utf8(self.taken + self.valid + utf8_first_error(src, size))
        self.valid += whole
        self.text.chars += text.chars
        self.text.width = max(self.text.width, text.width)
        return 0

    cdef object complete_message(self):
        """End a message that came in pieces."""
        cdef uint64_t size = self.taken + <uint64_t>self.have
        cdef object message
        if self.message is NULL:
            self.resize(0)
        if self.is_text() and self.valid < self.have:
            raise violations.invalid_utf8(size, size)
        if self.is_str() and self.text.width:
            message = decode_scanned(
                self.gathered(), self.have, self.text.chars, self.text.width
            )
        else:
            if self.room != self.have:
                self.resize(self.have)
            message = <object>self.message
        self.drop_message()
        if self.opening & RSV1:
            return CompressedMessage(OPCODES[self.opening & OPCODE_BITS], message)
        return message

    cdef object complete_control_frame(self):
        cdef uint8_t opcode = self.reader.first & OPCODE_BITS
        cdef bytes payload = PyBytes_FromStringAndSize(<char*>self.control, self.control_size)
        self.control_size = 0
        if opcode == PING:
            return Ping(payload)
        if opcode == CLOSE:
            close = Close.from_payload(payload)
            self.closed = True
            self.drop_message()
            return close
        return Pong(payload)


cdef list feed_memory(object decoder, const uint8_t* p, Py_ssize_t n):
    cdef list received = []
    (<MessageDecoder?>decoder).decode_or_fail(p, n, received, True, PY_SSIZE_T_MAX)
    return received


cdef list feed_memory_within(
    object decoder, const uint8_t* p, Py_ssize_t n, Py_ssize_t budget, Py_ssize_t* consumed
):
    cdef list received = []
    consumed[0] = (<MessageDecoder?>decoder).decode_or_fail(p, n, received, True, budget)
    return received


cdef class MessageEncoder:
    """Encode messages for one direction of a connection.

    Args:
        role: which end of the connection we are. A client masks every frame with a key of its own
            (RFC 6455 section 5.3), a server does not.
        fragment_size: most bytes in the payload of a frame, 1 or more; a longer message is sent in
            fragments. None sends every message in one frame.

    Raises:
        TypeError: ``role`` is not a Role, or ``fragment_size`` not an int.
        ValueError: ``fragment_size`` is not 1 or more.

    >>> MessageEncoder(Role.SERVER, fragment_size=3).encode("Hello").hex(" ")
    '01 03 48 65 6c 80 02 6c 6f'
    """

    cdef bint masks
    cdef Py_ssize_t fragment_size

    def __cinit__(self):
        self.fragment_size = PY_SSIZE_T_MAX

    def __init__(self, role: Role, *, fragment_size: int | None = None) -> None:
        cdef bint masked = masks(role)
        cdef Py_ssize_t most = fragment_size_of(fragment_size)
        # Nothing can fail from here on, so that a second call leaves no half of the first.
        self.masks, self.fragment_size = masked, most

    def __reduce__(self) -> NoReturn:
        raise not_copied(self)

    def encode(self, message: str | Buffer) -> bytes:
        """Encode one message.

        Args:
            message: text, or anything bytes-like and contiguous for a binary message.

        Returns:
            Its frames, as they go onto the wire.

        Raises:
            UnicodeEncodeError: text with a surrogate in it.
            TypeError: neither text nor bytes-like.
            ValueError: bytes that are not contiguous.
        """
        return encode(message, self.masks, self.fragment_size)

    def encode_all(self, messages: Iterable[str | Buffer]) -> bytes:
        """Encode many messages into one piece, to be written at once.

        Args:
            messages: each as ``encode`` takes it.

        Returns:
            The frames of all of them, in order.

        Raises:
            UnicodeEncodeError: text with a surrogate in it; nothing is encoded then.
            TypeError: a message that is neither text nor bytes-like.
            ValueError: bytes that are not contiguous.
        """
        cdef list payloads = []
        cdef Py_ssize_t count, total = 0, size, i
        # Copies, because a fresh block of keys is drawn by Python, which may run anything.
        cdef bint masks = self.masks
        cdef Py_ssize_t fragment_size = self.fragment_size
        cdef Py_ssize_t* sizes
        cdef bytes wire
        cdef uint8_t* dst
        # No comprehension: when a list cannot grow, Cython releases the item twice.
        for message in messages:
            payloads.append(
                message if isinstance(message, (str, bytes)) else bytes_of(message, "message")
            )
        count = len(payloads)
        sizes = <Py_ssize_t*>PyMem_Malloc((count + 1) * sizeof(Py_ssize_t))
        if sizes is NULL:
            raise MemoryError
        try:
            for i in range(count):
                sizes[i] = payload_size(payloads[i])
                size = wire_size(sizes[i], masks, fragment_size)
                if size > PY_SSIZE_T_MAX - total:
                    raise MemoryError
                total += size
            wire = PyBytes_FromStringAndSize(NULL, total)
            dst = <uint8_t*>PyBytes_AS_STRING(wire)
            for i in range(count):
                dst = write_message(dst, payloads[i], sizes[i], masks, fragment_size)
        finally:
            PyMem_Free(sizes)
        return wire


def encode_message(
    message: str | Buffer, role: Role, *, fragment_size: int | None = None
) -> bytes:
    """Encode one message, as ``MessageEncoder(role, fragment_size=...).encode(message)`` does.

    See ``MessageEncoder`` for the arguments and the errors.

    >>> encode_message("Hello", Role.SERVER).hex(" ")
    '81 05 48 65 6c 6c 6f'
    """
    cdef bint masked = masks(role)
    cdef Py_ssize_t most = PY_SSIZE_T_MAX
    if fragment_size is not None:
        most = fragment_size_of(fragment_size)
    return encode(message, masked, most)


cdef bint masks(object role) except -1:
    # The comparisons save a call of Python on every message.
    return role is CLIENT or (role is not SERVER and not expects_mask(role))


cdef bytes encode(object message, bint masks, Py_ssize_t fragment_size):
    cdef Py_buffer view
    cdef bytes wire
    cdef Py_ssize_t size
    if isinstance(message, (str, bytes)):
        size = payload_size(message)
        wire = PyBytes_FromStringAndSize(NULL, wire_size(size, masks, fragment_size))
        write_message(<uint8_t*>PyBytes_AS_STRING(wire), message, size, masks, fragment_size)
        return wire
    acquire(message, &view, "message")
    try:
        wire = PyBytes_FromStringAndSize(NULL, wire_size(view.len, masks, fragment_size))
        write_frames(
            <uint8_t*>PyBytes_AS_STRING(wire), BINARY, <uint8_t*>view.buf, view.len, masks,
            fragment_size,
        )
    finally:
        PyBuffer_Release(&view)
    return wire


cdef Py_ssize_t payload_size(object message) except -1:
    return utf8_size(message) if isinstance(message, str) else PyBytes_GET_SIZE(message)


@cython.cdivision(True)  # fragment_size is 1 or more from __cinit__ on
cdef Py_ssize_t wire_size(Py_ssize_t size, bint masks, Py_ssize_t fragment_size) except -1:
    """Bytes that the frames of a message take whose payload takes `size`."""
    cdef Py_ssize_t full = (size - 1) // fragment_size if size else 0
    cdef Py_ssize_t each = header_size(fragment_size, masks)
    cdef Py_ssize_t last = header_size(size - full * fragment_size, masks)
    if full > (PY_SSIZE_T_MAX - size - last) // each:
        raise MemoryError
    return size + full * each + last


cdef uint8_t* write_message(
    uint8_t* dst, object message, Py_ssize_t size, bint masks, Py_ssize_t fragment_size
) except NULL:
    """Write the frames of a str or bytes message. Returns where they end."""
    cdef uint32_t key = 0
    cdef bytes encoded
    if not isinstance(message, str):
        return write_frames(
            dst, BINARY, <uint8_t*>PyBytes_AS_STRING(message), size, masks, fragment_size
        )
    if PyUnicode_IS_ASCII(message):
        return write_frames(
            dst, TEXT, <uint8_t*>PyUnicode_DATA(message), size, masks, fragment_size
        )
    if size > fragment_size:
        encoded = PyBytes_FromStringAndSize(NULL, size)
        write_utf8(<uint8_t*>PyBytes_AS_STRING(encoded), size, message)
        return write_frames(
            dst, TEXT, <uint8_t*>PyBytes_AS_STRING(encoded), size, masks, fragment_size
        )
    if masks:
        key = next_key()
    dst = write_header(dst, FIN | TEXT, size, masks, key)
    write_utf8(dst, size, message)
    if masks:
        kernels.mask(dst, dst, size, key)
    return dst + size


cdef uint8_t* write_frames(
    uint8_t* dst, uint8_t opcode, const uint8_t* src, Py_ssize_t size, bint masks,
    Py_ssize_t fragment_size,
) except NULL:
    """Write a payload in frames of at most fragment_size. Returns where they end."""
    cdef uint8_t first = opcode
    cdef uint32_t key = 0
    cdef Py_ssize_t fragment
    while True:
        fragment = min(size, fragment_size)
        size -= fragment
        if masks:
            key = next_key()
        dst = write_header(dst, first | (0 if size else FIN), fragment, masks, key)
        kernels.mask(dst, src, fragment, key)
        dst += fragment
        src += fragment
        first = 0
        if size == 0:
            return dst
