"""Builds the extension; everything else about the package is in pyproject.toml.

WSFAST_EXTENSION: unset = compiled where a compiler is found; 1 = compiled or fail; 0 = pure Python.
"""

import os
import sys
from glob import glob

from setuptools import Extension, setup

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
                optional=choice is None,
            )
            for source in sorted(glob("wsfast/**/*.pyx", recursive=True))
        ],
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
    )

setup(ext_modules=extensions)
