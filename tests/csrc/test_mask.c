/* test_mask.c: every masking kernel this CPU can run against one byte after the other. */
#include "check.h"

enum { SHORT = 300, ALIGNMENTS = 64, BORDER = 64, LONG = (1 << 20) + 77 };

/* One payload to mask, and how to say which it was when the result is wrong. */
typedef struct {
    const wsf_kernels *kernels;
    uint8_t *dst;
    const uint8_t *src;
    size_t n;
    size_t offset;
} payload;

static const uint8_t KEY[4] = {0x37, 0xFA, 0x21, 0x3D}; /* RFC 6455 section 5.7 */

static void wrong(const char *what, const payload *p)
{
    fail("%s: %s: length %zu, offset %zu, source at %zu, destination at %zu modulo 64%s",
         p->kernels->name, what, p->n, p->offset, (size_t)((uintptr_t)p->src % 64),
         (size_t)((uintptr_t)p->dst % 64), p->src == p->dst ? ", in place" : "");
}

static bool mask_bytewise(uint8_t *dst, const uint8_t *src, size_t n, size_t offset)
{
    uint8_t seen = 0;

    for (size_t i = 0; i < n; i++) {
        dst[i] = src[i] ^ KEY[(i + offset) % 4];
        seen |= dst[i];
    }
    return seen < 0x80;
}

/* Runs both kernels on p. The source is left as it was, also when it is the destination. */
static void check(const payload *p)
{
    static uint8_t source[LONG], expected[LONG];
    bool ascii = mask_bytewise(expected, p->src, p->n, p->offset);
    uint32_t key;

    memcpy(source, p->src, p->n);
    memcpy(&key, KEY, 4);
    key = wsf_rotate_key(key, p->offset);

    p->kernels->mask(p->dst, p->src, p->n, key);
    if (memcmp(p->dst, expected, p->n) != 0)
        wrong("mask", p);
    if (p->dst == p->src)
        memcpy(p->dst, source, p->n);
    else
        memset(p->dst, 0, p->n);

    if (p->kernels->mask_ascii(p->dst, p->src, p->n, key) != ascii)
        wrong("the result of mask_ascii", p);
    if (memcmp(p->dst, expected, p->n) != 0)
        wrong("mask_ascii", p);
    if (p->dst == p->src)
        memcpy(p->dst, source, p->n);
    else if (memcmp(p->src, source, p->n) != 0)
        wrong("the source has changed", p);
}

static void check_all_offsets(payload p)
{
    for (p.offset = 0; p.offset < 4; p.offset++)
        check(&p);
}

/* Blocks that end with the payload, at every alignment of each side. */
static void check_alignments(const wsf_kernels *kernels, size_t n)
{
    for (size_t shift = 0; shift < ALIGNMENTS; shift++) {
        heap_bytes shifted = heap_bytes_new(shift, n);
        heap_bytes aligned = heap_bytes_new(0, n);

        random_bytes(shifted.bytes, n);
        memcpy(aligned.bytes, shifted.bytes, n);
        check_all_offsets((payload){kernels, aligned.bytes, shifted.bytes, n, 0});
        check_all_offsets((payload){kernels, shifted.bytes, aligned.bytes, n, 0});
        memcpy(shifted.bytes, aligned.bytes, n);
        check_all_offsets((payload){kernels, shifted.bytes, shifted.bytes, n, 0});
        heap_bytes_free(shifted);
        heap_bytes_free(aligned);
    }
}

/* Payloads that begin behind a page or end before one that may not be touched, and bytes beside
 * the destination that must stay as they are. */
static void check_borders(const wsf_kernels *kernels, size_t n)
{
    static fenced_pages from, to;

    if (from.begin == NULL) {
        from = fenced_pages_new(LONG + BORDER);
        to = fenced_pages_new(LONG + BORDER);
    }
    random_bytes(from.begin, n);
    memset(to.begin, 0x5A, n + BORDER);
    check_all_offsets((payload){kernels, to.begin, from.begin, n, 0});
    check_all_offsets((payload){kernels, from.begin, from.begin, n, 0});
    for (size_t i = 0; i < BORDER; i++)
        if (to.begin[n + i] != 0x5A)
            fail("%s: length %zu: wrote behind the end", kernels->name, n);

    random_bytes(from.end - n, n);
    memset(to.end - n - BORDER, 0x5A, n + BORDER);
    check_all_offsets((payload){kernels, to.end - n, from.end - n, n, 0});
    check_all_offsets((payload){kernels, from.end - n, from.end - n, n, 0});
    for (size_t i = 0; i < BORDER; i++)
        if (to.end[-(ptrdiff_t)(n + i + 1)] != 0x5A)
            fail("%s: length %zu: wrote before the beginning", kernels->name, n);
}

/* ASCII, and ASCII but for one byte. */
static void check_ascii(const wsf_kernels *kernels, size_t n)
{
    heap_bytes text = heap_bytes_new(7, n), src = heap_bytes_new(3, n), dst = heap_bytes_new(5, n);

    for (size_t i = 0; i < n; i++)
        text.bytes[i] = (uint8_t)(random_number() & 0x7F);
    for (size_t offset = 0; offset < 4; offset++) {
        payload apart = {kernels, dst.bytes, src.bytes, n, offset};
        payload in_place = {kernels, src.bytes, src.bytes, n, offset};

        mask_bytewise(src.bytes, text.bytes, n, offset);
        check(&apart);
        check(&in_place);
        for (size_t high = 0; high < n; high++) {
            src.bytes[high] ^= 0x80;
            check(&apart);
            check(&in_place);
            src.bytes[high] ^= 0x80;
        }
    }
    heap_bytes_free(text);
    heap_bytes_free(src);
    heap_bytes_free(dst);
}

/* RFC 6455 section 5.7: "A single-frame masked text message (contains "Hello")". */
static void check_hello(const wsf_kernels *kernels)
{
    const uint8_t masked[5] = {0x7F, 0x9F, 0x4D, 0x51, 0x58};
    uint8_t hello[5];
    uint32_t key;

    memcpy(&key, KEY, 4);
    if (!kernels->mask_ascii(hello, masked, 5, key) || memcmp(hello, "Hello", 5) != 0)
        fail("%s: the example of RFC 6455 section 5.7", kernels->name);
}

int main(void)
{
    const size_t longer[] = {1023, 1024, 1025, 4096, 16384 + 6, 65535, 65536, 65536 + 40, LONG};
    const wsf_kernels *kernels;

    for (size_t index = 0; (kernels = wsf_kernels_at(index)) != NULL; index++) {
        check_hello(kernels);
        for (size_t n = 0; n <= SHORT; n++) {
            check_alignments(kernels, n);
            check_borders(kernels, n);
            check_ascii(kernels, n);
        }
        for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++)
            check_borders(kernels, longer[i]);
        kernels->mask(NULL, NULL, 0, 0);
        if (!kernels->mask_ascii(NULL, NULL, 0, 0))
            fail("%s: an empty payload is ASCII", kernels->name);
        printf("mask %s: ok\n", kernels->name);
    }
    return 0;
}
