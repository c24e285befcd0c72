"""``websockets.legacy``: the first asyncio connections of websockets, which uvicorn still serves.

- A frame that is there as a whole is taken off the buffer of its ``StreamReader`` at once, where
  the library awaits three or four coroutines for its parts. No more than one: what waits in the
  buffer is what pauses reading.
- A message of one frame comes and goes past four coroutines more.

Control frames, what is not well-formed, fragments, pauses and whatever fails are left to the
originals; so is every connection that has a method of its own where these go past one. Importing
``websockets.legacy`` warns: nothing here does.
"""

from __future__ import annotations

from asyncio import StreamReader
from typing import Any

from ..frames import serialize_frame
from ..kernels import apply_mask, decode_utf8
from ..rfc6455 import (
    FIN,
    LENGTH_16,
    LENGTH_BITS,
    MASK,
    OPCODE_BITS,
    RSV1,
    RSV2,
    RSV3,
    RSV_BITS,
    Opcode,
)
from ._rewrite import exchange_call
from ._seams import Function
from ._websockets_protocol import new_key, own_method

__all__ = ["read", "read_message", "send"]

_TEXT = FIN | Opcode.TEXT
_BINARY = FIN | Opcode.BINARY
_MESSAGES = frozenset((_TEXT, _BINARY))
_DATA = frozenset(
    first for first in range(256) if first & OPCODE_BITS <= Opcode.BINARY
)  # each with any flags

_SENDING = ("ensure_open", "write_frame", "write_frame_sync", "drain")

_readexactly = StreamReader.readexactly


def read(original: Function, module: Any) -> Function:
    library_frame, opcodes = module.frames.Frame, tuple(map(module.frames.Opcode, range(3)))

    async def read(
        cls: Any, reader: Any, *, mask: bool, max_size: Any = None, extensions: Any = None
    ) -> Any:
        taken = None
        if getattr(reader, "__func__", None) is _readexactly:
            taken = _take(reader.__self__, mask, max_size, _DATA)
        if taken is None:
            return await original(cls, reader, mask=mask, max_size=max_size, extensions=extensions)
        first, data = taken
        if not (extensions or first & RSV_BITS):
            return cls(first >= FIN, opcodes[first & OPCODE_BITS], data)
        frame = library_frame(
            opcodes[first & OPCODE_BITS],
            data,
            first >= FIN,
            bool(first & RSV1),
            bool(first & RSV2),
            bool(first & RSV3),
        )
        for extension in reversed(extensions or ()):
            frame = extension.decode(frame, max_size=max_size)
        frame.check()
        return cls(frame.fin, frame.opcode, frame.data, frame.rsv1, frame.rsv2, frame.rsv3)

    return read


def read_message(original: Function, module: Any) -> Function:
    original = exchange_call(original, "decode", decode_utf8)
    read_data_frame, read_frame = (
        own_method(module.WebSocketCommonProtocol, name)
        for name in ("read_data_frame", "read_frame")
    )

    async def read_message(self: Any) -> Any:
        its, own = type(self), self.__dict__
        if not (
            self.extensions
            or self.debug
            or its.read_data_frame is not read_data_frame
            or its.read_frame is not read_frame
            or "read_data_frame" in own
            or "read_frame" in own
        ):
            taken = _take(self.reader, not self.is_client, self.max_size, _MESSAGES)
            if taken is not None:
                first, data = taken
                return decode_utf8(data) if first == _TEXT else data
        return await original(self)

    return read_message


def send(original: Function, module: Any) -> Function:
    opened = module.State.OPEN
    ensure_open, write_frame, write_frame_sync, drain = (
        own_method(module.WebSocketCommonProtocol, name) for name in _SENDING
    )

    async def send(self: Any, message: Any) -> None:
        its = type(self)
        if (
            type(message) not in (str, bytes)
            or self.state is not opened
            or self.transfer_data_task.done()
            or self._fragmented_message_waiter is not None
            or self.extensions
            or self.debug
            or its.ensure_open is not ensure_open
            or its.write_frame is not write_frame
            or its.write_frame_sync is not write_frame_sync
            or its.drain is not drain
            or not self.__dict__.keys().isdisjoint(_SENDING)
        ):
            await original(self, message)
            return
        opcode = Opcode.TEXT if type(message) is str else Opcode.BINARY
        key = new_key() if self.is_client else None
        self.transport.write(serialize_frame(opcode, message, key=key))
        if (
            self._paused
            or self.transport.is_closing()
            or self.connection_lost_waiter.done()
            or self.reader.exception() is not None
        ):
            await self.drain()

    return send


def _take(
    stream: Any, masked: bool, max_size: int | None, firsts: frozenset[int]
) -> tuple[int, bytes] | None:
    """Take one frame off a stream.

    Args:
        stream: where from.
        masked: whether the frame must be.
        max_size: most bytes in its payload; None for no limit.
        firsts: the first bytes that it may have.

    Returns:
        Its first byte and its payload, unmasked; None if it has not come as a whole, or is for the
        library to judge, and then nothing is taken.
    """
    if type(stream) is not StreamReader or stream.exception() is not None:
        return None
    buffer: bytearray = stream._buffer  # type: ignore[attr-defined]
    if len(buffer) < 2 or buffer[0] not in firsts or (buffer[1] >= MASK) != masked:
        return None
    first, length, start = buffer[0], buffer[1] & LENGTH_BITS, 2
    if length >= LENGTH_16:
        start = 4 if length == LENGTH_16 else 10
        if len(buffer) < start:
            return None
        length = int.from_bytes(buffer[2:start], "big")
    if max_size is not None and length > max_size:
        return None
    if masked:
        start += 4
    end = start + length
    if len(buffer) < end:
        return None
    with memoryview(buffer) as view:
        if masked:
            data = apply_mask(view[start:end], view[start - 4 : start])
        else:
            data = bytes(view[start:end])
    del buffer[:end]
    stream._maybe_resume_transport()  # type: ignore[attr-defined]
    return first, data
