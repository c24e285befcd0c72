"""Which backend and kernel run: the table of WSFAST_EXTENSION and WSFAST_KERNEL."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import wsfast

PACKAGE = Path(wsfast.__file__).parent

SHOW = "import wsfast; print(wsfast.backend, wsfast.kernel)"


def run(code=SHOW, *, package=PACKAGE, **variables):
    """Run Python with no other choice than these; its result, or the last line of its error."""
    environment = {name: value for name, value in os.environ.items() if "WSFAST" not in name}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**environment, **variables, "PYTHONPATH": str(package.parent)},
        cwd=package.parent,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def without_extension(tmp_path_factory):
    """The package as it is where nothing was compiled."""
    copy = tmp_path_factory.mktemp("pure") / "wsfast"
    compiled = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(PACKAGE, copy, ignore=compiled)
    return copy


@pytest.fixture(scope="module")
def widest(twins):
    """The kernel that is used where none is asked for."""
    from wsfast import _simd

    return _simd.kernel_names()[-1]


class TestWithTheExtension:
    def test_unset_takes_it_and_the_widest_kernel(self, widest):
        assert run() == f"compiled {widest}"

    def test_1_takes_it(self, widest):
        assert run(WSFAST_EXTENSION="1") == f"compiled {widest}"

    def test_0_leaves_it(self, twins):
        assert run(WSFAST_EXTENSION="0") == "python python"

    def test_all_twins_switch_together(self, twins):
        code = (
            "import wsfast; print(*sorted({getattr(wsfast, name).__module__[-2:] for name in "
            "('apply_mask', 'is_valid_utf8', 'FrameParser', 'MessageDecoder')}))"
        )
        assert run(code, WSFAST_EXTENSION="1") == "_c"
        assert run(code, WSFAST_EXTENSION="0") == "py"

    def test_0_loads_nothing_compiled(self, twins):
        code = (
            "import sys, wsfast; print([name for name in sys.modules "
            "if name.startswith('wsfast') and name.endswith(('_c', '_simd'))])"
        )
        assert run(code, WSFAST_EXTENSION="0") == "[]"


class TestWithoutTheExtension:
    def test_unset_falls_back_to_python(self, without_extension):
        assert run(package=without_extension) == "python python"

    def test_0_takes_python(self, without_extension):
        assert run(package=without_extension, WSFAST_EXTENSION="0") == "python python"

    def test_1_is_an_error(self, without_extension):
        error = run(package=without_extension, WSFAST_EXTENSION="1")
        assert error.startswith("ImportError: WSFAST_EXTENSION is 1, but the extension does not")

    def test_a_kernel_is_an_error(self, without_extension):
        error = run(package=without_extension, WSFAST_KERNEL="scalar")
        assert error.startswith("ValueError: WSFAST_KERNEL is 'scalar', but the backend is Python")


class TestWithHalfAnExtension:
    """Once the choice is made, there is no way back to Python for a part of the package."""

    def test_a_missing_module_is_an_error(self, twins, tmp_path):
        copy = tmp_path / "wsfast"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("codec_c.*", "__pycache__"))
        assert run(package=copy).startswith("ModuleNotFoundError: No module named")


@pytest.mark.parametrize("value", ["", "2", "yes", "true", "01"])
def test_any_other_choice_is_an_error(value):
    assert run(WSFAST_EXTENSION=value).startswith(f"ValueError: WSFAST_EXTENSION is {value!r}: ")


def test_each_kernel_can_be_forced(kernel):
    assert run(WSFAST_KERNEL=kernel) == f"compiled {kernel}"
    assert run(WSFAST_KERNEL=kernel, WSFAST_EXTENSION="1") == f"compiled {kernel}"


@pytest.mark.parametrize("name", ["", "mmx", "AVX2", "ünknown"])
def test_an_unknown_kernel_is_an_error(twins, name):
    error = run(WSFAST_KERNEL=name, PYTHONIOENCODING="utf-8")
    assert error.startswith(f"ValueError: kernel {name!r}: there is no such kernel; choose from ")


def test_a_kernel_of_other_cpus_is_an_error(twins):
    foreign = "avx2" if platform.machine() in ("aarch64", "arm64") else "neon"
    assert run(WSFAST_KERNEL=foreign).startswith(
        f"ValueError: kernel {foreign!r}: this CPU cannot run it; choose from scalar"
    )


def test_a_kernel_with_the_python_backend_is_an_error():
    error = run(WSFAST_KERNEL="scalar", WSFAST_EXTENSION="0")
    assert error.startswith("ValueError: WSFAST_KERNEL is 'scalar', but the backend is Python")


def test_every_cpu_has_the_scalar_kernel(twins):
    from wsfast import _simd

    names = _simd.kernel_names()
    assert names[0] == "scalar"
    assert len(names) == len(set(names))


def test_a_refused_kernel_changes_nothing(kernel):
    from wsfast import _simd

    with pytest.raises(ValueError, match="there is no such kernel"):
        _simd.use_kernel("none of them")
    assert _simd.kernel_name() == kernel
