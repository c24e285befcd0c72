"""websocket-client (``import websocket``) on wsfast: ``patch()`` and ``unpatch()``.

======================================  ===========================================================
seam                                    what changes
======================================  ===========================================================
``websocket._utils._validate_utf8``     texts and close reasons are validated in C, where an
                                        automaton in Python took 95 % of the time of a long text
``websocket._core.WebSocket.recv``      texts are decoded in C
``websocket._abnf.ABNF.mask``           frames are masked in C
``websocket._abnf.ABNF.create_frame``   texts are encoded in C
======================================  ===========================================================

All four are looked up at call time, so that it does not matter who has imported what before.
Reading the socket is left to the library: it never reads ahead, and programs that wait for its
socket rely on that.
"""

from __future__ import annotations

from typing import Any

from ..kernels import Utf8Validator, apply_mask, decode_utf8, encode_utf8
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]


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
        # Not is_valid_utf8: to this library, text that ends inside a character is valid.
        return Utf8Validator().validate(utfbytes)[0]

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
        Seam("websocket._abnf", "ABNF.mask", ("3a1af1f21a92",), _mask),
        Seam("websocket._abnf", "ABNF.create_frame", ("31f3e253ec97",), _create_frame),
    ),
)
