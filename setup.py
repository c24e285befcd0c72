"""Builds the extension; everything else about the package is in pyproject.toml.

WSFAST_EXTENSION: unset = compiled where that works; 1 = compiled or fail; 0 = pure Python.
"""

import os
import sys
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, CompileError

CSRC = "wsfast/kernels/csrc"
DIRECTIVES = {
    "annotation_typing": False,
    # Built-in functions and method descriptors: they check the type of self, and are called
    # some 5 ns faster than Cython's own.
    "binding": False,
    # Their signatures, where inspect.signature and help() look for them.
    "embedsignature": True,
    "embedsignature.format": "clinic",
    "auto_pickle": False,
}

choice = os.environ.get("WSFAST_EXTENSION")
if choice not in (None, "0", "1"):
    sys.exit(f"WSFAST_EXTENSION is {choice!r}: leave it unset, or set it to 1 or 0")


class BuildAllOrNothing(build_ext):
    """Compiles every extension module or none: some without the others do not import.

    ``optional`` of ``Extension`` would leave some out; ``cythonize`` drops it anyway.
    """

    def build_extensions(self):
        try:
            super().build_extensions()
        except (BaseError, CCompilerError) as exc:
            if choice == "1":
                raise CompileError(
                    f"WSFAST_EXTENSION is 1, but the extension cannot be compiled: {exc}\n"
                    "Install a C compiler and the headers of Python, or unset it for pure Python."
                ) from exc
            for extension in self.extensions:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            self.extensions = []  # what is copied and installed after this
            print(f"wsfast is not compiled, and runs in pure Python: {exc}", file=sys.stderr)


extensions = []
if choice == "1" or (choice is None and sys.implementation.name == "cpython"):
    from Cython.Build import cythonize

    flags = [] if sys.platform == "win32" else ["-std=c11", "-O3", "-Wall", "-Wextra"]
    extensions = cythonize(
        [
            Extension(
                source.removesuffix(".pyx").replace("/", "."),
                [source, *(sorted(glob(f"{CSRC}/*.c")) if source.endswith("_simd.pyx") else [])],
                include_dirs=[CSRC],
                depends=glob(f"{CSRC}/*.h"),
                extra_compile_args=flags,
            )
            for source in sorted(glob("wsfast/**/*.pyx", recursive=True))
        ],
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
    )

setup(ext_modules=extensions, cmdclass={"build_ext": BuildAllOrNothing})
