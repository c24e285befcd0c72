"""gevent-websocket (``import geventwebsocket``) on wsfast: ``patch()`` and ``unpatch()``.

=================================================  ================================================
seam                                               what changes
=================================================  ================================================
``geventwebsocket.websocket.WebSocket              messages of one frame are unmasked, and texts
.read_message``                                    decoded, in C; nothing is validated twice
``geventwebsocket.websocket.WebSocket              texts are encoded and frames written in C
.send_frame``
``geventwebsocket.websocket.Header                 frames that ``read_message`` leaves to the
.unmask_payload`` and ``.mask_payload``            library, fragments for one, are unmasked in C
``geventwebsocket.websocket.Utf8Validator``        their texts, and close reasons, are validated
                                                   in C
=================================================  ================================================

The library's own loops over single bytes took 99.5 % of the time of a message of 64 KiB. What is
left of the time of a short one belongs to gevent's socket. Where wsaccel is installed, the library
validates with it; wsfast takes its place.
"""

from __future__ import annotations

from typing import Any

from ..frames import serialize_frame
from ..kernels import Utf8Validator, apply_mask, decode_utf8
from ..rfc6455 import FIN, KEY_SIZE, LENGTH_16, LENGTH_BITS, MASK, Opcode
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]

_TEXT = FIN | Opcode.TEXT
_BINARY = FIN | Opcode.BINARY


def patch() -> bool:
    """Run gevent-websocket on wsfast: what is imported already, and what will be.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


def _read_message(original: Function, module: Any) -> Function:
    def read_message(self: Any) -> Any:
        if type(self) is not module.WebSocket:
            return original(self)
        read = self.stream.read
        header = read(2)
        if len(header) < 2 or header[0] not in (_TEXT, _BINARY) or header[1] < MASK:
            return original(_reading_again(self, header))
        length = header[1] & LENGTH_BITS
        if length >= LENGTH_16:
            header += read(2 if length == LENGTH_16 else 8)
            length = int.from_bytes(header[2:], "big")
        key = read(KEY_SIZE)
        if len(key) < KEY_SIZE:
            return original(_reading_again(self, header + key))
        try:
            payload = self.raw_read(length) if length else b""
        except Exception:
            payload = b""  # To the library, no error means more than the end of the stream.
        if len(payload) != length:
            raise module.WebSocketError("Unexpected EOF reading frame payload")
        payload = apply_mask(payload, key)
        if header[0] == _BINARY:
            self.utf8validate_last = (True, True, 0, 0)
            return bytearray(payload)
        try:
            text = decode_utf8(payload)
        except UnicodeDecodeError:
            pass
        else:
            self.utf8validate_last = (True, True, length, 2 * length)
            return text
        self.utf8validator.reset()
        self.validate_utf8(payload)
        # It only lacks its end. The library finds that by going on with its beginning.
        self.validate_utf8(payload)

    return read_message


def _reading_again(websocket: Any, data: bytes) -> Any:
    """Put what has been read back in front of the stream, until it is read again."""
    websocket.stream = _Reread(websocket, data)
    return websocket


class _Reread:
    def __init__(self, websocket: Any, data: bytes) -> None:
        self._websocket = websocket
        self._stream = websocket.stream
        self._data = data

    def read(self, size: int) -> Any:
        data, self._data = self._data[:size], self._data[size:]
        if not self._data:
            self._websocket.stream = self._stream
        return data if len(data) == size else data + self._stream.read(size - len(data))


def _send_frame(original: Function, module: Any) -> Function:
    def send_frame(self: Any, message: Any, opcode: int) -> None:
        expected = str if opcode == Opcode.TEXT else bytes if opcode == Opcode.BINARY else None
        if type(message) is not expected or type(self) is not module.WebSocket or self.closed:
            original(self, message, opcode)
            return
        frame = serialize_frame(opcode, message)
        try:
            self.raw_write(frame)
        except module.error:
            raise module.WebSocketError(module.MSG_SOCKET_DEAD)  # noqa: B904 as the library does

    return send_frame


def _unmask_payload(original: Function, module: Any) -> Function:
    def unmask_payload(self: Any, payload: Any) -> Any:
        key = self.mask
        if (
            type(key) is bytes
            and len(key) == KEY_SIZE
            and type(payload) in (bytes, bytearray)
            and len(payload) == self.length
        ):
            return bytearray(apply_mask(payload, key))
        return original(self, payload)

    return unmask_payload


def _utf8_validator(original: Any, module: Any) -> Any:
    return Utf8Validator


integration = Integration(
    "gevent-websocket",
    versions=("0.10.1",),
    seams=(
        Seam(
            "geventwebsocket.websocket", "WebSocket.read_message", ("4f7e79b76a8e",), _read_message
        ),
        Seam("geventwebsocket.websocket", "WebSocket.send_frame", ("b2937fb4e8f7",), _send_frame),
        Seam(
            "geventwebsocket.websocket", "Header.unmask_payload", ("2bf4d7f1b70e",), _unmask_payload
        ),
        Seam(
            "geventwebsocket.websocket", "Header.mask_payload", ("2bf4d7f1b70e",), _unmask_payload
        ),
        Seam(
            "geventwebsocket.websocket",
            "Utf8Validator",
            ("0a0f27a179e2", "built-in wsaccel.utf8validator.Utf8Validator"),
            _utf8_validator,
        ),
    ),
    gains="servers, for texts and binary messages of any size",
)
