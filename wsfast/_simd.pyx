"""The compiled kernels, and which of them runs.

Holds the C code of ``kernels/csrc`` once for all compiled modules, which reach the table in use by
cimport. Knows nothing of Python objects beyond the names of the kernels.
"""


def kernel_names() -> list[str]:
    """Name the kernels that this CPU can run, narrowest first."""
    names = []
    while wsf_kernels_at(len(names)) is not NULL:
        names.append(wsf_kernels_at(len(names)).name.decode())
    return names


def kernel_name() -> str:
    """Name the kernel in use."""
    return kernels.name.decode()


def use_kernel(name: str) -> None:
    """Use the kernel of this name from now on, in all compiled modules.

    Raises:
        ValueError: the name is unknown, or this CPU has no such kernel.
    """
    global kernels
    wanted = name.encode()
    found = wsf_kernels_named(wanted)
    if found is NULL:
        fault = "this CPU cannot run it" if wsf_kernels_known(wanted) else "there is no such kernel"
        raise ValueError(f"kernel {name!r}: {fault}; choose from {', '.join(kernel_names())}")
    kernels = found


cdef size_t utf8_first_error(const uint8_t* src, size_t n) noexcept nogil:
    return wsf_utf8_first_error(src, n)


cdef size_t utf8_unfinished(const uint8_t* src, size_t n) noexcept nogil:
    return wsf_utf8_unfinished(src, n)


kernels = wsf_kernels_at(0)
use_kernel(kernel_names()[-1])
