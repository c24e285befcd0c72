"""One wire, two decoders, one result.

The Python twins are the specification. Whatever arrives, and wherever it is cut, the compiled twins
must hand out equal objects and fail with equal errors, after the same piece. Each function here
puts its input through both backends, the compiled one with each kernel that this CPU can run,
asserts that, and returns the common result. Where there is a plainer specification than the twin,
the result is held against that, too.
"""

import sys
from itertools import cycle, pairwise
from types import SimpleNamespace

from wsfast import _simd
from wsfast.exceptions import ProtocolError
from wsfast.frames import codec_c, codec_py, memory_c, memory_py, messages_c, messages_py
from wsfast.kernels import mask_c, mask_py, utf8_c, utf8_py
from wsfast.rfc6455 import Role

C = SimpleNamespace(mask=mask_c, utf8=utf8_c, codec=codec_c, memory=memory_c, messages=messages_c)
PYTHON = SimpleNamespace(
    mask=mask_py, utf8=utf8_py, codec=codec_py, memory=memory_py, messages=messages_py
)


def pieces(wire, cuts):
    """Cut the wire at these places, which may be any integers, in any order."""
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    return [wire[start:end] for start, end in pairwise(places)]


def same_decoding(wire, cuts, role, options):
    """Decode messages with both ``MessageDecoder(role, **options)``."""
    return _same_trace(lambda twin: twin.messages.MessageDecoder(role, **options), wire, cuts)


def same_taking(wire, cuts, takes, role, options):
    """Decode with both twins, and take what has come after each read whose number is in ``takes``.

    Put together it is what comes without that, to the same end.
    """

    def taken(twin):
        return _taking(twin.messages.MessageDecoder(role, **options), wire, cuts, takes)

    steps = _same(taken)
    plain = _same(
        lambda twin: _taking(twin.messages.MessageDecoder(role, **options), wire, cuts, ())
    )
    assert _put_together(steps) == _put_together(plain)


def _taking(decoder, wire, cuts, takes):
    """What each piece brought: all that was received, the error, and what was taken after it."""
    steps = []
    for number, piece in enumerate(pieces(wire, cuts)):
        error = None
        try:
            received = decoder.feed(piece)
        except ProtocolError as exc:
            received, error = exc.completed, (type(exc), exc.args)
        part = decoder.take_partial() if number in takes else None
        assert part is None or len(part) > 0
        assert part is None or decoder.unfinished
        steps.append(([_plain(item) for item in received], error, part, decoder.unfinished))
    return steps


def _put_together(steps):
    """Everything that came, with the parts that were taken before the messages they belong to."""
    received, parts = [], []
    for completed, error, part, _ in steps:
        for item in completed:
            item = item[0] if isinstance(item, tuple) else item
            if isinstance(item, (str, bytes)):
                received.append(type(item)().join([*parts, item]))
                parts = []
            else:
                received.append(item)
        if error is not None:
            return received, error
        if part is not None:
            parts.append(part)
    return received, None


def same_within(wire, cuts, budgets, role, options):
    """Decode with both twins up to budgets of memory, in turn, and feed on what was left.

    Each call stops where its budget says, and in all it is what comes without one.
    """

    def decoded(twin):
        decoder = twin.messages.MessageDecoder(role, **options)
        return _within(decoder, wire, cuts, cycle(budgets), twin.memory.memory_of)

    steps = _same(decoded)
    plain = _same(lambda twin: _trace(twin.messages.MessageDecoder(role, **options), wire, cuts))
    assert _in_all(steps) == _in_all(plain)
    return steps


def _within(decoder, wire, cuts, budgets, memory_of):
    """What each call brought, until all was used or it failed."""
    steps = []
    for piece in pieces(wire, cuts):
        while piece:
            budget = next(budgets)
            try:
                received, used = decoder.feed_within(piece, budget)
            except ProtocolError as exc:
                return [*steps, _failure(exc)]
            costs = [memory_of(item) for item in received]
            assert sum(costs[:-1]) < budget or len(costs) <= 1
            assert used == len(piece) or sum(costs) >= budget
            steps.append([_plain(item) for item in received])
            piece = piece[used:]
    return steps


def same_parsing(wire, cuts, role, options):
    """Parse frames with both ``FrameParser(role, **options)``."""
    return _same_trace(lambda twin: twin.codec.FrameParser(role, **options), wire, cuts)


def same_splitting(data, role, max_frame_size):
    """Split frames off with both ``split_frames``."""
    return _same(lambda twin: twin.codec.split_frames(data, role, max_frame_size))


def same_encoding(messages, role, fragment_size=None):
    """Encode messages with both ``MessageEncoder``; both decoders read the same from both wires.

    A server's wires are equal. A client's differ in their masking keys, and in nothing else.
    """

    def encoded(twin):
        return twin.messages.MessageEncoder(role, fragment_size=fragment_size).encode_all(messages)

    compiled, specified = _outcome(encoded, C), _outcome(encoded, PYTHON)
    if role is Role.SERVER or not isinstance(specified, bytes):
        assert compiled == specified
        return specified
    assert len(compiled) == len(specified)
    limits = {"max_size": None, "max_fragments": None}
    decoded = same_decoding(specified, (), Role.SERVER, limits)
    assert same_decoding(compiled, (), Role.SERVER, limits) == decoded
    return decoded


def same_serialising(opcode, payload, fin, rsv, key):
    """Serialise a frame with both ``serialize_frame``."""
    return _same(
        lambda twin: twin.codec.serialize_frame(opcode, payload, fin=fin, rsv=rsv, key=key)
    )


def same_masking(data, key, offset):
    """Mask with both ``apply_mask``, and where the data lie; compare with one byte at a time."""

    def masked(twin):
        buffer = bytearray(data)
        twin.mask.apply_mask_inplace(buffer, key, offset)
        assert twin.mask.apply_mask(data, key, offset) == buffer
        return bytes(buffer)

    expected = bytes(byte ^ key[(offset + i) % 4] for i, byte in enumerate(data))
    assert _same(masked) == expected
    return expected


def same_utf8(data, cuts):
    """Judge and decode the bytes with both backends, whole and in pieces; encode what came out.

    Python's own codec says what is right.
    """

    def checked(twin):
        validator = twin.utf8.Utf8Validator()
        results = [validator.validate(piece) for piece in pieces(data, cuts)]
        # What is not UTF-8 becomes surrogates here, which UTF-8 cannot carry.
        text = data.decode(errors="surrogateescape")
        return (
            twin.utf8.is_valid_utf8(data),
            _outcome(twin.utf8.decode_utf8, data),
            _outcome(twin.utf8.encode_utf8, text),
            results,
        )

    valid, decoded, encoded, results = _same(checked)
    assert valid == _is_utf8(data)
    assert decoded == _outcome(bytes.decode, data)
    assert encoded == _outcome(str.encode, data.decode(errors="surrogateescape"))
    assert results == _validation(pieces(data, cuts))
    return valid, decoded, results


def _validation(pieces):
    """What a validator has to return for each piece."""
    data = b"".join(pieces)
    good = _first_error(data)
    results = []
    end = 0
    for piece in pieces:
        start, end = end, end + len(piece)
        index = min(good, end)
        valid = index == end
        results.append((valid, valid and _is_utf8(data[:end]), max(index - start, 0), index))
    return results


def _first_error(data):
    """The first byte that no text could have there: whatever follows, it is not UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError as exc:
        for end in range(exc.start + 1, len(data) + 1):
            if not any(_is_utf8(data[exc.start : end] + ending) for ending in ENDINGS):
                return end - 1
    return len(data)


# The start of any character is completed by one of these.
ENDINGS = [bytes.fromhex(ending) for ending in ("80", "80 80", "a0 80", "80 80 80", "90 80 80")]


def _is_utf8(data):
    return not isinstance(_outcome(bytes.decode, data), tuple)


def each_kernel():
    """Use one kernel after the other, and at the end the one that was in use before."""
    before = _simd.kernel_name()
    try:
        for name in _simd.kernel_names():
            _simd.use_kernel(name)
            yield name
    finally:
        _simd.use_kernel(before)


def _same(run):
    specified = _outcome(run, PYTHON)
    for kernel in each_kernel():
        compiled = _outcome(run, C)
        assert compiled == specified, kernel
    return specified


def _same_trace(make, wire, cuts):
    """Trace the parsers that both backends make. A cut changes nothing: in all, the same comes."""
    trace = _same(lambda twin: _trace(make(twin), wire, cuts))
    assert _in_all(_same(lambda twin: _trace(make(twin), wire, ()))) == _in_all(trace)
    return trace


def _in_all(trace):
    """Everything that came, and the error that ended it."""
    received = []
    for step in trace:
        if isinstance(step, tuple):
            *error, completed = step
            return received + completed, error
        received += step
    return received, None


def _trace(parser, wire, cuts):
    """What each piece brought. A failed parser is fed on: it must stay failed."""
    steps = []
    for piece in pieces(wire, cuts):
        try:
            steps.append([_plain(item) for item in parser.feed(piece)])
        except ProtocolError as exc:
            steps.append(_failure(exc))
    return steps


def _failure(exc):
    completed = [_plain(item) for item in exc.completed]
    return type(exc), exc.args, exc.reason, exc.close_code, str(exc), completed


def _plain(item):
    """Each twin has a ``Frame`` class of its own. A str that is wider than need be may equal its
    like, but not in size; of one character, though, Python keeps a str for all, which may hold its
    UTF-8 besides. Everything else compares as it is."""
    if type(item) in (C.codec.Frame, PYTHON.codec.Frame):
        return repr(item), item.opcode, item.payload, item.fin, item.rsv
    if type(item) is str:
        return item, len(item) > 1 and sys.getsizeof(item)
    return item


def _outcome(call, argument):
    """What the call returns, or the error of the caller's that it raises."""
    try:
        return call(argument)
    except (TypeError, ValueError) as exc:
        return type(exc), exc.args
