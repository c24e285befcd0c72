/* test_utf8.c: every UTF-8 kernel this CPU can run against the scalar ones, which are plain enough
 * to be read. With -DALL_THREE_BYTE_SEQUENCES also the sequences that take minutes. */
#include "check.h"

enum { SHORT = 300, ALIGNMENTS = 64, BORDER = 64, LONG = 70000, FILLER = 140 };

static const wsf_kernels *scalar, *kernels;

/* ---- Where the bytes lie ---- */

/* Behind a page that may not be touched; before one; at the end of a heap block, `shift` elements
 * behind an address divisible by 64. */
typedef struct {
    enum { AT_BEGIN, AT_END, ON_HEAP } place;
    size_t shift;
} position;

typedef struct {
    fenced_pages pages;
    heap_bytes heap;
    uint8_t *border; /* the bytes beside it that must stay as they are */
} memory;

static memory source, target;

/* Memory for n elements of `width` bytes, until the next call for the same side. */
static void *room(memory *side, position at, size_t n, size_t width)
{
    if (side->pages.begin == NULL)
        side->pages = fenced_pages_new(4 * LONG + BORDER);
    heap_bytes_free(side->heap);
    side->heap.block = NULL;
    side->border = NULL;
    n *= width;
    if (at.place == ON_HEAP) {
        side->heap = heap_bytes_new(at.shift * width % 64, n);
        return side->heap.bytes;
    }
    uint8_t *bytes = at.place == AT_BEGIN ? side->pages.begin : side->pages.end - n;
    side->border = at.place == AT_BEGIN ? bytes + n : bytes - BORDER;
    memset(bytes, 0xA5, n);
    memset(side->border, 0x5A, BORDER);
    return bytes;
}

static void *room_with(memory *side, position at, const void *elements, size_t n, size_t width)
{
    void *copy = room(side, at, n, width);

    if (n > 0)
        memcpy(copy, elements, n * width);
    return copy;
}

static void wrong(const char *what, position at, size_t n)
{
    static const char *const places[] = {"behind a fence", "before a fence", "on the heap"};

    fail("%s: %s: %zu elements %s, shift %zu", kernels->name, what, n, places[at.place], at.shift);
}

/* ---- One text through every kernel ---- */

static void expect(const char *what, position at, size_t n, const void *got, const void *expected,
                   size_t bytes)
{
    if (bytes > 0 && memcmp(got, expected, bytes) != 0)
        wrong(what, at, n);
    for (size_t i = 0; target.border && i < BORDER; i++)
        if (target.border[i] != 0x5A)
            wrong("wrote outside", at, n);
}

/* There and back in each width that can hold the text. The characters are expected in `wide`. */
#define CHECK_WIDTH(width, type) \
    static void check_ucs##width(const uint8_t *text, size_t n, const uint32_t *wide, size_t chars, \
                                 position at) \
    { \
        static type expected[LONG]; \
        for (size_t i = 0; i < chars; i++) \
            expected[i] = (type)wide[i]; \
        type *decoded = room(&target, at, chars, width); \
        kernels->utf8_to_ucs##width(decoded, chars, room_with(&source, at, text, n, 1), n); \
        expect("utf8_to_ucs" #width, at, n, decoded, expected, chars * width); \
        const type *characters = room_with(&source, at, expected, chars, width); \
        if (kernels->ucs##width##_utf8_length(characters, chars) != n) \
            wrong("ucs" #width "_utf8_length", at, chars); \
        uint8_t *encoded = room(&target, at, n, 1); \
        kernels->ucs##width##_to_utf8(encoded, n, characters, chars); \
        expect("ucs" #width "_to_utf8", at, chars, encoded, text, n); \
    }
CHECK_WIDTH(1, uint8_t)
CHECK_WIDTH(2, uint16_t)
CHECK_WIDTH(4, uint32_t)

static bool check_validity(const uint8_t *text, size_t n, wsf_text *expected, position at)
{
    const uint8_t *src = room_with(&source, at, text, n, 1);
    bool valid = scalar->utf8_scan(text, n, expected);
    wsf_text found = {0, 0};

    if (kernels->utf8_valid(src, n) != valid)
        wrong("utf8_valid", at, n);
    if (kernels->utf8_scan(src, n, &found) != valid)
        wrong("utf8_scan", at, n);
    if (valid && (found.chars != expected->chars || found.width != expected->width))
        wrong("what utf8_scan found", at, n);
    return valid;
}

static void check_text(const uint8_t *text, size_t n, position at)
{
    static uint32_t wide[LONG];
    wsf_text is;

    if (!check_validity(text, n, &is, at))
        return;
    scalar->utf8_to_ucs4(wide, is.chars, text, n);
    if (is.width <= WSF_UCS1)
        check_ucs1(text, n, wide, is.chars, at);
    if (is.width <= WSF_UCS2)
        check_ucs2(text, n, wide, is.chars, at);
    check_ucs4(text, n, wide, is.chars, at);
}

static void check_between_fences(const uint8_t *text, size_t n)
{
    check_text(text, n, (position){AT_BEGIN, 0});
    check_text(text, n, (position){AT_END, 0});
}

/* ---- Texts of every kind and length ---- */

/* Characters to draw from, as ranges; a range that is named twice comes twice as often. */
typedef struct {
    struct {
        uint32_t first, last;
    } ranges[8];
    size_t count;
} script;

static const script scripts[] = {
    {{{0, 0x7F}}, 1},
    {{{0x20, 0x7E}, {0x20, 0x7E}, {0x80, 0xFF}}, 3},
    {{{0x80, 0xFF}}, 1},
    {{{0x20, 0x20}, {0x410, 0x44F}, {0x410, 0x44F}, {0x410, 0x44F}}, 4},
    {{{0x80, 0x7FF}}, 1},
    {{{0x4E00, 0x9FFF}}, 1},
    {{{0x20, 0x7E}, {0x4E00, 0x9FFF}, {0x4E00, 0x9FFF}}, 3},
    {{{0x800, 0xD7FF}, {0xE000, 0xFFFF}}, 2},
    {{{0x1F300, 0x1FAFF}}, 1},
    {{{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, 0x10FFFF}}, 5},
    {{{0, 0}, {0x7F, 0x80}, {0xFF, 0x100}, {0x7FF, 0x800}, {0xD7FF, 0xD7FF}, {0xE000, 0xE000},
      {0xFFFF, 0x10000}, {0x10FFFF, 0x10FFFF}}, 8},
};
enum { SCRIPTS = sizeof(scripts) / sizeof(scripts[0]) };

/* n bytes of UTF-8: stretches of the script, and where `stretch` is not 0, of ASCII between them. */
static void write_text(uint8_t *text, size_t n, const script *from, size_t stretch)
{
    size_t i = 0;

    while (i < n) {
        size_t range = random_number() % from->count;
        uint32_t first = from->ranges[range].first, last = from->ranges[range].last;
        uint32_t c = first + random_number() % (last - first + 1);
        bool plain = stretch && i / stretch % 2 == 0;
        size_t size = scalar->ucs4_utf8_length(&c, 1);

        if (plain || size > n - i) {
            c = 'a' + random_number() % 26;
            size = 1;
        }
        scalar->ucs4_to_utf8(text + i, size, &c, 1);
        i += size;
    }
}

static void check_lengths(void)
{
    static uint8_t text[LONG];
    const size_t longer[] = {1023, 1024, 1025, 4096, 16384 + 6, 65535, 65536, 65536 + 40, LONG};

    for (size_t s = 0; s < SCRIPTS; s++) {
        for (size_t n = 0; n <= SHORT; n++) {
            for (size_t shift = 0; shift < ALIGNMENTS; shift++) {
                write_text(text, n, &scripts[s], shift % 4 ? 0 : 75);
                check_text(text, n, (position){ON_HEAP, shift});
            }
            check_between_fences(text, n);
        }
        for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++)
            for (size_t stretch = 0; stretch <= 300; stretch += 100) {
                write_text(text, longer[i], &scripts[s], stretch);
                check_between_fences(text, longer[i]);
            }
    }
}

/* ---- Sequences, valid and not ---- */

/* Both sides of every border that RFC 3629 section 4 draws, and what lies between. */
static const uint8_t EDGES[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2,
                                0xC3, 0xC4, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3,
                                0xF4, 0xF5, 0xF7, 0xF8, 0xFF};
enum { N_EDGES = sizeof(EDGES) };

/* In the midst of ASCII, and with nothing behind it, `at` bytes from the beginning. */
static void check_sequence(const uint8_t *sequence, size_t length, size_t at)
{
    static fenced_pages pages;
    wsf_text is, found = {0, 0};
    bool valid = scalar->utf8_scan(sequence, length, &is);

    if (pages.begin == NULL) {
        pages = fenced_pages_new(FILLER + 4);
        memset(pages.begin, 'a', (size_t)(pages.end - pages.begin));
    }
    for (size_t behind = 0; behind <= FILLER; behind += FILLER - at) {
        uint8_t *begin = pages.end - behind - length - at;
        size_t n = at + length + behind;

        memcpy(begin + at, sequence, length);
        if (kernels->utf8_valid(begin, n) != valid || kernels->utf8_scan(begin, n, &found) != valid ||
            (valid && (found.chars != is.chars + at + behind || found.width != is.width)))
            fail("%s: %02X %02X %02X %02X (the first %zu) after %zu bytes, before %zu", kernels->name,
                 sequence[0], sequence[1], sequence[2], sequence[3], length, at, behind);
        memset(begin + at, 'a', length);
        if (at == FILLER)
            break;
    }
}

static void check_sequences(void)
{
    static const size_t spots[] = {0, 13, 14, 15, 16, 30, 61, 62, 63, 64, 127};
    uint8_t sequence[4] = {0};

    if (kernels->utf8_valid == scalar->utf8_valid && kernels->utf8_scan == scalar->utf8_scan)
        return; /* nothing to compare, slowly */
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        sequence[0] = (uint8_t)(pair >> 8);
        sequence[1] = (uint8_t)pair;
        if (sequence[1] == 0)
            for (size_t at = 0; at <= FILLER; at++)
                check_sequence(sequence, 1, at);
        for (size_t i = 0; i < sizeof(spots) / sizeof(spots[0]); i++)
            check_sequence(sequence, 2, spots[i]);
#ifdef ALL_THREE_BYTE_SEQUENCES
        for (unsigned third = 0; third < 0x100; third++) {
            sequence[2] = (uint8_t)third;
            for (size_t i = 0; i < sizeof(spots) / sizeof(spots[0]); i++)
                check_sequence(sequence, 3, spots[i]);
        }
        sequence[2] = 0;
#endif
    }
    for (unsigned i = 0; i < N_EDGES * N_EDGES * N_EDGES; i++) {
        sequence[0] = EDGES[i / N_EDGES / N_EDGES];
        sequence[1] = EDGES[i / N_EDGES % N_EDGES];
        sequence[2] = EDGES[i % N_EDGES];
        for (size_t at = 0; at <= FILLER; at += 1 + at % 2)
            check_sequence(sequence, 3, at);
        for (size_t last = 0; last < N_EDGES; last++) {
            sequence[3] = EDGES[last];
            check_sequence(sequence, 4, (i + last) % FILLER);
        }
    }
}

/* ---- Real text, damaged in one place ---- */

static const char MANY_LANGUAGES[] =
    "The WebSocket Protocol. Les naïfs ægithales hâtifs pondant à Noël où il gèle. "
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. "
    "Съешь же ещё этих мягких французских булок, да выпей чаю. "
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. דג סקרן שט בים מאוכזב. "
    "いろはにほへと ちりぬるを 色は匂へど 散りぬるを。我能吞下玻璃而不伤身体。"
    "키스의 고유조건은 입술끼리 만나야 하고. ऋषियों को सताने वाले "
    "😀😃😄👩‍👩‍👧‍👦🏳️‍🌈 𝒜𝓁𝓁 𐍈 mixed 中 a é я 😀 end.";

static void check_damaged(const uint8_t *text, size_t n, position at)
{
    wsf_text ignored;

    check_validity(text, n, &ignored, at);
}

static void check_damage(void)
{
    enum { N = sizeof(MANY_LANGUAGES) - 1 };
    static const uint8_t replacements[] = {0x00, 0x80, 0xBF, 0xC0, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0xFF};
    uint8_t text[N + 1];

    check_between_fences((const uint8_t *)MANY_LANGUAGES, N);
    for (size_t i = 0; i < N; i++)
        for (int at_end = 0; at_end <= 1; at_end++) {
            position at = {at_end ? AT_END : ON_HEAP, i % ALIGNMENTS};

            memcpy(text, MANY_LANGUAGES, N);
            check_damaged(text, i, at);
            check_damaged(text + i, N - i, at);
            for (int bit = 0; bit < 8; bit++) {
                text[i] ^= (uint8_t)(1 << bit);
                check_damaged(text, N, at);
                text[i] ^= (uint8_t)(1 << bit);
            }
            for (size_t r = 0; r < sizeof(replacements); r++) {
                text[i] = replacements[r];
                check_damaged(text, N, at);
                memcpy(text + i + 1, MANY_LANGUAGES + i, N - i);
                check_damaged(text, N + 1, at);
                memcpy(text + i, MANY_LANGUAGES + i, N - i);
            }
            memmove(text + i, text + i + 1, N - i - 1);
            check_damaged(text, N - 1, at);
        }
}

/* ---- What UTF-8 cannot carry ---- */

#define CHECK_SURROGATES(width, type) \
    static void check_ucs##width##_surrogates(size_t n, size_t at, position place) \
    { \
        static const type around[] = {0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000}; \
        type *text = room(&source, place, n, width); \
        for (size_t i = 0; i < n; i++) \
            text[i] = (type)(i % 3 ? 'a' : 0x4E00 + i); \
        for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) { \
            text[at] = around[i]; \
            if (kernels->ucs##width##_utf8_length(text, n) != \
                scalar->ucs##width##_utf8_length(text, n)) \
                wrong("a surrogate in ucs" #width "_utf8_length", place, n); \
        } \
    }
CHECK_SURROGATES(2, uint16_t)
CHECK_SURROGATES(4, uint32_t)

static void check_surrogates(void)
{
    for (size_t n = 1; n <= 140; n++)
        for (size_t at = 0; at < n; at++)
            for (int at_end = 0; at_end <= 1; at_end++) {
                position place = {at_end ? AT_END : ON_HEAP, at};

                check_ucs2_surrogates(n, at, place);
                check_ucs4_surrogates(n, at, place);
            }
}

static void check_nothing(void)
{
    wsf_text text = {1, 1};

    if (!kernels->utf8_valid(NULL, 0) || !kernels->utf8_scan(NULL, 0, &text) || text.chars != 0 ||
        text.width != WSF_ASCII)
        fail("%s: no bytes are valid", kernels->name);
    if (kernels->ucs1_utf8_length(NULL, 0) + kernels->ucs2_utf8_length(NULL, 0) +
            kernels->ucs4_utf8_length(NULL, 0) != 0)
        fail("%s: no characters take no bytes", kernels->name);
    kernels->utf8_to_ucs1(NULL, 0, NULL, 0);
    kernels->utf8_to_ucs2(NULL, 0, NULL, 0);
    kernels->utf8_to_ucs4(NULL, 0, NULL, 0);
    kernels->ucs1_to_utf8(NULL, 0, NULL, 0);
    kernels->ucs2_to_utf8(NULL, 0, NULL, 0);
    kernels->ucs4_to_utf8(NULL, 0, NULL, 0);
}

int main(void)
{
    scalar = wsf_kernels_at(0);
    for (size_t index = 0; (kernels = wsf_kernels_at(index)) != NULL; index++) {
        check_nothing();
        check_lengths();
        check_sequences();
        check_damage();
        check_surrogates();
        printf("utf8 %s: ok\n", kernels->name);
    }
    heap_bytes_free(source.heap);
    heap_bytes_free(target.heap);
    return 0;
}
