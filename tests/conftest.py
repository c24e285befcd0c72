"""Which implementation a test runs on.

A missing extension fails the tests that ask for it; only ``WSFAST_EXTENSION=0`` leaves them out.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest

# eventlet brings its own DNS, which imports trio by way of httpx where both are installed, and trio
# does not like the sockets of eventlet. No test needs a host name.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")

# Any import mode of pytest finds the helpers of the tests, and the oracle shared with the fuzzers.
sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "fuzz")]

hypothesis.settings.register_profile("wsfast", max_examples=1000, deadline=None, print_blob=True)
hypothesis.settings.register_profile(
    "thorough", hypothesis.settings.get_profile("wsfast"), max_examples=20_000
)
hypothesis.settings.load_profile("wsfast")

TWINS = {
    "mask": "wsfast.kernels.mask",
    "utf8": "wsfast.kernels.utf8",
    "codec": "wsfast.frames.codec",
    "keys": "wsfast.frames.keys",
    "memory": "wsfast.frames.memory",
    "messages": "wsfast.frames.messages",
    "stream": "wsfast.asyncio.stream",
}

PYTHON_ONLY = os.environ.get("WSFAST_EXTENSION") == "0"


def _kernel_names():
    if PYTHON_ONLY:
        return []
    try:
        from wsfast._simd import kernel_names
    except ImportError:
        return ["scalar"]  # which then fails, for want of the extension
    return kernel_names()


def _twins(suffix):
    modules = {name: import_module(f"{path}_{suffix}") for name, path in TWINS.items()}
    return SimpleNamespace(name=suffix, **modules)


BACKENDS = ["python"] if PYTHON_ONLY else ["c", "python"]
KERNELS = _kernel_names()


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request):
    """The modules of one backend, by their names in ``TWINS``."""
    return _twins("py" if request.param == "python" else "c")


@pytest.fixture(scope="session")
def twins():
    """Both backends: the compiled one, and the Python one that is its specification."""
    if PYTHON_ONLY:
        pytest.skip("WSFAST_EXTENSION is 0")
    return SimpleNamespace(c=_twins("c"), python=_twins("py"))


@pytest.fixture(scope="module", params=[*KERNELS, "python"])
def implementation(request):
    """Like ``backend``, with the compiled one once for each kernel that this CPU has."""
    if request.param == "python":
        yield _twins("py")
        return
    from wsfast import _simd

    chosen = _simd.kernel_name()
    _simd.use_kernel(request.param)
    yield _twins("c")
    _simd.use_kernel(chosen)


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request):
    """Each kernel that this CPU has, in use while the test runs; gives its name."""
    from wsfast import _simd

    chosen = _simd.kernel_name()
    _simd.use_kernel(request.param)
    yield request.param
    _simd.use_kernel(chosen)


@pytest.fixture
def entropy(monkeypatch):
    """The blocks that are drawn from the operating system while the test runs."""
    blocks = []
    urandom = os.urandom

    def recorded(size):
        blocks.append(urandom(size))
        return blocks[-1]

    monkeypatch.setattr(os, "urandom", recorded)
    return blocks
