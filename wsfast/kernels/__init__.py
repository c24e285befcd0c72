"""Kernels: bytes to bytes, and bytes to text. No idea what a frame is."""

from typing import TYPE_CHECKING

from .._backend import USE_EXTENSIONS

if TYPE_CHECKING or not USE_EXTENSIONS:
    from .mask_py import apply_mask, apply_mask_inplace
    from .utf8_py import Utf8Validator, decode_utf8, encode_utf8, is_valid_utf8
else:
    from .mask_c import apply_mask, apply_mask_inplace
    from .utf8_c import Utf8Validator, decode_utf8, encode_utf8, is_valid_utf8

__all__ = [
    "Utf8Validator",
    "apply_mask",
    "apply_mask_inplace",
    "decode_utf8",
    "encode_utf8",
    "is_valid_utf8",
]
