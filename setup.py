"""Builds the extension; everything else about the package is in pyproject.toml.

WSFAST_EXTENSION: unset = compiled where a compiler is found; 1 = compiled or fail; 0 = pure Python.
"""

import os
import sys
from glob import glob

from setuptools import Extension, setup

CSRC = "wsfast/kernels/csrc"

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
        compiler_directives={"language_level": 3, "annotation_typing": False},
    )

setup(ext_modules=extensions)
