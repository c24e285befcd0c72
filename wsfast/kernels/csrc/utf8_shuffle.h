/* utf8_shuffle.h: transcoding in registers of sixteen bytes, written once for every instruction
 * set that can shuffle them. Results are made in every byte or lane that might hold one, and
 * those that do are moved together by a shuffle out of a table, as in Daniel Lemire and Wojciech
 * Mula, "Transcoding billions of Unicode characters per second with SIMD instructions", 2022;
 * with their masks cut in half, so that one table of 2 KiB serves every width and both ways.
 *
 * Sixteen bytes are written at a time where there is room for them, into a buffer where not.
 *
 * No include guard: a file includes this once, after it has defined for its instruction set
 *   SET, SET_TARGET  the suffix of the functions, and their target attribute
 *   vec              sixteen bytes
 *   v_load, v_load_part (zeros behind the end), v_store, v_zero, v_fill, v_fill16, v_fill32,
 *   v_or, v_and, v_is_ascii, v_is_zero
 *   v_pair           of two numbers of 64 bits: the first is bytes 0..7
 *   v_shuffle        of (v, indices below 16)
 *   v_choose         of (chosen, a, b): the bits of a where chosen has ones, else those of b
 *   v_store_halves   of (low, high, v): bytes 0..7 to low, and then 8..15 to high
 *   v_negative       ones in the bytes that have bit 7
 *   v_starts         ones in the bytes that begin a character: those outside 80..BF
 *   v_at_least       of (v, byte): ones in the bytes that are not below
 *   v_bits           bit 7 of each byte; and count_ones of such bits
 *   v_zip_low, v_zip_high, v_zip16_low, v_zip16_high   of (a, b): bytes, or pairs, in turns
 *   v_narrow         of (a, b): the low byte of each 16 bits
 *   V_LEFT, V_RIGHT, V_LEFT16, V_RIGHT16, V_LEFT32, V_RIGHT32   shifts of (v, bits); those without
 *                    a number may bring bits over from the neighbours
 *   v_above16, v_above32   of (v, number): ones in the lanes above it; all count as signed
 */

/* For each eight bits the positions of the ones, in order, a byte each. */
#define POSITION(bits, at, rest) \
    ((uint64_t)(rest) << 8 * ((bits) >> (at) & 1) | (uint64_t)((bits) >> (at) & 1) * (at))
#define POSITIONS(bits) \
    POSITION(bits, 0, POSITION(bits, 1, POSITION(bits, 2, POSITION(bits, 3, \
    POSITION(bits, 4, POSITION(bits, 5, POSITION(bits, 6, POSITION(bits, 7, 0))))))))
#define POSITIONS_4(bits) \
    POSITIONS(bits), POSITIONS((bits) + 1), POSITIONS((bits) + 2), POSITIONS((bits) + 3)
#define POSITIONS_16(bits) \
    POSITIONS_4(bits), POSITIONS_4((bits) + 4), POSITIONS_4((bits) + 8), POSITIONS_4((bits) + 12)
#define POSITIONS_64(bits) \
    POSITIONS_16(bits), POSITIONS_16((bits) + 16), POSITIONS_16((bits) + 32), POSITIONS_16((bits) + 48)

static const uint64_t positions[256] = {
    POSITIONS_64(0), POSITIONS_64(64), POSITIONS_64(128), POSITIONS_64(192)};

/* The shuffle that moves the kept bytes of either half to its beginning. */
WSF_INLINE SET_TARGET vec squeezing(unsigned kept)
{
    return v_or(v_pair(positions[kept & 0xFF], positions[kept >> 8]), v_pair(0, 0x0808080808080808));
}

/* ---- UTF-8 to characters ---- */

/* At every byte the character that would end there is put together, from that byte and those
 * before it; kept is what stands where one does end: before a byte that starts the next. */
typedef struct {
    vec v, before1, before2, before3; /* the bytes, and those so many places before them */
    unsigned ends;                    /* where a character ends */
} window;

WSF_INLINE SET_TARGET window load_window(const uint8_t *src, size_t i, size_t n)
{
    vec previous = i == 0 ? v_zero() : v_load(src + i - 16);
    window w;

    if (n - i > 16) {
        w.v = v_load(src + i);
        w.ends = v_bits(v_starts(v_load(src + i + 1)));
    } else {
        w.v = v_load_part(src + i, n - i);
        w.ends = v_bits(v_starts(V_BEFORE(v_zero(), w.v, 15))) & 0xFFFF >> (16 - (n - i));
    }
    w.before1 = V_BEFORE(w.v, previous, 1);
    w.before2 = V_BEFORE(w.v, previous, 2);
    w.before3 = V_BEFORE(w.v, previous, 3);
    return w;
}

/* Last byte: 0aaaaaaa or 10aaaaaa. Before it: 110bbbbb or 10bbbbbb; before that: 1110cccc or
 * 10cccccc; first of four: 11110ddd. */
WSF_INLINE SET_TARGET vec low_bits(window w)
{
    vec of_more = v_choose(v_fill(0x3F), w.v, V_LEFT(w.before1, 6));

    return v_choose(v_negative(w.v), of_more, w.v);
}

WSF_INLINE SET_TARGET vec middle_bits(window w)
{
    vec two = v_starts(w.before1);
    vec c = v_choose(two, v_zero(), V_LEFT(w.before2, 4));

    return v_and(v_negative(w.v), v_choose(v_fill(0x0F), V_RIGHT(w.before1, 2), c));
}

WSF_INLINE SET_TARGET vec high_bits(window w)
{
    vec of_four = v_choose(v_fill(0x03), V_RIGHT(w.before2, 4), V_LEFT(w.before3, 2));

    return v_and(v_at_least(w.before3, 0xF0), v_and(of_four, v_fill(0x1F)));
}

SET_TARGET void WSF_OF_SET(wsf_utf8_to_ucs1)(uint8_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    size_t i, count;

    for (i = 0; i < n; i += 16, dst += count, chars -= count) {
        uint8_t spare[16], *to = chars >= 16 ? dst : spare;
        window w = load_window(src, i, n);

        count = count_ones(w.ends);
        if (v_is_ascii(w.v))
            v_store(to, w.v);
        else
            v_store_halves(to, to + count_ones(w.ends & 0xFF),
                           v_shuffle(low_bits(w), squeezing(w.ends)));
        if (to == spare)
            memcpy(dst, spare, count);
    }
}

SET_TARGET void WSF_OF_SET(wsf_utf8_to_ucs2)(uint16_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    size_t i, count, first;

    for (i = 0; i < n; i += 16, dst += count, chars -= count) {
        uint16_t spare[16], *to = chars >= 16 ? dst : spare;
        window w = load_window(src, i, n);
        vec low = w.v, middle = v_zero();

        count = count_ones(w.ends);
        first = 8;
        if (!v_is_ascii(w.v)) {
            vec indices = squeezing(w.ends);
            first = count_ones(w.ends & 0xFF);
            low = v_shuffle(low_bits(w), indices);
            middle = v_shuffle(middle_bits(w), indices);
        }
        v_store(to, v_zip_low(low, middle));
        v_store(to + first, v_zip_high(low, middle));
        if (to == spare)
            memcpy(dst, spare, 2 * count);
    }
}

SET_TARGET void WSF_OF_SET(wsf_utf8_to_ucs4)(uint32_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    size_t i, count, first;

    for (i = 0; i < n; i += 16, dst += count, chars -= count) {
        uint32_t spare[16], *to = chars >= 16 ? dst : spare;
        window w = load_window(src, i, n);
        vec low = w.v, middle = v_zero(), high = v_zero();

        count = count_ones(w.ends);
        first = 8;
        if (!v_is_ascii(w.v)) {
            vec indices = squeezing(w.ends);
            first = count_ones(w.ends & 0xFF);
            low = v_shuffle(low_bits(w), indices);
            middle = v_shuffle(middle_bits(w), indices);
            high = v_shuffle(high_bits(w), indices);
        }
        vec low16 = v_zip_low(low, middle), high16 = v_zip_low(high, v_zero());
        v_store(to, v_zip16_low(low16, high16));
        v_store(to + 4, v_zip16_high(low16, high16));
        low16 = v_zip_high(low, middle);
        high16 = v_zip_high(high, v_zero());
        v_store(to + first, v_zip16_low(low16, high16));
        v_store(to + first + 4, v_zip16_high(low16, high16));
        if (to == spare)
            memcpy(dst, spare, 4 * count);
    }
}

/* ---- Characters to UTF-8 ---- */

/* Writes the bytes of x that belong to UTF-8: those with bit 7, and the last bytes, which `lasts`
 * names as they may be ASCII. Each lane of x ends with the last byte of its character; the bytes
 * it does not need are zero. Returns how many were written. */
WSF_INLINE SET_TARGET size_t squeeze(uint8_t *dst, size_t room, vec x, unsigned lasts)
{
    unsigned used = v_bits(x) | lasts;
    size_t count = count_ones(used);
    uint8_t spare[16], *to = room >= 16 ? dst : spare;

    v_store_halves(to, to + count_ones(used & 0xFF), v_shuffle(x, squeezing(used)));
    if (to == spare)
        memcpy(dst, spare, count);
    return count;
}

/* Up to U+07FF in lanes of two bytes: eight at most. */
WSF_INLINE SET_TARGET size_t encode_in_2(uint8_t *dst, size_t room, vec c, size_t chars)
{
    vec last = V_LEFT16(c, 8);
    vec pair = v_or(v_and(v_or(V_RIGHT16(c, 6), v_and(last, v_fill16(0x3F00))), v_fill16(0x3F1F)),
                    v_fill16(0x80C0));

    return squeeze(dst, room, v_choose(v_above16(c, 0x7F), pair, last),
                   chars < 8 ? 0xAAAA & ((1u << 2 * chars) - 1) : 0xAAAA);
}

/* Any in lanes of four: four at most. */
WSF_INLINE SET_TARGET size_t encode_in_4(uint8_t *dst, size_t room, vec c, size_t chars)
{
    vec last = V_LEFT32(c, 24);
    vec sextets = v_or(v_or(v_and(last, v_fill32(0x3F000000)), v_and(V_LEFT32(c, 10), v_fill32(0x3F0000))),
                       v_or(v_and(V_RIGHT32(c, 4), v_fill32(0x3F00)), V_RIGHT32(c, 18)));
    vec marks = v_choose(v_above32(c, 0x7FF),
                         v_choose(v_above32(c, 0xFFFF), v_fill32(0x808080F0), v_fill32(0x8080E000)),
                         v_fill32(0x80C00000));

    return squeeze(dst, room, v_choose(v_above32(c, 0x7F), v_or(sextets, marks), last),
                   chars < 4 ? 0x8888 & ((1u << 4 * chars) - 1) : 0x8888);
}

SET_TARGET void WSF_OF_SET(wsf_ucs1_to_utf8)(uint8_t *dst, size_t size, const uint8_t *src, size_t n)
{
    size_t i, count;

    for (i = 0; i < n; i += 16, dst += count, size -= count) {
        bool whole = n - i >= 16;
        vec v = whole ? v_load(src + i) : v_load_part(src + i, n - i);

        if (whole && v_is_ascii(v)) {
            v_store(dst, v);
            count = 16;
            continue;
        }
        count = encode_in_2(dst, size, v_zip_low(v, v_zero()), n - i);
        if (n - i > 8)
            count += encode_in_2(dst + count, size - count, v_zip_high(v, v_zero()), n - i - 8);
    }
}

SET_TARGET void WSF_OF_SET(wsf_ucs2_to_utf8)(uint8_t *dst, size_t size, const uint16_t *src, size_t n)
{
    size_t i = 0, count;

    for (; i < n; dst += count, size -= count) {
        const uint8_t *at = (const uint8_t *)(src + i);

        if (n - i >= 16) {
            vec first = v_load(at), second = v_load(at + 16);
            if (v_is_zero(v_and(v_or(first, second), v_fill16(0xFF80)))) {
                v_store(dst, v_narrow(first, second));
                count = 16;
                i += 16;
                continue;
            }
        }
        vec v = n - i >= 8 ? v_load(at) : v_load_part(at, 2 * (n - i));
        if (v_is_zero(v_and(v, v_fill16(0xF800))))
            count = encode_in_2(dst, size, v, n - i);
        else {
            count = encode_in_4(dst, size, v_zip16_low(v, v_zero()), n - i);
            if (n - i > 4)
                count += encode_in_4(dst + count, size - count, v_zip16_high(v, v_zero()), n - i - 4);
        }
        i += 8;
    }
}

SET_TARGET void WSF_OF_SET(wsf_ucs4_to_utf8)(uint8_t *dst, size_t size, const uint32_t *src, size_t n)
{
    size_t i = 0, count;

    for (; i < n; dst += count, size -= count) {
        const uint8_t *at = (const uint8_t *)(src + i);

        if (n - i >= 16) {
            vec a = v_load(at), b = v_load(at + 16), c = v_load(at + 32), d = v_load(at + 48);
            if (v_is_zero(v_and(v_or(v_or(a, b), v_or(c, d)), v_fill32(0xFFFFFF80)))) {
                v_store(dst, v_narrow(v_narrow(a, b), v_narrow(c, d)));
                count = 16;
                i += 16;
                continue;
            }
        }
        vec v = n - i >= 4 ? v_load(at) : v_load_part(at, 4 * (n - i));
        count = encode_in_4(dst, size, v, n - i);
        i += 4;
    }
}
