# What messages_c takes from codec_c: headers in and out, and the growth of a payload.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

# RFC 6455 section 5.2, as in rfc6455.py.
cdef enum:
    FIN = 0x80
    RSV1 = 0x40
    RSV_BITS = 0x70
    CONTROL_BIT = 0x08
    OPCODE_BITS = 0x0F
    MASK = 0x80
    LENGTH_BITS = 0x7F
    LENGTH_16 = 126
    LENGTH_64 = 127
    MAX_CONTROL_PAYLOAD = 125
    MAX_HEADER_SIZE = 14
    KEY_SIZE = 4

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9

# What is wrong with a header: the functions of violations.py, by number.
cdef enum Violation:
    NONE
    RESERVED_BITS
    RESERVED_OPCODE
    FRAGMENTED_CONTROL_FRAME
    UNEXPECTED_CONTINUATION
    EXPECTED_CONTINUATION
    UNMASKED_FRAME
    MASKED_FRAME
    CONTROL_FRAME_TOO_LONG
    CLOSE_PAYLOAD_TOO_SHORT
    LENGTH_NOT_MINIMAL
    LENGTH_TOP_BIT
    FRAME_TOO_BIG

# How far one direction of a connection has been read.
cdef struct FrameReader:
    # What a header must and may say:
    bint masked
    int allowed_rsv
    uint64_t max_frame_size
    uint8_t head[MAX_HEADER_SIZE]  # what has come of a header that is not complete
    size_t head_size
    # The frame whose payload is coming:
    uint8_t first
    uint32_t key  # rotated for the next byte; 0, which changes nothing, where frames are unmasked
    uint64_t length  # as the header declares it
    int64_t remaining  # bytes of payload to come; -1 between frames
    Violation violation

# No header and no payload in progress.
cdef void reset_reader(FrameReader* reader) noexcept

cdef Py_ssize_t limit(object value, str name) except -1

# The error for reader.violation.
cdef object violation_of(FrameReader* reader)

# The members of Opcode by value; None for those that are reserved.
cdef tuple OPCODES


cdef inline bint is_known(uint8_t first) noexcept:
    """Whether the opcode is not reserved, and a control frame not fragmented."""
    return first & OPCODE_BITS & ~CONTROL_BIT <= 2 and (not first & CONTROL_BIT or first & FIN)


cdef inline bint is_fragment(uint8_t first) noexcept:
    return not first & CONTROL_BIT and (first & OPCODE_BITS == CONTINUATION or not first & FIN)


cdef inline Violation check_first_byte(uint8_t first, int allowed_rsv, bint in_message) noexcept:
    cdef uint8_t opcode = first & OPCODE_BITS
    # An extension may set a bit on the first frame of a message; RFC 7692 section 6.1 for RSV1.
    if first & RSV_BITS and (
        first & RSV_BITS & ~allowed_rsv or opcode & CONTROL_BIT or opcode == CONTINUATION
    ):
        return RESERVED_BITS
    if opcode & ~CONTROL_BIT > 2:
        return RESERVED_OPCODE
    if opcode & CONTROL_BIT:
        return NONE if first & FIN else FRAGMENTED_CONTROL_FRAME
    if opcode == CONTINUATION:
        return NONE if in_message else UNEXPECTED_CONTINUATION
    return EXPECTED_CONTINUATION if in_message else NONE


cdef inline size_t parse_length_and_key(
    FrameReader* reader, const uint8_t* head, size_t n
) noexcept:
    """Read a header whose first byte is in reader.first, from its second byte on; n is 2 or more.
    Returns as parse_header does."""
    cdef uint8_t second = head[1]
    cdef size_t size = 2, i
    cdef uint64_t length
    if reader.masked != (second >> 7):
        reader.violation = UNMASKED_FRAME if reader.masked else MASKED_FRAME
        return 0
    length = second & LENGTH_BITS
    if reader.first & CONTROL_BIT:
        if length > MAX_CONTROL_PAYLOAD:
            reader.violation = CONTROL_FRAME_TOO_LONG
            return 0
        if length == 1 and reader.first & OPCODE_BITS == CLOSE:
            reader.violation = CLOSE_PAYLOAD_TOO_SHORT
            return 0
    if length >= LENGTH_16:
        size = 4 if length == LENGTH_16 else 10
        if n < size:
            return 0
        length = 0
        for i in range(2, size):
            length = length << 8 | head[i]
        reader.length = length
        if length < (LENGTH_16 if size == 4 else 1 << 16):
            reader.violation = LENGTH_NOT_MINIMAL
            return 0
        if length >> 63:
            reader.violation = LENGTH_TOP_BIT
            return 0
    reader.length = length
    if length > reader.max_frame_size:
        reader.violation = FRAME_TOO_BIG
        return 0
    if reader.masked:
        if n < size + KEY_SIZE:
            return 0
        memcpy(&reader.key, head + size, KEY_SIZE)
        size += KEY_SIZE
    return size


cdef inline size_t parse_header(
    FrameReader* reader, const uint8_t* head, size_t n, bint in_message
) noexcept:
    """Read the header at the start of head into reader. Returns its size; 0 if bytes are lacking or
    reader.violation is set. Whatever is wrong is found with the field that shows it."""
    cdef size_t size
    if n == 0:
        return 0
    reader.first = head[0]
    reader.violation = check_first_byte(reader.first, reader.allowed_rsv, in_message)
    if reader.violation != NONE or n == 1:
        return 0
    size = parse_length_and_key(reader, head, n)
    if size:
        reader.remaining = <int64_t>reader.length
    return size


cdef inline const uint8_t* read_header(
    FrameReader* reader, const uint8_t* p, const uint8_t* end, bint in_message
) noexcept:
    """Read a header, or what there is of it, from [p, end). Returns where it ends. It is complete
    when reader.remaining is not negative, unless reader.violation is set."""
    cdef size_t size, before = reader.head_size, more
    if before == 0:
        size = parse_header(reader, p, end - p, in_message)
        if size or reader.violation != NONE:
            return p + size
    more = min(<size_t>(end - p), <size_t>MAX_HEADER_SIZE - before)
    memcpy(reader.head + before, p, more)
    size = parse_header(reader, reader.head, before + more, in_message)
    if size:
        reader.head_size = 0
        return p + (size - before)
    reader.head_size = before + more
    return end


cdef inline size_t header_size(size_t length, bint masked) noexcept:
    return (2 if length < LENGTH_16 else 4 if length < 1 << 16 else 10) + (KEY_SIZE if masked else 0)


cdef inline uint8_t* write_header(
    uint8_t* dst, uint8_t first, size_t length, bint masked, uint32_t key
) noexcept:
    """Write a header, the length in the fewest bytes. Returns where the payload begins."""
    cdef uint8_t mask_bit = MASK if masked else 0
    cdef int i
    dst[0] = first
    if length < LENGTH_16:
        dst[1] = mask_bit | <uint8_t>length
        dst += 2
    elif length < 1 << 16:
        dst[1] = mask_bit | LENGTH_16
        dst[2] = <uint8_t>(length >> 8)
        dst[3] = <uint8_t>length
        dst += 4
    else:
        dst[1] = mask_bit | LENGTH_64
        for i in range(8):
            dst[2 + i] = <uint8_t>(<uint64_t>length >> (56 - 8 * i))
        dst += 10
    if masked:
        memcpy(dst, &key, KEY_SIZE)
        dst += KEY_SIZE
    return dst


cdef inline Py_ssize_t room_to_gather(uint64_t needed, uint64_t to_come, bint last) noexcept:
    """Choose the room of a buffer that needs `needed` bytes now and is declared to need `to_come`
    more in this frame, which is the last of its message or not.

    Memory follows what has arrived, not what is declared: at most four times as much. And until
    the end is known it grows by half of itself or more, so that all the copying stays linear.
    """
    cdef uint64_t more = min(to_come, 3 * needed)
    if not last:
        more = max(more, needed // 2)
    return <Py_ssize_t>min(needed + more, <uint64_t>PY_SSIZE_T_MAX)
