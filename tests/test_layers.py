"""The arrows between the layers point one way; see docs/architecture.md."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "wsfast"

# A layer imports from its own folder and from those before it.
LAYERS = [
    {"kernels"},
    {"frames"},
    {"protocol"},
    {"config"},
    {"flow"},
    {"asyncio", "sync"},
    {"integrations"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

# Open to all; they import each other and no layer.
OPEN = {"rfc6455", "exceptions", "_backend", "_simd", "_version"}

# The doors look at everything: the package itself, and the command line.
DOORS = {"", "__main__", "cli"}

SOURCES = sorted(path for path in ROOT.rglob("*") if path.suffix in (".py", ".pyx", ".pxd"))


def part_of(module):
    """The layer, or the open module, that a dotted name inside wsfast belongs to."""
    return module.split(".")[0]


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path):
    return list(path.relative_to(ROOT).parts[:-1])


def resolve(package, dots, module):
    """The name, inside wsfast, of what ``from <dots><module> import`` reads; None outside."""
    if dots:
        package = package[: len(package) - dots + 1]
        return ".".join([*package, *filter(None, [module])])
    if module.split(".")[0] == "wsfast":
        return module.partition(".")[2]
    return None


def imports(path, source):
    """What a source imports of wsfast, by names inside it."""
    for dots, module, names in statements(path, source):
        target = resolve(package_of(path), dots, module)
        if target is None:
            continue
        if target == "":  # from . import a, b
            yield from names
        else:
            yield target


def statements(path, source):
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                yield from ((0, alias.name, []) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.level, node.module or "", [alias.name for alias in node.names]
    else:
        pattern = r"^\s*from +(\.*)([\w.]*) +c?import +\(?([\w, \n]+)|^\s*c?import +([\w.]+)"
        for dots, module, names, plain in re.findall(pattern, source, re.MULTILINE):
            yield len(dots), module or plain, re.findall(r"\w+", names)


def arrows_the_wrong_way(path, source):
    here = part_of(module_of(path))
    if here in DOORS:
        return []
    targets = {part_of(target) for target in imports(path, source)} - OPEN
    if here in OPEN:
        return sorted(targets)
    return sorted(
        target
        for target in targets - {here}
        if target not in RANK or here not in RANK or RANK[target] >= RANK[here]
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_its_own_folder_and_those_before(path):
    assert arrows_the_wrong_way(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_belongs_to_a_layer_or_is_open_to_all(path):
    assert part_of(module_of(path)) in DOORS | OPEN | set(RANK)


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        ("kernels/a.py", "from ..frames.codec_py import Frame", ["frames"]),
        ("kernels/a.py", "from .. import frames", ["frames"]),
        ("kernels/a.py", "import wsfast.protocol", ["protocol"]),
        ("kernels/a.py", "def f():\n    from wsfast.frames import Frame", ["frames"]),
        ("kernels/a.pyx", "from ..frames.codec_c cimport header", ["frames"]),
        ("kernels/a.pyx", "cimport wsfast.frames.codec_c", ["frames"]),
        ("frames/a.pxd", "from .. cimport protocol", ["protocol"]),
        ("sync.py", "from .asyncio import client", ["asyncio"]),
        ("asyncio/a.py", "from ..cli import main", ["cli"]),
        ("rfc6455.py", "from .kernels import apply_mask", ["kernels"]),
        ("frames/a.py", "import asyncio\nfrom ..kernels import x\nfrom ..rfc6455 import y", []),
        ("frames/a.pyx", "from libc.string cimport memcpy\nfrom .codec_c cimport x", []),
        ("asyncio/a.py", "from ..protocol.connection import Connection", []),
        ("_backend.py", "from . import _simd", []),
        ("integrations/a.py", "from .. import __version__", ["__version__"]),
        ("integrations/a.py", "from ..protocol import connection\nfrom . import _seams", []),
        ("cli.py", "from . import __version__\nfrom .integrations import uvicorn", []),
    ],
)
def test_this_test_sees_arrows(path, source, found):
    assert arrows_the_wrong_way(ROOT / path, source) == found
