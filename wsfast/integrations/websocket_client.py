"""websocket-client (``import websocket``) on wsfast: ``patch()`` and ``unpatch()``.

======================================  ===========================================================
seam                                    what changes
======================================  ===========================================================
``websocket._utils._validate_utf8``     texts and close reasons are validated in C, where an
                                        automaton in Python took 95 % of the time of a long text,
                                        unless wsaccel was installed
``websocket._core.WebSocket.recv``      texts are decoded in C
``websocket._abnf``:                    a text or a binary message of one frame is read past eight
``frame_buffer.recv_frame``             methods that keep account of parts
``websocket._core.recv``                bytes that are there are returned past two functions
``websocket._abnf.ABNF.mask``           frames are masked in C
``websocket._abnf.ABNF.create_frame``   texts are encoded in C
======================================  ===========================================================

All are looked up at call time, so that it does not matter who has imported what before.

The socket is read as the library reads it, by the same calls: two for a short frame, three for one
of 126 bytes, four for one of 64 KiB, and one more for every 16 KiB. It never reads ahead, since
programs wait for its socket. These calls are a third of what is left of a message of 100 bytes.
"""

from __future__ import annotations

from typing import Any

from ..kernels import Utf8Validator, apply_mask, decode_utf8, encode_utf8, is_valid_utf8
from ..rfc6455 import FIN, LENGTH_16, OPCODE_BITS, Opcode
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]


_MESSAGES = frozenset((FIN | Opcode.TEXT, FIN | Opcode.BINARY))

# Most bytes that the library asks a socket for.
_MOST_AT_ONCE = 16_384

# What a frame goes past, and a buffer may have of its own; the last three before 1.9.
_READING = frozenset(
    (
        *("recv_header", "recv_length", "recv_mask", "recv_strict", "has_mask"),
        *("needs_header", "needs_length", "needs_mask"),
        *("has_received_header", "has_received_length", "has_received_mask"),
    )
)


def patch() -> bool:
    """Run websocket-client on wsfast: what is imported already, and what will be.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


def _validate_utf8(original: Function, module: Any) -> Function:
    def _validate_utf8(utfbytes: Any) -> Any:
        if type(utfbytes) is not bytes:
            return original(utfbytes)
        # To this library, text that ends inside a character is valid.
        return is_valid_utf8(utfbytes) or Utf8Validator().validate(utfbytes)[0]

    return _validate_utf8


def _recv(original: Function, module: Any) -> Function:
    text = module.ABNF.OPCODE_TEXT
    binary = module.ABNF.OPCODE_BINARY

    def recv(self: Any) -> Any:
        with self.readlock:
            opcode, data = self.recv_data()
        if opcode == text:
            if isinstance(data, bytes):
                return decode_utf8(data)
            return data if isinstance(data, str) else None
        return data if opcode == binary else ""

    return recv


def _recv_frame(original: Function, module: Any) -> Function:
    kind = module.frame_buffer
    recv_strict = kind.recv_strict

    def take(self: Any) -> Any:
        """Read a frame, unless it is for the original to go on with what has been read of it."""
        head = self.recv(2)
        if len(head) < 2 or head[0] not in _MESSAGES or head[1] > LENGTH_16:
            self.recv_buffer.append(head)
            return None
        opcode, length = head[0] & OPCODE_BITS, head[1]
        self.header = 1, 0, 0, 0, opcode, 0, length
        if length == LENGTH_16:
            head = self.recv(2)
            if len(head) < 2:
                self.recv_buffer.append(head)
                return None
            length = int.from_bytes(head, "big")
        self.length, self.mask_value = length, ""
        payload = self.recv(min(length, _MOST_AT_ONCE)) if length else b""
        if len(payload) < length:
            self.recv_buffer.append(payload)
            return None
        self.clear()
        frame = module.ABNF(1, 0, 0, 0, opcode, 0, payload)
        frame.validate(self.skip_utf8_validation)
        return frame

    def recv_frame(self: Any) -> Any:
        if (
            type(self) is kind
            and kind.recv_strict is recv_strict
            and self.__dict__.keys().isdisjoint(_READING)
        ):
            with self.lock:
                frame = take(self) if self.header is None and not self.recv_buffer else None
            if frame is not None:
                return frame
        return original(self)

    return recv_frame


def _recv_bytes(original: Function, module: Any) -> Function:
    def recv(sock: Any, bufsize: int) -> Any:
        if not sock:
            return original(sock, bufsize)
        try:
            received = sock.recv(bufsize)
        except Exception as exc:
            return original(_Again(sock, exc), bufsize)
        return received or original(_Again(sock, received), bufsize)

    return recv


class _Again:
    """A socket whose ``recv`` has raised, or returned nothing, and does so once more.

    For what that means, and whether to wait and try again, is known to the original.
    """

    def __init__(self, sock: Any, outcome: Any) -> None:
        self._sock = sock
        self._outcomes = [outcome]

    def recv(self, bufsize: int) -> Any:
        if not self._outcomes:
            return self._sock.recv(bufsize)
        outcome = self._outcomes.pop()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def _mask(original: Function, module: Any) -> Function:
    def mask(mask_key: Any, data: Any) -> Any:
        if type(mask_key) is bytes and type(data) is bytes and len(mask_key) == 4:
            return apply_mask(data, mask_key)
        return original(mask_key, data)

    return mask


def _create_frame(original: Function, module: Any) -> Function:
    text = module.ABNF.OPCODE_TEXT

    def create_frame(data: Any, opcode: int, fin: int = 1) -> Any:
        if opcode == text and type(data) is str:
            data = encode_utf8(data)
        return original(data, opcode, fin)

    return create_frame


# The library has two, and takes the second where wsaccel is installed.
_VALIDATORS = ("40d8204c597c", "13c2c0a8b88f")

integration = Integration(
    "websocket-client",
    versions=("1.7.0", "1.8.0", "1.9.0", "1.9.1", "1.9.2"),
    seams=(
        Seam("websocket._utils", "_validate_utf8", _VALIDATORS, _validate_utf8),
        Seam("websocket._core", "WebSocket.recv", ("db2d1b7096fc",), _recv),
        Seam(
            "websocket._abnf",
            "frame_buffer.recv_frame",
            ("6aac3ff3a13a", "7bad133b0879", "aa4916a08a23"),
            _recv_frame,
        ),
        Seam(
            "websocket._core",
            "recv",
            ("9c5c19b43f2a", "f597bdee38b8"),
            _recv_bytes,
        ),
        Seam("websocket._abnf", "ABNF.mask", ("3a1af1f21a92",), _mask),
        Seam("websocket._abnf", "ABNF.create_frame", ("31f3e253ec97",), _create_frame),
    ),
    gains="received texts, long ones a hundredfold, and short messages; both less beside wsaccel",
)
