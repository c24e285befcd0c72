"""wsproto on wsfast: ``patch()`` and ``unpatch()``.

It reaches hypercorn, uvicorn's ``--ws wsproto``, simple-websocket and httpx-ws.

=====================================  ============================================================
seam, in ``wsproto``                   what changes
=====================================  ============================================================
``connection.Connection.events``       frames that have come as a whole are split off many at once,
                                       in C, and become events without a detour; pieces of frames
                                       are copied once
``connection.Connection.send``         a message in one frame is written at once, in C
``frame_protocol.Buffer``              keeps what has been split off
``frame_protocol.XorMaskerSimple``     ``.process``: with an extension, too, it is C that unmasks
``frame_protocol.MessageDecoder``      ``.process_frame``: and that decodes texts
``frame_protocol.FrameProtocol``       ``._serialize_frame``: all other frames are written in C
=====================================  ============================================================

All are methods, or are looked up for every connection, so that it does not matter who has imported
what before.

``events()`` is a generator, and nothing has happened before its consumer has come to it. So what is
split off is no more than a reading of the first bytes of the buffer: they are taken one frame at a
time, as the events are, and whoever takes bytes in another way makes the reading void.

What is rare is left to the library, one event at a time: close frames, control frames in pieces,
connections with an extension, all that is not well-formed, and connections of which a part has been
overridden. What remains of a server's time is not wsproto's: system calls, and the objects and
queues of hypercorn; and in uvicorn the encoding of every text, to count its bytes.

glibc is made to keep the blocks that are read into (``keep_blocks``), which concerns the whole
process and outlasts ``unpatch()``.
"""

from __future__ import annotations

import sys
from codecs import utf_8_decode
from collections import deque
from collections.abc import Generator, Iterator
from encodings.utf_8 import IncrementalDecoder
from itertools import product
from typing import Any

from ..frames import serialize_frame, split_frames
from ..kernels import apply_mask, decode_utf8
from ..rfc6455 import (
    FIN,
    KEY_SIZE,
    LENGTH_16,
    LENGTH_64,
    LENGTH_BITS,
    MASK,
    MAX_CONTROL_PAYLOAD,
    Opcode,
    Role,
)
from ._deflate import zlib_of
from ._memory import keep_blocks
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]

_TEXT = FIN | Opcode.TEXT
_BINARY = FIN | Opcode.BINARY
_PING = FIN | Opcode.PING
_PONG = FIN | Opcode.PONG

# No more of the buffer is split at once, or one frame: tiny frames take many times as much memory
# as objects, and a consumer may stop half way for as long as it likes.
_AT_ONCE = 16_384


_new = object.__new__


def patch() -> bool:
    """Run wsproto on wsfast: what is imported already, and what will be.

    Connections that are open go on receiving as they began.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


def _buffer(original: Any, module: Any) -> type:
    class Buffer(original):  # type: ignore[misc]
        def __init__(self, initial_bytes: Any = None) -> None:
            # The frames that the first bytes are: first byte of the header, and payload, unmasked.
            self.frames: deque[tuple[int, bytes]] = deque()
            super().__init__(initial_bytes)

        def commit(self) -> None:
            self.frames.clear()
            super().commit()

    for name in ("__module__", "__qualname__", "__doc__"):
        setattr(Buffer, name, getattr(original, name))
    return Buffer


class _Receiver:
    """Turns what is in a connection's buffer into events, past the library's own code."""

    def __init__(self, module: Any) -> None:
        below = _frame_protocol(module)
        self._below = below
        self._connection, self._protocol = module.Connection, module.FrameProtocol
        self._decoder, self._assembler = below.FrameDecoder, below.MessageDecoder
        self._state = module.Connection.state
        self._received_frames = module.FrameProtocol.received_frames
        self._process_buffer = below.FrameDecoder.process_buffer
        self._open = module.ConnectionState.OPEN, module.ConnectionState.LOCAL_CLOSING
        self._opcodes = below.Opcode.CONTINUATION, below.Opcode.TEXT, below.Opcode.BINARY
        self._no_rsv = below.RsvBits(False, False, False)
        self._text_message, self._bytes_message = module.TextMessage, module.BytesMessage
        self._ping, self._pong = module.Ping, module.Pong
        self._content_types = _content_types(module)

    def is_plain(self, connection: Any) -> bool:
        """Tell whether there is nothing but the library's own between frames and events."""
        kind, protocol = type(connection), connection._proto
        decoder, assembler = protocol._frame_decoder, protocol._message_decoder
        return (
            (kind is self._connection or kind.state is self._state)
            and type(protocol) is self._protocol
            and type(decoder) is self._decoder
            and type(assembler) is self._assembler
            and not protocol.extensions
            and not decoder.extensions
            and protocol.received_frames.__func__ is self._received_frames
            and decoder.process_buffer.__func__ is self._process_buffer
            and assembler.process_frame.__func__ is self._assembler.process_frame
        )

    def buffer(self, connection: Any) -> Any:
        """Find the buffer, with ``frames`` split off; None if all is left to the library."""
        try:
            protocol = connection._proto
            buffer = protocol._frame_decoder.buffer
            frames = buffer.frames
            if (
                connection._state not in self._open
                or protocol._parse_more.gi_frame is None  # The library has found an error.
                or not self.is_plain(connection)
            ):
                return None
        except AttributeError:
            return None
        if not frames and protocol._frame_decoder.header is None:
            data, role = buffer.buffer, Role.CLIENT if protocol.client else Role.SERVER
            if len(data) <= _AT_ONCE:
                found, _, _ = split_frames(data, role)
            else:
                with memoryview(data) as whole, whole[:_AT_ONCE] as part:
                    found, _, _ = split_frames(part, role)
            frames += found
        return buffer

    def whole_frames(self, connection: Any, buffer: Any) -> Generator[Any, None, Any]:
        """Yield the events of what has been split off, as far as it is plain.

        Returns:
            The last of them, or None.
        """
        frames, data = buffer.frames, buffer.buffer
        assembler = connection._proto._message_decoder
        client = connection._proto.client
        smallest = 2 if client else 2 + KEY_SIZE
        event = None
        while frames:
            first, payload = frames[0]
            length = len(payload)
            if first == _TEXT and assembler.opcode is None:
                try:
                    content: Any = decode_utf8(payload)
                except UnicodeDecodeError:
                    break
                event = _new(self._text_message)
            elif first == _BINARY and assembler.opcode is None:
                content = self._content_types[client, _BINARY, length > 0](payload)
                event = _new(self._bytes_message)
            elif first in (_PING, _PONG):
                content = self._content_types[client, _PING, length > 0](payload)
                event = (self._ping if first == _PING else self._pong)(payload=content)
            else:
                break
            if first < _PING:
                # What the class' own __init__ does, in a quarter of the time.
                fields = event.__dict__
                fields["data"] = content
                fields["frame_finished"] = fields["message_finished"] = True
            frames.popleft()
            del data[: length + smallest + (0 if length < 126 else 2 if length < 65_536 else 8)]
            yield event
        return event

    def piece(self, connection: Any) -> Any:
        """Take what there is of one data frame; None if that is left to the library."""
        protocol = connection._proto
        decoder, assembler = protocol._frame_decoder, protocol._message_decoder
        data = decoder.buffer.buffer
        header, start, key = decoder.header, 0, b""
        if header is None:
            found = self._header(data, not decoder.client, assembler.opcode is not None)
            if found is None:
                return None
            header, start = found
            consumed = 0
            if not decoder.client:
                key = data[start - KEY_SIZE : start]
        elif header.opcode.iscontrol() or (
            (decoder.effective_opcode is self._opcodes[0]) is (assembler.opcode is None)
        ):
            return None
        else:
            consumed = decoder.payload_consumed
            if not decoder.client:
                key = decoder.masker._masking_key
        end = min(start + header.payload_len - consumed, len(data))
        size = end - start
        if size < 1 and header.payload_len:
            return None
        with memoryview(data) as whole, whole[start:end] as part:
            payload = apply_mask(part, key) if key else bytes(part)
        consumed += size
        frame_finished = consumed == header.payload_len
        message_finished = frame_finished and header.fin
        opcode, text = assembler.opcode, assembler.decoder
        if opcode is None:
            opcode = header.opcode
            if opcode == Opcode.TEXT:
                text = _TextDecoder()
        if text is None:
            content = self._content_types[decoder.client, _BINARY, size > 0](payload)
        else:
            try:
                content = text.decode(payload, message_finished)
            except UnicodeDecodeError:
                return None
        del data[:end]
        decoder.buffer.frames.clear()
        if frame_finished:
            decoder.header = decoder.effective_opcode = decoder.masker = None
        else:
            turn = size % KEY_SIZE
            decoder.header, decoder.effective_opcode = header, self._opcodes[0]
            decoder.payload_required, decoder.payload_consumed = 0, consumed
            decoder.masker = (
                self._below.XorMaskerSimple(key[turn:] + key[:turn])
                if key
                else self._below.XorMaskerNull()
            )
        assembler.opcode, assembler.decoder = (None, None) if message_finished else (opcode, text)
        event = self._bytes_message if text is None else self._text_message
        return event(content, frame_finished, message_finished)

    def _header(self, data: bytearray, masked: bool, in_message: bool) -> Any:
        """Read a data frame's header, and where it ends; None if it is not all there or right."""
        if len(data) < 2:
            return None
        first, second = data[0], data[1]
        opcode = first & ~FIN
        if (
            opcode > Opcode.BINARY
            or in_message is not (opcode == Opcode.CONTINUATION)
            or masked is not (second >= MASK)
        ):
            return None
        length, end = second & LENGTH_BITS, 2
        if length == LENGTH_16:
            length, end = int.from_bytes(data[2:4], "big"), 4
            if length < LENGTH_16:
                return None
        elif length == LENGTH_64:
            length, end = int.from_bytes(data[2:10], "big"), 10
            if not 1 << 16 <= length < 1 << 63:
                return None
        if masked:
            end += KEY_SIZE
        if len(data) < end:
            return None
        opcode = self._opcodes[opcode]
        return self._below.Header(first >= FIN, self._no_rsv, opcode, length, None), end


def _content_types(module: Any) -> dict[tuple[bool, int, bool], type]:
    """Find out what a version hands payloads out as, which is bytes, or in some cases bytearray.

    That is from 1.3.2 on always bytes. Before, it depends on whether it is masked, a message, or
    empty.
    """
    found = {}
    for kind in module.ConnectionType:
        for first, payload in product((_BINARY, _PING), (b"", b"x")):
            connection = module.Connection(kind)
            client = connection.client
            wire = serialize_frame(first & ~FIN, payload, key=None if client else bytes(KEY_SIZE))
            connection.receive_data(wire)
            (event,) = connection.events()
            content = event.data if first == _BINARY else event.payload
            found[client, first, len(payload) > 0] = type(content)
    return found


def _events(original: Function, module: Any) -> Function:
    keep_blocks()
    receiver = _Receiver(module)
    fast_lane, whole_frames, piece = receiver.buffer, receiver.whole_frames, receiver.piece

    def frames_of(connection: Any) -> Iterator[Any]:
        # What waits in _events has come since these events began, and is for the next to begin
        # with: the end of the stream must not overtake what came before it.
        waiting, connection._events = connection._events, deque()
        events = original(connection)
        try:
            first = next(events, None)
        finally:
            connection._events = waiting
        if first is not None:
            yield first
            yield from events

    def events(self: Any) -> Iterator[Any]:
        while self._events:
            yield self._events.popleft()
        while True:
            event = None
            buffer = fast_lane(self)
            if buffer is not None:
                event = yield from whole_frames(self, buffer)
                if event is None and buffer.buffer:
                    event = piece(self)
                    if event is not None:
                        yield event
                if not buffer.buffer:
                    return
            if event is None:
                for event in frames_of(self) if self._events else original(self):
                    yield event
                    if fast_lane(self) is not None:
                        break
                else:
                    return

    return events


def _send(original: Function, module: Any) -> Function:
    connection, protocols, state = module.Connection, module.FrameProtocol, module.Connection.state
    kinds = {module.TextMessage, module.BytesMessage, module.Message}
    # The type of the content decides, and not that of the event.
    opcodes: dict[Any, int] = {str: Opcode.TEXT.value, bytes: Opcode.BINARY.value}
    opened = module.ConnectionState.OPEN
    send_data = protocols.send_data
    os = _frame_protocol(module).os

    def send(self: Any, event: Any) -> Any:
        if type(event) not in kinds or event.message_finished is not True:
            return original(self, event)
        data = event.data
        opcode = opcodes.get(type(data))
        try:
            protocol = self._proto
            plain = (
                self._state is opened
                and protocol._outbound_opcode is None
                and not protocol.extensions
                and type(protocol) is protocols
                and (type(self) is connection or type(self).state is state)
                and protocol.send_data.__func__ is send_data
                and protocol._serialize_frame.__func__ is protocols._serialize_frame
            )
            if opcode is not None and plain:
                key = os.urandom(KEY_SIZE) if protocol.client else None
                return serialize_frame(opcode, data, key=key)
        except (AttributeError, UnicodeEncodeError):
            pass  # Something is overridden, or there is a surrogate in the text.
        return original(self, event)

    return send


def _serialize_frame(original: Function, module: Any) -> Function:
    os = module.os

    def _serialize_frame(self: Any, opcode: Any, payload: Any = b"", fin: Any = True) -> Any:
        if (
            self.extensions
            or type(payload) not in (bytes, bytearray)
            or type(fin) is not bool
            or (opcode.iscontrol() and len(payload) > MAX_CONTROL_PAYLOAD)
        ):
            return original(self, opcode, payload, fin)
        key = os.urandom(4) if self.client else None
        return bytearray(serialize_frame(opcode, payload, fin=fin, key=key))

    return _serialize_frame


def _process(original: Function, module: Any) -> Function:
    made = type(module.XorMaskerSimple(bytes(4)).process(b"x"))  # bytes before 1.3

    def process(self: Any, data: Any) -> Any:
        key = self._masking_key
        if type(data) not in (bytes, bytearray) or not data or len(key) != KEY_SIZE:
            return original(self, data)
        place = len(data) % KEY_SIZE
        self._masking_key = key[place:] + key[:place]
        return made(apply_mask(data, key))

    return process


class _TextDecoder(IncrementalDecoder):
    """The library's decoder of texts in pieces, that of ``codecs``."""

    def decode(self, data: Any, final: bool = False) -> str:
        piece = self.buffer + data if self.buffer else data
        end = len(piece) if final else _last_boundary(piece)
        try:
            with memoryview(piece)[:end] as whole:
                text = decode_utf8(whole)
            utf_8_decode(piece[end:], "strict", False)
        except UnicodeDecodeError:
            return super().decode(data, final)
        self.buffer = bytes(piece[end:])
        return text


def _last_boundary(piece: Any) -> int:
    """Tell where the last character begins if it is incomplete, or else where the text ends."""
    end = len(piece)
    for start in range(end - 1, max(end - 4, -1), -1):
        first = piece[start]
        if first >= 0xC0:
            size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
            return start if start + size > end else end
        if first < 0x80:
            break
    return end


def _process_frame(original: Function, module: Any) -> Function:
    text, continuation = module.Opcode.TEXT, module.Opcode.CONTINUATION
    library_frame = module.Frame

    def process_frame(self: Any, frame: Any) -> Any:
        if self.opcode is None and frame.opcode is text:
            decoder = _TextDecoder()
        elif frame.opcode is continuation and type(self.decoder) is _TextDecoder:
            decoder = self.decoder
        else:
            return original(self, frame)
        finished = frame.frame_finished and frame.message_finished
        try:
            data = decoder.decode(frame.payload, finished)
        except UnicodeDecodeError:
            return original(self, frame)
        self.opcode, self.decoder = (None, None) if finished else (text, decoder)
        return library_frame(text, data, frame.frame_finished, finished)

    return process_frame


def _frame_protocol(module: Any) -> Any:
    """Find ``wsproto.frame_protocol`` from a module that has imported its ``FrameProtocol``."""
    return sys.modules[module.FrameProtocol.__module__]


integration = Integration(
    "wsproto",
    versions=("1.2.0", "1.3.0", "1.3.1", "1.3.2"),
    gains=(
        "receiving, most of all short messages that come many at once, and long texts; reaches "
        "hypercorn, uvicorn --ws wsproto, simple-websocket and httpx-ws"
    ),
    deflate=zlib_of("wsproto.extensions"),
    seams=(
        Seam("wsproto.frame_protocol", "Buffer", ("991a3565c3e8", "36e845be869e"), _buffer),
        Seam(
            "wsproto.frame_protocol",
            "XorMaskerSimple.process",
            ("8d05071c048c", "46d6446c2733"),
            _process,
        ),
        Seam(
            "wsproto.frame_protocol",
            "MessageDecoder.process_frame",
            ("665670eb3302", "9aba4724ceee"),
            _process_frame,
        ),
        Seam(
            "wsproto.frame_protocol",
            "FrameProtocol._serialize_frame",
            ("54db7d4e9bb1", "63208b18ef5a"),
            _serialize_frame,
        ),
        Seam(
            "wsproto.connection",
            "Connection.events",
            ("e4d77be0bfef", "e7ed176d8d32", "5e90213d9bc5"),
            _events,
        ),
        Seam("wsproto.connection", "Connection.send", ("f24770b66cf8", "111a3390e5d7"), _send),
    ),
)
