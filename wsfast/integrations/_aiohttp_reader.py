"""How aiohttp reads frames on wsfast: its own reader and queue, with a fast way through them.

The classes derive from those of ``reader_py``, of which the library's compiled ones are a
translation. The state is the library's, and so is the code for all that is rare: control frames,
and whatever is not well-formed. The fast way splits off all frames that have come as a whole in one
call, and makes messages of them; a frame that comes in pieces is gathered until it is whole.

No more messages are made ahead than the library makes: where one of its versions stops because the
queue is full, so does the fast way, and leaves the rest of the bytes in the same state.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError, TimeoutError
from importlib import import_module
from typing import Any

from ..frames import serialize_frame, split_frames
from ..kernels import decode_utf8
from ..rfc6455 import (
    CONTROL_BIT,
    FIN,
    KEY_SIZE,
    LENGTH_16,
    LENGTH_BITS,
    MASK,
    OPCODE_BITS,
    RSV1,
    RSV_BITS,
    Opcode,
    Role,
)
from ._rewrite import exchange_call

__all__ = ["queue_of", "reader_of"]

# Members of an enumeration take long to look up.
_SERVER, _CLIENT = Role.SERVER, Role.CLIENT
_TEXT = FIN | Opcode.TEXT
_BINARY = FIN | Opcode.BINARY
_NO_KEY = bytes(KEY_SIZE)

# Frames are split off so many bytes at a time, or one if it is longer: a read of 256 KiB can hold
# 128 Ki frames, which take fifty times as much once they are split.
_PIECE = 4096
_MOST_FRAMES = _PIECE // 2

# The compiled reader keeps limits in 32 bits.
_UNSIGNED = 1 << 32


def queue_of(original: Any, module: Any) -> Any:
    """Build the queue that goes with the reader."""
    base = _in_python(original)
    source = sys.modules[base.__module__]
    text, binary = source.WS_MSG_TYPE_TEXT, source.WS_MSG_TYPE_BINARY
    overhead = _overhead(base)
    stalls = overhead > 0

    class WebSocketDataQueue(base):  # type: ignore[misc, valid-type]
        _waiter: Any

        async def read(self) -> Any:
            if not self._buffer and not self._eof:
                assert not self._waiter
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                except (CancelledError, TimeoutError):
                    self._waiter = None
                    raise
            if (
                not self._buffer
                or self._protocol._reading_paused
                or (stalls and self._stalled_reader is not None)
            ):
                return self._read_from_buffer()
            message, size = self._get_buffer()
            self._size -= size + overhead
            return message

        def take(self) -> Any:
            """Take the next message if it is a text or binary, and that is all ``read`` does."""
            if self._protocol._reading_paused or (stalls and self._stalled_reader is not None):
                return None
            message, size = self._buffer[0]
            if message[0] is not text and message[0] is not binary:
                return None
            self._get_buffer()
            self._size -= size + overhead
            return message

    return _named_as(original, WebSocketDataQueue)


def reader_of(original: Any, module: Any) -> Any:
    """Build the reader."""
    base = _in_python(original)
    source = sys.modules[base.__module__]
    message_type = source.WSMessage
    text, binary = source.WS_MSG_TYPE_TEXT, source.WS_MSG_TYPE_BINARY
    at_header, nothing_wrong = source.READ_HEADER, source.EMPTY_FRAME
    not_set, plain, compressed = (
        source.COMPRESSED_NOT_SET,
        source.COMPRESSED_FALSE,
        source.COMPRESSED_TRUE,
    )
    overhead = _overhead(base)
    stalls = overhead > 0
    # Until 3.14.3, the compiled reader meets a length with the top bit set as C does.
    overflows = original is not base and not hasattr(source, "MAX_PAYLOAD_LEN")
    new = tuple.__new__

    class WebSocketReader(base):  # type: ignore[misc, valid-type]
        # _plain: whether the limit is one that split_frames can take. _next: who we are, if the
        # next byte begins a message, else None. _room: how full the queue may be if it shall take
        # all that a piece can hold. _gathered and _missing: of a frame that comes in pieces, what
        # has come, and how many bytes have not.
        __slots__ = (
            *("_decode", "_gathered", "_masked", "_missing", "_most", "_next", "_plain", "_room"),
            "_text_type",
        )
        _tail: Any
        _compressed: Any

        def __init__(self, queue: Any, max_msg_size: Any, *args: Any, **kwargs: Any) -> None:
            if original is not base and (
                type(max_msg_size) is not int or not 0 <= max_msg_size < _UNSIGNED
            ):
                max_msg_size = _as_compiled(original, max_msg_size, *args, **kwargs)
            super().__init__(queue, max_msg_size, *args, **kwargs)
            decodes = getattr(self, "_decode_text", True)  # until 3.14, always
            self._decode = decode_utf8 if decodes else bytes
            self._text_type = message_type if decodes else source.WSMessageTextBytes
            self._plain = isinstance(max_msg_size, int) and max_msg_size >= 0
            self._most = max_msg_size - 1 if self._plain and max_msg_size else None
            self._room = queue._limit - _PIECE - overhead * _MOST_FRAMES
            self._masked = False
            self._next: Role | None = None
            self._gathered = bytearray()
            self._missing = 0

        def feed_data(self, data: Any) -> Any:
            if (
                self._next is not None
                and type(data) is bytes
                and len(data) <= _PIECE
                and self.queue._size <= self._room
            ):
                frames, size, _ = split_frames(data, self._next, self._most)
                if size == len(data):
                    done = self._put(frames)
                    if done == len(frames):
                        return nothing_wrong
                    data = data[_wire_size(frames[:done], self._masked) :]
            answer = super().feed_data(data)
            self._next = None
            if (
                self._plain
                and self._exc is None
                and not (self._missing or self._tail)
                and self._begins_message()
            ):
                self._next = _SERVER if self._masked else _CLIENT
            return answer

        def _begins_message(self) -> bool:
            """Tell if a frame that comes now may be a whole message."""
            return (
                self._state == at_header
                and (self._frame_fin or self._compressed == not_set)
                and not self._partial
            )

        def _put(self, frames: list[tuple[int, bytes]]) -> int:
            """Put messages of one frame into a queue with room for them.

            Returns:
                How many: all up to one that is not a plain message.
            """
            queue, decode, text_type = self.queue, self._decode, self._text_type
            put = queue._put_buffer
            done = sizes = 0
            try:
                for first, payload in frames:
                    if first == _TEXT:
                        message = new(text_type, (text, decode(payload), ""))
                    elif first == _BINARY:
                        message = new(message_type, (binary, payload, ""))
                    else:
                        break
                    size = len(payload)
                    put((message, size))
                    sizes += size
                    done += 1
            except UnicodeDecodeError:
                pass  # The library's code meets it next, and knows what it means.
            if done:
                queue._size += sizes + overhead * done
                if queue._waiter is not None:
                    queue._release_waiter()
                self._frame_fin = True
            return done

        def _feed_data(self, data: bytes) -> None:
            if self._state != at_header or not self._plain:
                self._feed_slowly(data)
                return
            if stalls:
                self.queue._stalled_reader = None
            if self._tail:
                data, self._tail = self._tail + data, b""
            if self._missing and data:
                if stalls and self.queue._size > self.queue._limit:
                    self._stall(data)
                    return
                piece = data[: self._missing]
                self._gathered += piece
                self._missing -= len(piece)
                if self._missing:
                    return
                whole, self._gathered = self._gathered, bytearray()
                self._split(whole)
                data = data[len(piece) :]
            self._split(data)

        def _feed_slowly(self, data: bytes) -> None:
            """Let the library's code read."""
            try:
                super()._feed_data(data)
            finally:
                if (
                    overflows
                    and self._payload_bytes_to_read + self._frame_payload_len > sys.maxsize
                ):
                    raise OverflowError("Python int too large to convert to C ssize_t")

        def _split(self, data: Any) -> None:
            """Take the frames off bytes that begin with one, and keep what is left."""
            queue = self.queue
            position, end = 0, len(data)
            while position < end:
                if stalls and queue._size > queue._limit:
                    self._stall(data[position:])
                    return
                if end - position == 1:
                    self._tail = data[position:]
                    return
                stop = position + _PIECE
                if stop < end:
                    size = _frame_size(data, position)
                    if _PIECE < size <= end - position:
                        stop = position + size
                # All of it is no copy.
                piece = data[position:stop] if position or stop < end else data
                self._masked = data[position + 1] >= MASK
                frames, taken, well_formed = split_frames(
                    piece,
                    _SERVER if self._masked else _CLIENT,
                    None if self._most is None else self._most - len(self._partial),
                )
                if frames:
                    position += self._deliver(frames, taken)
                elif well_formed:
                    self._keep(data[position:])
                    return
                else:
                    self._feed_slowly(bytes(data[position:]))
                    return

        def _stall(self, data: bytes) -> None:
            """Stop until the queue, which is full, has been read."""
            self._tail = data
            self.queue._stalled_reader = self._weak_self

        def _keep(self, data: bytes) -> None:
            """Keep the part of a frame that has come."""
            size = _frame_size(data, 0)
            if not self._allows(data[0]):
                self._feed_slowly(bytes(data))
            elif size:
                self._gathered += data
                self._missing = size - len(data)
            else:
                self._tail = data

        def _deliver(self, frames: list[tuple[int, bytes]], size: int) -> int:
            """Deal with whole frames.

            Returns:
                How many bytes of the wire that was: less than ``size`` if the queue is full now.
            """
            queue = self.queue
            done = 0
            if (
                queue._size + size + overhead * len(frames) <= queue._limit
                and self._begins_message()
            ):
                done = self._put(frames)
            for first, payload in frames[done:]:
                if stalls and queue._size > queue._limit:
                    return _wire_size(frames[:done], self._masked)
                self._handle(first, payload)
                done += 1
            return size

        def _allows(self, first: int) -> bool:
            """Tell if the reserved bits are those of a message that may be compressed."""
            rsv = first & RSV_BITS
            return not rsv or (
                rsv == RSV1
                and self._compress
                and not first & CONTROL_BIT
                and (self._frame_fin or self._compressed == not_set)
            )

        def _handle(self, first: int, payload: bytes) -> None:
            """Deal with one frame as the library does."""
            rsv = first & RSV_BITS
            if first & CONTROL_BIT or not self._allows(first):
                # The library's code has to see its header.
                self._feed_slowly(
                    serialize_frame(
                        first & OPCODE_BITS,
                        payload,
                        fin=first >= FIN,
                        rsv=rsv,
                        key=_NO_KEY if self._masked else None,
                    )
                )
                return
            if self._frame_fin or self._compressed == not_set:
                self._compressed = compressed if rsv else plain
            self._frame_fin = first >= FIN
            self._handle_frame(self._frame_fin, first & OPCODE_BITS, payload, self._compressed)

        _handle_frame = exchange_call(base._handle_frame, "decode", decode_utf8, "utf-8")

    return _named_as(original, WebSocketReader)


def _in_python(original: Any) -> Any:
    """Find the source of what may be a compiled class.

    Where that is used, the program has not imported this: it is the only module that a patch
    imports.
    """
    return getattr(import_module("aiohttp._websocket.reader_py"), original.__name__)


def _named_as(original: Any, made: Any) -> Any:
    made.__module__, made.__doc__ = original.__module__, original.__doc__
    made.__name__, made.__qualname__ = original.__name__, original.__qualname__
    return made


def _overhead(base: Any) -> int:
    """Look up what a message counts for in the queue besides its size.

    Where it counts, which is from 3.14.4 on, a full queue stops the reader, and not only the
    transport.
    """
    return getattr(sys.modules[base.__module__], "MSG_SIZE_OVERHEAD", 0)


def _as_compiled(original: Any, max_msg_size: Any, *args: Any, **kwargs: Any) -> Any:
    """Take a limit as the compiled reader does, or raise what it raises."""
    queue = sys.modules[original.__module__].WebSocketDataQueue(None, 0, loop=None)
    original(queue, max_msg_size, *args, **kwargs)
    return int(max_msg_size)


def _frame_size(data: bytes | bytearray, position: int) -> int:
    """Compute the size of the frame that begins here; 0 as long as its header is not complete."""
    second = data[position + 1]
    length, start = second & LENGTH_BITS, position + 2
    if length >= LENGTH_16:
        stop = start + (2 if length == LENGTH_16 else 8)
        length, start = int.from_bytes(data[start:stop], "big"), stop
    if second & MASK:
        start += KEY_SIZE
    return start - position + length if start <= len(data) else 0


def _wire_size(frames: list[tuple[int, bytes]], masked: bool) -> int:
    """Compute the size of frames whose lengths are written in the fewest bytes."""
    sizes = [len(payload) for _, payload in frames]
    headers = sum(2 if size < LENGTH_16 else 4 if size < 1 << 16 else 10 for size in sizes)
    return headers + sum(sizes) + (KEY_SIZE * len(sizes) if masked else 0)
