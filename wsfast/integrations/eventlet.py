"""eventlet's WebSocket on wsfast: ``patch()`` and ``unpatch()``.

===================================================  ==============================================
seam                                                 what changes
===================================================  ==============================================
``eventlet.websocket.RFC6455WebSocket._recv_frame``  messages of one frame are unmasked, and texts
                                                     decoded, in C; a header takes one call of
                                                     ``recv`` less, and no byte beyond it is read
``eventlet.websocket.RFC6455WebSocket._apply_mask``  all other frames, fragments and compressed
                                                     messages for two, are unmasked in C
``eventlet.websocket.RFC6455WebSocket                a server's texts are encoded, and its frames
._pack_message``                                     written, in C
===================================================  ==============================================

The library's own loop over single bytes took 97 % of the time of a message of 64 KiB. What is
left of the time of a short one belongs to the socket and to eventlet's way to it. Compressed
messages can be put on another zlib (``wsfast.patch(deflate=...)``).
"""

from __future__ import annotations

from typing import Any

from ..frames import serialize_frame
from ..kernels import apply_mask, decode_utf8
from ..rfc6455 import FIN, KEY_SIZE, LENGTH_16, LENGTH_BITS, MASK, OPCODE_BITS, Opcode
from ._deflate import zlib_of
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]

_TEXT = FIN | Opcode.TEXT
_BINARY = FIN | Opcode.BINARY


def patch() -> bool:
    """Run eventlet's WebSocket on wsfast: what is imported already, and what will be.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


def _recv_frame(original: Function, module: Any) -> Function:
    decoder = _Decoder(module)

    def _recv_frame(self: Any, message: Any = None) -> Any:
        if message or type(self) is not module.RFC6455WebSocket:
            return original(self, message)
        masked = not self.client
        key_size = KEY_SIZE if masked else 0
        header = self.socket.recv(2 + key_size)  # which no well-formed header is shorter than
        if not header:
            raise module.ConnectionClosedError
        if len(header) < 2:
            header += self._get_bytes(2 - len(header))
        length = header[1] & LENGTH_BITS
        if header[0] not in (_TEXT, _BINARY) or (header[1] >= MASK) is not masked:
            return original(_WithHeader(self, header))
        size = 2
        if length >= LENGTH_16:
            size += 2 if length == LENGTH_16 else 8
            if len(header) < size:
                header += self._get_bytes(size - len(header))
            length = int.from_bytes(header[2:size], "big")
        if length > self.max_frame_length:
            return original(_WithHeader(self, header))
        size += key_size
        if len(header) < size:
            header += self._get_bytes(size - len(header))
        payload = _receive(self.socket, length)
        if len(payload) < length:
            raise module.ConnectionClosedError
        if masked:
            payload = apply_mask(payload, header[-KEY_SIZE:])
        whole = self.Message(
            header[0] & OPCODE_BITS,
            self.max_frame_length,
            decoder=decoder if header[0] == _TEXT else None,
        )
        whole.push(payload, final=True)
        return whole

    return _recv_frame


def _receive(socket: Any, size: int) -> bytes:
    """Receive so many bytes, or fewer if the stream ends before."""
    pieces = []
    while size:
        piece = socket.recv(size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


class _Decoder:
    """Decodes whole texts; for what is wrong with one it asks the library's decoder."""

    def __init__(self, module: Any) -> None:
        self._websocket = module.RFC6455WebSocket

    def decode(self, data: bytes, final: bool) -> Any:
        try:
            return decode_utf8(data)
        except UnicodeDecodeError:
            pass
        return self._websocket.UTF8Decoder().decode(data, final)


class _WithHeader:
    """A connection whose next header has been read, for the original to read again."""

    def __init__(self, websocket: Any, header: bytes) -> None:
        self._websocket = websocket
        self._header = header

    def __getattr__(self, name: str) -> Any:
        return getattr(self._websocket, name)

    def _get_bytes(self, size: int) -> Any:
        data, self._header = self._header[:size], self._header[size:]
        return data if len(data) == size else data + self._websocket._get_bytes(size - len(data))


def _apply_mask(original: Function, module: Any) -> Function:
    def _apply_mask(data: Any, mask: Any, length: Any = None, offset: Any = 0) -> Any:
        if (
            type(data) is bytes
            and type(mask) in (tuple, list)
            and len(mask) == KEY_SIZE
            and all(type(byte) is int and 0 <= byte < 256 for byte in mask)
            and (length is None or length == len(data))
            and type(offset) is int
            and offset >= 0
        ):
            return apply_mask(data, bytes(mask), offset)
        return original(data, mask, length, offset)

    return _apply_mask


def _pack_message(original: Function, module: Any) -> Function:
    def _pack_message(
        self: Any,
        message: Any,
        masked: Any = False,
        continuation: Any = False,
        final: Any = True,
        control_code: Any = None,
    ) -> Any:
        kind = type(message)
        if (
            masked
            or control_code
            or self.extensions
            or (kind is not str and kind is not bytes)
            or type(self) is not module.RFC6455WebSocket
        ):
            return original(self, message, masked, continuation, final, control_code)
        opcode = Opcode.TEXT if kind is str else Opcode.BINARY
        return serialize_frame(
            Opcode.CONTINUATION if continuation else opcode, message, fin=bool(final)
        )

    return _pack_message


# Of each function, the originals in all these versions, from the newest to the oldest.
integration = Integration(
    "eventlet",
    versions=(
        *("0.41.3", "0.41.2", "0.41.1", "0.41.0"),
        *("0.40.4", "0.40.3", "0.40.2", "0.40.1", "0.40.0"),
        *("0.39.1", "0.39.0", "0.38.2", "0.38.1", "0.38.0", "0.37.0"),
        *("0.36.1", "0.36.0", "0.35.2", "0.35.1", "0.35.0"),
        *("0.34.3", "0.34.2", "0.34.1", "0.33.3"),
    ),
    seams=(
        Seam(
            "eventlet.websocket",
            "RFC6455WebSocket._recv_frame",
            ("b7e54e98049d",),
            _recv_frame,
        ),
        Seam(
            "eventlet.websocket",
            "RFC6455WebSocket._apply_mask",
            ("f6ac2b9da0f0", "0ac18f0be234"),
            _apply_mask,
        ),
        Seam(
            "eventlet.websocket",
            "RFC6455WebSocket._pack_message",
            ("b8ef52f0579e", "7bb10b62f303"),
            _pack_message,
        ),
    ),
    gains="servers, for texts and binary messages of any size",
    deflate=zlib_of("eventlet.websocket"),
)
