"""WebSocket for Python at the speed of C: masking, UTF-8, frames and messages of RFC 6455.

A server and a client for asyncio are in ``wsfast.asyncio``, and what they stand on, without
sockets, is in ``wsfast.protocol``. ``wsfast.patch()`` puts the libraries that a program uses on
wsfast, and ``wsfast.patched()`` tells which are; what it does to each is in
``wsfast.integrations``.

``wsfast.backend`` says what runs: ``"compiled"`` or ``"python"``. ``wsfast.kernel`` names the
kernels in use, such as ``"avx2"``; it is ``"python"`` where nothing is compiled.
"""

from ._backend import backend, kernel
from ._version import __version__
from .exceptions import (
    ConnectionClosed,
    HandshakeError,
    InvalidUtf8,
    MessageTooBig,
    ProtocolError,
    StateError,
    WebSocketError,
)
from .frames import (
    Close,
    CompressedMessage,
    Frame,
    FrameParser,
    MessageDecoder,
    MessageEncoder,
    Ping,
    Pong,
    encode_message,
    masking_key,
    memory_of,
    serialize_frame,
    split_frames,
)
from .integrations import patch, patched, unpatch
from .kernels import (
    Utf8Validator,
    apply_mask,
    apply_mask_inplace,
    decode_utf8,
    encode_utf8,
    is_valid_utf8,
)
from .rfc6455 import CloseCode, Opcode, Role

__all__ = [
    "Close",
    "CloseCode",
    "CompressedMessage",
    "ConnectionClosed",
    "Frame",
    "FrameParser",
    "HandshakeError",
    "InvalidUtf8",
    "MessageDecoder",
    "MessageEncoder",
    "MessageTooBig",
    "Opcode",
    "Ping",
    "Pong",
    "ProtocolError",
    "Role",
    "StateError",
    "Utf8Validator",
    "WebSocketError",
    "__version__",
    "apply_mask",
    "apply_mask_inplace",
    "backend",
    "decode_utf8",
    "encode_message",
    "encode_utf8",
    "is_valid_utf8",
    "kernel",
    "masking_key",
    "memory_of",
    "patch",
    "patched",
    "serialize_frame",
    "split_frames",
    "unpatch",
]
