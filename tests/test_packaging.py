"""What is in the source distribution, and what becomes of it where nothing can be compiled.

None of this depends on the backend that the tests run on.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import PYTHON_ONLY

pytestmark = pytest.mark.skipif(PYTHON_ONLY, reason="the same on both backends")

ROOT = Path(__file__).parents[1]

# Tracked, and of use in a repository only.
ONLY_HERE = {".gitignore", ".ci/run"}


def call(*command, cwd, **environment):
    inherited = {name: os.environ[name] for name in os.environ if name != "WSFAST_EXTENSION"}
    return subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def sdist(tmp_path):
    """The names of the files in a source distribution of this tree."""
    setup = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", tmp_path]
    made = call(*setup, "sdist", "--dist-dir", tmp_path / "dist", cwd=ROOT, WSFAST_EXTENSION="0")
    assert made.returncode == 0, made.stdout
    [archive] = (tmp_path / "dist").iterdir()
    with tarfile.open(archive) as tar:
        return {member.name.partition("/")[2] for member in tar if member.isfile()}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no repository to compare it with")
def test_the_source_distribution_has_every_file_of_the_repository_and_no_other(sdist):
    listed = call("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT).stdout.split("\0")
    here = {name for name in listed if name and (ROOT / name).exists()} - ONLY_HERE
    generated = {name for name in sdist if name == "PKG-INFO" or name == "setup.cfg"}
    generated |= {name for name in sdist if name.startswith("wsfast.egg-info/")}
    assert sorted(here - sdist) == []
    assert sorted(sdist - here - generated) == []


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of what is built from, in which nothing is compiled yet."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    unbuilt = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(ROOT / "wsfast", tree / "wsfast", ignore=unbuilt)
    (tree / "no-programs").mkdir()
    return tree


def test_an_install_without_a_compiler_is_pure_python_and_says_so_once(tree):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-v"]
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--target", "installed", "."]
    done = call(*pip, *options, cwd=tree, PATH=str(tree / "no-programs"))
    assert done.returncode == 0, done.stdout
    said = [line for line in done.stdout.splitlines() if "pure Python" in line]
    assert len(said) == 1
    assert said[0].strip().startswith("wsfast is not compiled, and runs in pure Python: ")
    assert not [*(tree / "installed").rglob("*.so")]
    code = "import wsfast; print(wsfast.__file__, wsfast.backend)"
    installed = str(tree / "installed")
    used = call(sys.executable, "-c", code, cwd=tree / "no-programs", PYTHONPATH=installed)
    assert used.stdout == f"{tree / 'installed' / 'wsfast' / '__init__.py'} python\n"


def test_a_build_that_must_be_compiled_fails_without_a_compiler_and_says_what_to_do(tree):
    build = [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", "built"]
    done = call(*build, cwd=tree, PATH=str(tree / "no-programs"), WSFAST_EXTENSION="1")
    assert done.returncode == 1
    assert "error: WSFAST_EXTENSION is 1, but the extension cannot be compiled: " in done.stdout
    assert "Install a C compiler and the headers of Python, or unset it" in done.stdout


def test_nothing_of_an_earlier_build_stays_where_the_compiler_is_gone(tree):
    ask = "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"
    suffix = call(sys.executable, "-c", ask, cwd=tree).stdout.strip()
    earlier = tree / "built" / "wsfast" / f"_simd{suffix}"
    earlier.parent.mkdir(parents=True, exist_ok=True)
    earlier.write_bytes(b"of an earlier build")
    os.utime(earlier, (0, 0))
    build = [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", "built"]
    done = call(*build, cwd=tree, PATH=str(tree / "no-programs"))
    assert done.returncode == 0, done.stdout
    assert not earlier.exists()
