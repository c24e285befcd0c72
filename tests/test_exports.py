"""What the package exports, and where it comes from."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import wsfast

ROOT = Path(wsfast.__file__).parent

# Everything that these export is exported at the top.
SUBPACKAGES = ["kernels", "frames", "exceptions", "rfc6455"]

OWN = {"__version__", "backend", "kernel", "patch", "patched", "unpatch"}


def test_the_top_exports_what_the_subpackages_do_and_its_own_names():
    exported = [name for part in SUBPACKAGES for name in import_module(f"wsfast.{part}").__all__]
    assert sorted({*exported, *OWN}) == sorted(wsfast.__all__)
    assert len(exported) == len(set(exported))


@pytest.mark.parametrize("part", SUBPACKAGES)
def test_a_name_is_the_same_object_everywhere(part):
    module = import_module(f"wsfast.{part}")
    for name in module.__all__:
        assert getattr(wsfast, name) is getattr(module, name)


@pytest.mark.parametrize("part", ["", *SUBPACKAGES])
def test_exports_are_sorted_and_exist(part):
    module = import_module(f"wsfast.{part}".rstrip("."))
    assert list(module.__all__) == sorted(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)


@pytest.mark.parametrize("name", sorted(set(wsfast.__all__) - OWN))
def test_everything_public_has_a_docstring(name):
    assert getattr(wsfast, name).__doc__


def test_backend_and_kernel_are_plain_names():
    assert wsfast.backend in ("compiled", "python")
    assert (wsfast.kernel == "python") == (wsfast.backend == "python")


def test_the_version_is_written_in_one_place():
    version = re.compile(re.escape(wsfast.__version__))
    sources = [path for path in ROOT.rglob("*.py") if version.search(path.read_text("utf-8"))]
    assert sources == [ROOT / "_version.py"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|(a|b|rc)\d+)?", wsfast.__version__)


def test_the_package_is_typed():
    assert (ROOT / "py.typed").exists()
