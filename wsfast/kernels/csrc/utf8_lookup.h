/* utf8_lookup.h: validation and counting, written once for every instruction set: John Keiser and
 * Daniel Lemire, "Validating UTF-8 in less than one instruction per byte", 2020.
 *
 * No include guard: a file includes this once, after it has defined for its instruction set
 *   SET, SET_TARGET  the suffix of the functions, and their target attribute
 *   vec, WIDTH       a register of bytes, and how many
 *   v_load, v_load_part (zeros behind the end), v_zero, v_fill, v_or, v_and, v_xor, v_max
 *   v_table          sixteen bytes to look up, and v_lookup of (table, indices below 16)
 *   v_minus          no less than 0
 *   v_shift_4        to the right; bits 4..7 of each byte may become anything
 *   V_BEFORE         of (v, previous, k): the bytes k places before those of v
 *   v_count_starts   how many bytes begin a character: are not in 80..BF
 *   v_reaches        of (v, byte): true if any is not below
 *   v_is_ascii, v_is_zero
 */

/* What can be wrong with two bytes in a row, one bit each. The first byte's high nibble, its low
 * nibble and the second byte's high nibble each name the errors they leave possible; what all
 * three name has happened. */
enum {
    TOO_SHORT = 1 << 0,    /* a lead, then no continuation */
    TOO_LONG = 1 << 1,     /* ASCII, then a continuation */
    OVERLONG_3 = 1 << 2,   /* E0 80..9F */
    TOO_LARGE = 1 << 3,    /* F4 90..BF, F5..FF 90..BF */
    SURROGATE = 1 << 4,    /* ED A0..BF */
    OVERLONG_2 = 1 << 5,   /* C0..C1 80..BF */
    TOO_LARGE_80 = 1 << 6, /* F5..FF 80..8F, and of the same shape: */
    OVERLONG_4 = 1 << 6,   /* F0 80..8F */
    TWO_CONTINUATIONS = 1 << 7, /* unless a lead stands two or three bytes back */

    /* What the low nibble of the first byte has no say in. */
    ANY_LOW = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS,
    ABOVE_F4 = ANY_LOW | TOO_LARGE | TOO_LARGE_80,
    ANY_CONTINUATION = TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS,
};

static const uint8_t first_byte_high[16] = {
    TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
    TWO_CONTINUATIONS, TWO_CONTINUATIONS, TWO_CONTINUATIONS, TWO_CONTINUATIONS,
    TOO_SHORT | OVERLONG_2,
    TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE,
    TOO_SHORT | TOO_LARGE | TOO_LARGE_80 | OVERLONG_4,
};
static const uint8_t first_byte_low[16] = {
    ANY_LOW | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
    ANY_LOW | OVERLONG_2,
    ANY_LOW, ANY_LOW,
    ANY_LOW | TOO_LARGE,
    ABOVE_F4, ABOVE_F4, ABOVE_F4, ABOVE_F4, ABOVE_F4, ABOVE_F4, ABOVE_F4, ABOVE_F4,
    ABOVE_F4 | SURROGATE,
    ABOVE_F4, ABOVE_F4,
};
static const uint8_t second_byte_high[16] = {
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
    ANY_CONTINUATION | OVERLONG_3 | TOO_LARGE_80 | OVERLONG_4,
    ANY_CONTINUATION | OVERLONG_3 | TOO_LARGE,
    ANY_CONTINUATION | SURROGATE | TOO_LARGE,
    ANY_CONTINUATION | SURROGATE | TOO_LARGE,
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
};

/* What every step needs, in registers. */
typedef struct {
    vec first_high, first_low, second_high;
    vec nibble, below_three, below_four, top_bit;
} rules;

WSF_INLINE SET_TARGET vec constant(uint8_t byte)
{
    vec v = v_fill(byte);

    WSF_KEEP(v);
    return v;
}

/* Non-zero where a byte of v cannot follow those one, two and three places before it. */
WSF_INLINE SET_TARGET vec misfits(const rules *r, vec v, vec before1, vec before2, vec before3)
{
    vec pairs = v_and(v_and(v_lookup(r->first_high, v_and(v_shift_4(before1), r->nibble)),
                            v_lookup(r->first_low, v_and(before1, r->nibble))),
                      v_lookup(r->second_high, v_and(v_shift_4(v), r->nibble)));
    /* Bit 7 where a lead of three or four bytes stands two back, or one of four three back: just
     * there, and only there, TWO_CONTINUATIONS has to be. */
    vec continued = v_or(v_minus(before2, r->below_three), v_minus(before3, r->below_four));

    return v_xor(v_and(continued, r->top_bit), pairs);
}

WSF_INLINE SET_TARGET vec misfits_behind(const rules *r, vec previous, vec v)
{
    return misfits(r, v, V_BEFORE(v, previous, 1), V_BEFORE(v, previous, 2), V_BEFORE(v, previous, 3));
}

/* The width of a text by its highest byte, as in utf8_scalar.c. */
WSF_INLINE SET_TARGET int width_of(vec bytes)
{
    return v_reaches(bytes, 0xF0)   ? WSF_UCS4
           : v_reaches(bytes, 0xC4) ? WSF_UCS2
           : v_reaches(bytes, 0x80) ? WSF_UCS1
                                    : WSF_ASCII;
}

/* `count` is written out by the callers below: without it the counting falls away. */
WSF_INLINE SET_TARGET bool check(const uint8_t *src, size_t n, bool count, wsf_text *text)
{
    const rules r = {v_table(first_byte_high), v_table(first_byte_low), v_table(second_byte_high),
                     constant(0x0F), constant(0xE0 - 0x80), constant(0xF0 - 0x80), constant(0x80)};
    vec error = v_zero(), highest = v_zero(), v;
    bool was_ascii = true;
    size_t i, starts = 0;

    for (i = 0; n - i >= WIDTH; i += WIDTH) {
        v = v_load(src + i);
        /* ASCII behind something else is looked at in full: that something may be unfinished. */
        bool ascii = v_is_ascii(v);
        if (ascii && was_ascii) {
            starts += WIDTH;
            continue;
        }
        was_ascii = ascii;
        /* Loading the neighbours costs less than moving them into place. */
        error = v_or(error, i == 0 ? misfits_behind(&r, v_zero(), v)
                                   : misfits(&r, v, v_load(src + i - 1), v_load(src + i - 2),
                                             v_load(src + i - 3)));
        if (count) {
            starts += v_count_starts(v);
            highest = v_max(highest, v);
        }
    }
    if (i < n || !was_ascii) {
        /* The zeros behind the end are ASCII: they show what is unfinished. */
        v = v_load_part(src + i, n - i);
        error = v_or(error, misfits_behind(&r, i == 0 ? v_zero() : v_load(src + i - WIDTH), v));
        if (count) {
            starts += v_count_starts(v) - (WIDTH - (n - i));
            highest = v_max(highest, v);
        }
    }
    if (!v_is_zero(error))
        return false;
    if (count) {
        text->chars = starts;
        text->width = width_of(highest);
    }
    return true;
}

SET_TARGET bool WSF_OF_SET(wsf_utf8_valid)(const uint8_t *src, size_t n)
{
    return check(src, n, false, NULL);
}

SET_TARGET bool WSF_OF_SET(wsf_utf8_scan)(const uint8_t *src, size_t n, wsf_text *text)
{
    return check(src, n, true, text);
}
