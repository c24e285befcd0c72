"""wsproto on wsfast: ``patch()`` and ``unpatch()``.

It reaches hypercorn, uvicorn's ``--ws wsproto``, simple-websocket and httpx-ws.

==============================================  ===================================================
seam                                            what changes
==============================================  ===================================================
``wsproto.connection.Connection.events``        frames that have come as a whole are split off many
                                                at once, in C, and become events without a detour
``wsproto.connection.Connection.send``          a message in one frame is written at once, in C
``wsproto.frame_protocol.Buffer``               keeps what has been split off
``wsproto.frame_protocol`` ``.XorMaskerSimple``  what comes in pieces, or with an extension, is
``.process``                                    unmasked in C
``wsproto.frame_protocol.MessageDecoder``       texts that come in pieces are decoded in C
``.process_frame``
``wsproto.frame_protocol.FrameProtocol``        all other frames are written in C
``._serialize_frame``
==============================================  ===================================================

All are methods, or are looked up for every connection, so that it does not matter who has imported
what before.

``events()`` is a generator, and nothing has happened before its consumer has come to it. So what is
split off is no more than a reading of the first bytes of the buffer: they are taken one frame at a
time, as the events are, and whoever takes bytes in another way makes the reading void.

What is rare is left to the library, one event at a time: frames that come in pieces, which it hands
out piece by piece; fragments; close frames; connections with an extension; all that is not
well-formed; and connections of which a part has been overridden.
"""

from __future__ import annotations

import sys
from codecs import utf_8_decode
from collections import deque
from collections.abc import Iterator
from encodings.utf_8 import IncrementalDecoder
from typing import Any

from ..frames import serialize_frame, split_frames
from ..kernels import apply_mask, decode_utf8
from ..rfc6455 import (
    FIN,
    KEY_SIZE,
    LENGTH_16,
    LENGTH_64,
    LENGTH_BITS,
    MAX_CONTROL_PAYLOAD,
    MAX_HEADER_SIZE,
    Opcode,
    Role,
)
from ._deflate import zlib_of
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]

_TEXT = FIN | Opcode.TEXT
_BINARY = FIN | Opcode.BINARY
_PING = FIN | Opcode.PING
_PONG = FIN | Opcode.PONG

# No more of the buffer is split at once, or one frame: tiny frames take many times as much memory
# as objects, and a consumer may stop half way for as long as it likes.
_AT_ONCE = 16_384


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


class _Splitter:
    """Finds out, for a connection, which frames need none of the library's own code."""

    def __init__(self, module: Any) -> None:
        frame_protocol = _frame_protocol(module)
        self._connection = module.Connection
        self._state = module.Connection.state
        self._open = module.ConnectionState.OPEN, module.ConnectionState.LOCAL_CLOSING
        self._protocol = module.FrameProtocol
        self._decoder = frame_protocol.FrameDecoder
        self._assembler = frame_protocol.MessageDecoder
        self._received_frames = module.FrameProtocol.received_frames
        self._process_buffer = frame_protocol.FrameDecoder.process_buffer

    def is_plain(self, connection: Any) -> bool:
        """Tell whether frames become events by nothing but what the library has for that."""
        kind, protocol = type(connection), connection._proto
        decoder, assembler = protocol._frame_decoder, protocol._message_decoder
        return (
            (kind is self._connection or kind.state is self._state)
            and type(protocol) is self._protocol
            and type(decoder) is self._decoder
            and type(assembler) is self._assembler
            and protocol.received_frames.__func__ is self._received_frames
            and decoder.process_buffer.__func__ is self._process_buffer
            and assembler.process_frame.__func__ is self._assembler.process_frame
        )

    def frames(self, connection: Any) -> deque[tuple[int, bytes]] | None:
        """Split off what is next; None where the library's own way is to be gone."""
        protocol = connection._proto
        try:
            decoder = protocol._frame_decoder
            buffer = decoder.buffer
            frames: deque[tuple[int, bytes]] = buffer.frames
            if (
                decoder.header is not None  # in the middle of a frame
                or protocol._message_decoder.opcode is not None  # in the middle of a message
                or protocol.extensions
                or decoder.extensions
                or connection._state not in self._open
                or protocol._parse_more.gi_frame is None  # has failed
                or not self.is_plain(connection)
            ):
                return None
        except AttributeError:
            return None
        if not frames:
            data = buffer.buffer
            role = Role.CLIENT if decoder.client else Role.SERVER
            if len(data) <= _AT_ONCE:
                found, _, _ = split_frames(data, role)
            else:
                with memoryview(data) as whole, whole[: _enough(data)] as part:
                    found, _, _ = split_frames(part, role)
            frames += found
        return frames or None


def _enough(data: bytearray) -> int:
    """Tell how much to split of a buffer: all of its first frame, at least."""
    length = data[1] & LENGTH_BITS
    if length == LENGTH_16:
        length = int.from_bytes(data[2:4], "big")
    elif length == LENGTH_64:
        length = int.from_bytes(data[2:10], "big")
    return max(length + MAX_HEADER_SIZE, _AT_ONCE)


def _events(original: Function, module: Any) -> Function:
    text_message, bytes_message = module.TextMessage, module.BytesMessage
    ping, pong = module.Ping, module.Pong
    new = object.__new__
    next_frames = _Splitter(module).frames
    # Before 1.3, payloads that had not been masked came as bytearray.
    always_bytes = "bytes" in _frame_protocol(module).FrameDecoder.process_buffer.__code__.co_names

    def events(self: Any) -> Iterator[Any]:
        while self._events:
            yield self._events.popleft()
        frames = next_frames(self)
        while True:
            if frames is not None:
                protocol = self._proto
                decoder, assembler = protocol._frame_decoder, protocol._message_decoder
                data = decoder.buffer.buffer
                smallest = 2 if decoder.client else 6
            while frames:
                first, payload = frames[0]
                length = len(payload)
                content: Any = payload
                if not (always_bytes or (length and smallest == 6)):
                    content = bytearray(payload)
                if first == _TEXT and assembler.opcode is None:
                    try:
                        content = decode_utf8(payload)
                    except UnicodeDecodeError:
                        break
                    event = new(text_message)
                elif first == _BINARY and assembler.opcode is None:
                    event = new(bytes_message)
                elif first == _PING:
                    event = ping(payload=content)
                elif first == _PONG:
                    event = pong(payload=content)
                else:
                    break
                if first < _PING:
                    # What the dataclass' own __init__ leaves behind, in a quarter of the time.
                    fields = event.__dict__
                    fields["data"] = content
                    fields["frame_finished"] = fields["message_finished"] = True
                del frames[0]
                del data[: length + smallest + (0 if length < 126 else 2 if length < 65_536 else 8)]
                yield event
            if frames is not None and not data:
                return
            for event in original(self):
                yield event
                frames = next_frames(self)
                if frames is not None:
                    break
            else:
                return

    return events


def _send(original: Function, module: Any) -> Function:
    kinds = {module.TextMessage: (str, 1), module.BytesMessage: (bytes, 2)}
    opened = module.ConnectionState.OPEN
    is_plain = _Splitter(module).is_plain
    os = _frame_protocol(module).os

    def send(self: Any, event: Any) -> Any:
        kind, opcode = kinds.get(type(event), (None, 0))
        if kind is None or type(event.data) is not kind or event.message_finished is not True:
            return original(self, event)
        protocol = self._proto
        if (
            not is_plain(self)
            or self._state is not opened
            or protocol._outbound_opcode is not None
            or protocol.extensions
        ):
            return original(self, event)
        return serialize_frame(opcode, event.data, key=os.urandom(4) if protocol.client else None)

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


class _Decoder(IncrementalDecoder):
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
            decoder = _Decoder()
        elif frame.opcode is continuation and type(self.decoder) is _Decoder:
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
    gains="",
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
