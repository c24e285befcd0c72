/* check.h: what the kernel tests share: buffers at whose ends a kernel is caught when it steps
 * outside, reproducible random bytes, and one way to fail.
 *
 * The address sanitizer watches heap blocks but not masked vector accesses; the fences catch
 * those, and need no sanitizer. So each test uses both. */
#ifndef CHECK_H
#define CHECK_H

#include "kernels.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Ends the test. */
static inline void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("FAIL: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* The same numbers in every run, so that a failure comes again. */
static inline uint32_t random_number(void)
{
    static uint64_t state = 6455;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static inline void random_bytes(uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)random_number();
}

/* n bytes that end where their heap block ends, `shift` bytes behind an address divisible by 64. */
typedef struct {
    void *block;
    uint8_t *bytes;
} heap_bytes;

static inline heap_bytes heap_bytes_new(size_t shift, size_t n)
{
    heap_bytes heap;

    if (posix_memalign(&heap.block, 64, shift + n) != 0)
        fail("out of memory");
    heap.bytes = (uint8_t *)heap.block + shift;
    return heap;
}

static inline void heap_bytes_free(heap_bytes heap) { free(heap.block); }

/* Pages between two pages that may not be touched: bytes at `begin` are watched below, bytes
 * that end at `end` are watched above. Lives as long as the test. */
typedef struct {
    uint8_t *begin, *end;
} fenced_pages;

static inline fenced_pages fenced_pages_new(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t inner = (size + page - 1) / page * page;
    uint8_t *all = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (all == MAP_FAILED || mprotect(all + page, inner, PROT_READ | PROT_WRITE) != 0)
        fail("out of memory");
    return (fenced_pages){all + page, all + page + inner};
}

#endif
