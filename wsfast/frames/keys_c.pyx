"""Masking keys in C: the twin of ``keys_py``.

RFC 6455 section 5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be
derived from a strong source of entropy". Both twins take their keys from blocks of ``os.urandom``
and never use four bytes twice. No key survives a fork, however a process forks: parent and child
would mask with the same. Knows nothing of frames.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from .keys_py import KEYS_A_BLOCK, fresh_block

# The pool: how many keys are left, and then the keys. They are used from the last to the first, so
# that the number is the place of the next one; with none left that is the number itself, 0.
cdef extern from *:
    """
    enum { WSF_KEYS_A_BLOCK = 1023 };

    /* The next key; 0 if none is left, or if the process has forked. A signal handler may fork
     * between any two steps: the memory is empty then, and whatever is read there next is 0. */
    static inline uint32_t wsf_pop_key(volatile uint32_t *pool)
    {
        const uint32_t left = pool[0];
        const uint32_t key = pool[left];

        if (key != 0)
            pool[0] = left - 1;
        return key;
    }

    #ifdef _WIN32
    static long wsf_process(void) { return 1; } /* which does not fork */
    static void *wsf_wiped_on_fork(size_t size) { (void)size; return NULL; }
    #else
    #include <sys/mman.h>
    #include <unistd.h>
    #if defined(__linux__) && !defined(MADV_WIPEONFORK)
    #define MADV_WIPEONFORK 18 /* newer than the headers of some */
    #endif

    static long wsf_process(void) { return (long)getpid(); }

    /* Memory that any fork leaves empty in the child; NULL where the system has none. */
    static void *wsf_wiped_on_fork(size_t size)
    {
    #ifdef MADV_WIPEONFORK
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED)
            return NULL;
        /* Whatever takes any advice (an emulator, say) follows none. */
        if (madvise(memory, size, -1) != 0 && madvise(memory, size, MADV_WIPEONFORK) == 0)
            return memory;
        munmap(memory, size);
    #endif
        (void)size;
        return NULL;
    }
    #endif
    """
    enum: WSF_KEYS_A_BLOCK
    uint32_t wsf_pop_key(volatile uint32_t* pool)
    long wsf_process()
    void* wsf_wiped_on_fork(size_t size)

__all__ = ["masking_key"]

assert KEYS_A_BLOCK == WSF_KEYS_A_BLOCK

cdef uint32_t[1 + WSF_KEYS_A_BLOCK] plain_pool
cdef uint32_t* pool = <uint32_t*>wsf_wiped_on_fork(sizeof(plain_pool))
cdef bint compares = False  # whether the process is compared for each key
cdef long process = 0  # that the block was drawn by


def masking_key() -> bytes:
    """Draw a masking key: 4 bytes of the operating system's entropy, used once (section 5.3).

    >>> len(masking_key())
    4
    """
    cdef uint32_t key = next_key()
    return PyBytes_FromStringAndSize(<char*>&key, sizeof(key))


cdef uint32_t next_key() except? 0:
    cdef uint32_t key
    if compares and process != wsf_process():
        pool[0] = 0
    key = wsf_pop_key(pool)
    return key if key else first_of_a_block()


cdef uint32_t first_of_a_block() except? 0:
    global process
    cdef bytes block = fresh_block()
    # Nothing of Python runs from here on.
    memcpy(pool + 1, PyBytes_AS_STRING(block), WSF_KEYS_A_BLOCK * sizeof(pool[0]))
    process = wsf_process()
    pool[0] = WSF_KEYS_A_BLOCK - 1
    return pool[WSF_KEYS_A_BLOCK]


def compare_processes() -> None:
    """Go on without memory that a fork wipes, as on systems that have none. Tests try both."""
    global pool, compares
    pool, compares = plain_pool, True


if pool is NULL:
    compare_processes()
