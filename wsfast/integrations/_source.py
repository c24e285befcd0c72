"""The source of a library's functions and classes, read from its file and from nowhere else.

``inspect.getsource`` asks every loaded module for its file, which wakes those that load lazily.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from functools import cache
from types import FunctionType
from typing import Any

__all__ = ["source_lines"]


def source_lines(found: Any) -> tuple[list[str], int]:
    """Read the lines of a function or class, decorators included, and the number of the first.

    Args:
        found: a Python function, which is taken as it is, whatever it wraps, or a class.

    Raises:
        OSError: they are not at hand.
    """
    if isinstance(found, FunctionType):
        file, namespace = found.__code__.co_filename, found.__globals__
        lines = linecache.getlines(file, namespace)
        first = found.__code__.co_firstlineno
    else:
        namespace = vars(sys.modules[found.__module__])
        file = namespace.get("__file__") or ""
        lines = linecache.getlines(file, namespace)
        first = _first_lines_of_classes("".join(lines)).get(found.__qualname__, 0)
    if not 0 < first <= len(lines):
        raise OSError(f"the source of {found.__qualname__} is not at hand")
    return inspect.getblock(lines[first - 1 :]), first


@cache
def _first_lines_of_classes(source: str) -> dict[str, int]:
    """Find where the classes of a module begin, by their qualified names."""
    found: dict[str, int] = {}

    def look_into(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, ast.ClassDef):
                name = prefix + child.name
                first = min([child.lineno, *(part.lineno for part in child.decorator_list)])
                found.setdefault(name, first)
                inner = f"{name}."
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = f"{prefix}{child.name}.<locals>."
            look_into(child, inner)

    look_into(ast.parse(source), "")
    return found
