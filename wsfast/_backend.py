"""The one decision: compiled or Python, for the whole package.

``WSFAST_EXTENSION`` in the environment:

- unset: compiled if the extension imports, else Python (and Python on anything but CPython);
- ``1``: compiled, or ImportError;
- ``0``: Python;
- anything else: ValueError.

``WSFAST_KERNEL`` forces one of the compiled kernels by name; a name that is unknown, or absent on
this CPU or in this backend, is a ValueError.

This module holds the only ``except ImportError`` around compiled code. Once it has decided, a
compiled module that does not import is an error, and never a silent mixture of the two.
"""

from __future__ import annotations

import os
import sys

__all__ = ["USE_EXTENSIONS", "backend", "kernel"]


def _decide() -> tuple[bool, str]:
    choice = os.environ.get("WSFAST_EXTENSION")
    if choice not in (None, "0", "1"):
        raise ValueError(
            f"WSFAST_EXTENSION is {choice!r}: leave it unset (compiled where possible), or set it "
            "to 1 (compiled or an error) or 0 (Python)"
        )
    wanted = os.environ.get("WSFAST_KERNEL")
    if choice != "0":
        try:
            if sys.implementation.name != "cpython":
                raise ImportError(f"no extension for {sys.implementation.name}")
            from . import _simd
        except ImportError as exc:
            if choice == "1":
                raise ImportError(
                    f"WSFAST_EXTENSION is 1, but the extension does not import: {exc}"
                ) from exc
        else:
            if wanted is not None:
                _simd.use_kernel(wanted)
            return True, _simd.kernel_name()
    if wanted is not None:
        raise ValueError(
            f"WSFAST_KERNEL is {wanted!r}, but the backend is Python, which has no kernels to "
            "choose from: unset it, or use the extension"
        )
    return False, "python"


USE_EXTENSIONS, kernel = _decide()
backend = "compiled" if USE_EXTENSIONS else "python"
