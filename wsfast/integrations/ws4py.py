"""ws4py on wsfast: ``patch()`` and ``unpatch()``.

==========================================  =======================================================
seam                                        what changes
==========================================  =======================================================
``ws4py.streaming.Stream.receiver``         whole messages, pings and pongs are read in two or three
                                            steps instead of four or five, each of which is a call
                                            of ``recv``; they are unmasked and validated in C
``ws4py.streaming.Utf8Validator``           texts in fragments and close reasons are validated in C
``ws4py.framing.Frame.unmask`` and          fragments are unmasked, and frames masked, in C
``ws4py.framing.Frame.mask``
``ws4py.framing.Frame.build``               header, mask and payload are written at once, in C
``ws4py.messaging.TextMessage.__init__``    texts are encoded in C
``ws4py.messaging.Message.__str__`` and     texts are decoded in C
``ws4py.messaging.Message.__unicode__``
==========================================  =======================================================

The library's own loops over single bytes took 99.5 % of the time of a message of 64 KiB. What is
left of the time of a short one belongs to the socket, and to the library's way from it and back.

All that is rare goes to the original ``receiver``: errors, close frames, and the connection as a
whole from its first fragment on. No byte is read beyond the frame that is coming, as ever: programs
that wait for the socket rely on that.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..frames import serialize_frame, split_frames
from ..kernels import Utf8Validator, apply_mask, decode_utf8, encode_utf8, is_valid_utf8
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
    Opcode,
    Role,
)
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]

_TEXT = FIN | Opcode.TEXT
_BINARY = FIN | Opcode.BINARY
_PING = FIN | Opcode.PING
_PONG = FIN | Opcode.PONG
_COMMON = frozenset((_TEXT, _BINARY, _PING, _PONG))

# The size of the length in the header, by what stands in the place of a short one.
_LENGTH_SIZES = {LENGTH_16: 2, LENGTH_64: 8}


def patch() -> bool:
    """Run ws4py on wsfast: what is imported already, and what will be.

    Connections that have received something go on parsing as they began.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


def _receiver(original: Function, module: Any) -> Function:
    def receiver(self: Any) -> Generator[int, Any, None]:
        pieces: list[Any] = []
        try:
            while True:
                pieces.clear()
                role = Role.SERVER if self.expect_masking else Role.CLIENT
                wire = yield from _read_frame(pieces, role)
                frames = split_frames(wire, role)[0] if wire else []
                if not frames or not take(self, *frames[0]):
                    break
        except GeneratorExit:
            self._cleanup()
            return
        receiver = original(self)
        next(receiver)
        for piece in pieces:
            receiver.send(bytes(piece) if type(piece) is _Payload else piece)
        yield from receiver

    def take(stream: Any, first: int, payload: bytes) -> bool:
        if first == _PING:
            stream.pings.append(module.PingControlMessage(payload))
        elif first == _PONG:
            stream.pongs.append(module.PongControlMessage(payload))
        elif stream.message is not None or (first == _TEXT and not is_valid_utf8(payload)):
            return False
        else:
            kind = module.TextMessage if first == _TEXT else module.BinaryMessage
            message = kind(payload)
            message.completed = True
            stream.message = message
        return True

    return receiver


class _Payload(bytearray):
    """What has come of a frame behind its header, put together of many pieces."""


def _read_frame(pieces: list[Any], role: Role) -> Generator[int, Any, bytes]:
    """Ask for a frame, and never for a byte beyond it.

    Args:
        pieces: where to keep what comes. Behind the header it is put together: single bytes would
            take many times as much memory by themselves.

    Returns:
        The frame; nothing as soon as it turns out to be a rare one, or not to come as asked for.
        Behind a frame that comes in one piece there may be more, which the library drops.
    """
    size, head = 0, b""
    wanted: int | None = 2
    while wanted is not None and wanted > 0:
        piece = yield wanted
        if type(piece) is not bytes or not piece:
            pieces.append(piece)
            return b""
        too_much = len(piece) > wanted
        size += len(piece)
        if len(head) < MAX_HEADER_SIZE:
            pieces.append(piece)
            head += piece
        elif type(pieces[-1]) is bytes:
            pieces.append(_Payload(piece))
        else:
            pieces[-1] += piece
        wanted = _missing(head, size, role)
        if wanted is None or (too_much and (wanted > 0 or len(pieces) > 1)):
            return b""
    return b"".join(pieces)


def _missing(head: bytes, size: int, role: Role) -> int | None:
    """Tell how many bytes are sure to follow in the frame that begins with ``head``.

    Args:
        head: its header, or as much of it as has come; more may stand behind it.
        size: how many bytes have come.

    Returns:
        How many; less than 0, if there are too many already; None if the frame is a rare one.
    """
    if head[0] not in _COMMON:
        return None
    if size == 1:
        return 1
    length = head[1] & LENGTH_BITS
    if (head[1] >= MASK) is not (role is Role.SERVER):
        return None
    header_size = 2
    if length > MAX_CONTROL_PAYLOAD:
        if head[0] & CONTROL_BIT:
            return None
        header_size += _LENGTH_SIZES[length]
        if size < header_size:
            return header_size - size
        length = int.from_bytes(head[2:header_size], "big")
        if length >= 1 << 62:
            return None
    return header_size + (KEY_SIZE if role is Role.SERVER else 0) + length - size


def _utf8_validator(original: Any, module: Any) -> Any:
    return Utf8Validator


def _mask(original: Function, module: Any) -> Function:
    def mask(self: Any, data: Any) -> Any:
        key = self.masking_key
        if type(key) is bytes and len(key) >= KEY_SIZE and type(data) in (bytes, bytearray):
            return bytearray(apply_mask(data, key[:KEY_SIZE]))
        return original(self, data)

    return mask


def _build(original: Function, module: Any) -> Function:
    def build(self: Any) -> Any:
        key, body = self.masking_key, self.body
        if (
            type(self) is not module.Frame
            or self.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION)
            or self.fin not in (0, 1)
            or self.rsv1
            or self.rsv2
            or self.rsv3
            or type(body) is not bytes
            or self.payload_length != len(body)
            or (key and (type(key) is not bytes or len(key) != KEY_SIZE))
        ):
            return original(self)
        return serialize_frame(self.opcode, body, fin=self.fin, key=key or None)

    return build


def _text_message(original: Function, module: Any) -> Function:
    def __init__(self: Any, text: Any = None) -> None:
        original(self, encode_utf8(text) if type(text) is str else text)

    return __init__


def _decode(original: Function, module: Any) -> Function:
    def __str__(self: Any) -> Any:
        if type(self.data) is bytes and self.encoding == "utf-8":
            return decode_utf8(self.data)
        return original(self)

    return __str__


integration = Integration(
    "ws4py",
    versions=("0.6.0", "0.5.1", "0.5.0"),
    seams=(
        Seam("ws4py.streaming", "Stream.receiver", ("b0da2cdbd5b0",), _receiver),
        Seam("ws4py.streaming", "Utf8Validator", ("882de378aff0",), _utf8_validator),
        Seam("ws4py.framing", "Frame.mask", ("82022178c678",), _mask),
        Seam("ws4py.framing", "Frame.unmask", ("82022178c678",), _mask),
        Seam("ws4py.framing", "Frame.build", ("dc0803fd1287",), _build),
        Seam("ws4py.messaging", "TextMessage.__init__", ("3dda3e3b463c",), _text_message),
        Seam("ws4py.messaging", "Message.__str__", ("f2f1747bdc67",), _decode),
        Seam("ws4py.messaging", "Message.__unicode__", ("056402a84e2f",), _decode),
    ),
    gains="servers and clients of ws4py, for texts and binary messages of any size",
)
