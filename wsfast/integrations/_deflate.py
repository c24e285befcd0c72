"""Another DEFLATE for libraries that compress with ``zlib`` and take no other.

Such a library looks up a global ``zlib`` in one or two of its modules. The seams here put a module
there that has all names of ``zlib``, and of which what compresses and decompresses is another's.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from ._seams import Seam

__all__ = ["stand_in", "zlib_of"]


@cache
def stand_in(name: str) -> ModuleType:
    """Build a module with the interface of ``zlib`` on a backend.

    Levels are taken as zlib counts them; a backend that does not go as far takes its highest.

    Args:
        name: ``"zlib"``, which is the module itself, ``"zlib-ng"`` or ``"isal"``.

    Raises:
        ValueError: there is no such backend.
        ImportError: it is not installed; the text says what to install.
    """
    # Here and not above: patching brings no more of wsfast into a program than it needs.
    from ..protocol.deflate_codec import BACKENDS, load_backend

    if name not in BACKENDS:
        raise ValueError(f"deflate is {name!r}: it can be {', '.join(map(repr, BACKENDS))}")
    backend, module = BACKENDS[name], load_backend(name)
    if module is zlib:
        return zlib

    def compressobj(level: int = zlib.Z_DEFAULT_COMPRESSION, *args: Any, **kwargs: Any) -> Any:
        if level == zlib.Z_DEFAULT_COMPRESSION:
            level = backend.default_level
        return module.compressobj(min(level, backend.max_level), *args, **kwargs)

    made = ModuleType("zlib", f"``zlib`` on {module.__name__}.")
    names = vars(zlib) | vars(module) | {"compressobj": compressobj}
    vars(made).update((name, value) for name, value in names.items() if not name.startswith("_"))
    return made


def zlib_of(*modules: str) -> Callable[[ModuleType], Sequence[Seam]]:
    """Build the ``deflate`` of an ``Integration`` whose modules look up a global ``zlib``."""

    def seams(module: ModuleType) -> Sequence[Seam]:
        def replacement(original: Any, holder: Any) -> ModuleType:
            return module

        return [Seam(holder, "zlib", ("module zlib",), replacement) for holder in modules]

    return seams
