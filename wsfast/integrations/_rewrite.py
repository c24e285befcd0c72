"""A library's own function, with one method call exchanged for a function.

For seams where the slow call stands in the middle of a long function: ``data.decode()`` becomes
``decode_utf8(data)``, say, and all else stays the library's, in each of its versions.
"""

from __future__ import annotations
import __future__

import ast
import textwrap
from typing import Any

from ._seams import Function
from ._source import source_lines

__all__ = ["exchange_call"]


def exchange_call(
    original: Function, method: str, function: Function, *arguments: object
) -> Function:
    """Build ``original`` anew, with ``function(x)`` wherever it calls ``x.method(*arguments)``.

    Globals, defaults and line numbers stay the original's, which must have no decorator and be no
    closure.
    """
    code = original.__code__
    lines, first_line = source_lines(original)
    name = function.__name__
    # An outer function lends the name to the inner one, without a trace in the library's globals.
    source = f"def outer({name}):\n{textwrap.indent(textwrap.dedent(''.join(lines)), ' ')}"
    tree = _Exchange(method, name, list(arguments)).visit(ast.parse(source))
    (outer,) = tree.body
    outer.body.append(ast.Return(ast.Name(original.__name__, ast.Load())))
    ast.increment_lineno(tree, first_line - 2)
    flags = code.co_flags & __future__.annotations.compiler_flag
    namespace: dict[str, Any] = {}
    exec(
        compile(ast.fix_missing_locations(tree), code.co_filename, "exec", flags, True),
        original.__globals__,
        namespace,
    )
    exchanged: Function = namespace["outer"](function)
    return exchanged


class _Exchange(ast.NodeTransformer):
    def __init__(self, method: str, function: str, arguments: list[object]) -> None:
        self._method = method
        self._function = function
        self._arguments = arguments

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Attribute(value, self._method), given, []) if [
                getattr(argument, "value", argument) for argument in given
            ] == self._arguments:
                call = ast.Call(ast.Name(self._function, ast.Load()), [value], [])
                return ast.copy_location(call, node)
        return node
