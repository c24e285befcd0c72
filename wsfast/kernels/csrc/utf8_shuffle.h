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
 *   v_load, v_load_part (zeros behind the end), v_store, v_zero, v_fill, v_fill16, v_or, v_and,
 *   v_is_ascii
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
 *   V_BEFORE         of (v, previous, k): the bytes k places before those of v
 *   V_RIGHT16        shift of (lanes of 16 bits, bits)
 *   V_LEFT, V_RIGHT  shifts of (bytes, bits), where bits may come over from the neighbours
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

/* Sixteen characters, or fewer and zeros behind them: bits 0..7, 8..15 and 16..20 of each. */
typedef struct {
    vec low, middle, high;
} code_points;

/* Sixteen of n bytes from src[at], and zeros behind the end. */
WSF_INLINE SET_TARGET vec load_piece(const void *src, size_t n, size_t at)
{
    const uint8_t *bytes = src;

    if (at >= n)
        return v_zero();
    return n - at >= 16 ? v_load(bytes + at) : v_load_part(bytes + at, n - at);
}

/* Writes the bytes of x that belong to UTF-8: those with bit 7, and the last byte of each
 * character, which may be without: `lasts` tells where they are. Returns how many it wrote. */
WSF_INLINE SET_TARGET size_t squeeze(uint8_t *dst, size_t room, vec x, uint64_t lasts)
{
    unsigned used = v_bits(x) | (unsigned)(lasts & 0xFFFF);
    size_t count = count_ones(used);
    uint8_t spare[16], *to = room >= 16 ? dst : spare;

    v_store_halves(to, to + count_ones(used & 0xFF), v_shuffle(x, squeezing(used)));
    if (to == spare)
        memcpy(dst, spare, count);
    return count;
}

/* The first `chars` of c; how wide they may be is written out by the callers. */
WSF_INLINE SET_TARGET size_t encode(uint8_t *dst, size_t room, code_points c, size_t chars, int width)
{
    vec four = width < WSF_UCS4 ? v_zero() : v_at_least(c.high, 1);
    vec three = width < WSF_UCS2 ? v_zero() : v_or(v_at_least(c.middle, 0x08), four);
    vec two = width < WSF_UCS2 ? v_negative(c.low)
                               : v_or(v_or(v_negative(c.low), v_at_least(c.middle, 1)), four);
    size_t count;

    if (chars == 16 && v_is_ascii(two)) {
        v_store(dst, c.low);
        return 16;
    }
    /* From the last byte backwards; zero where the character has fewer. */
    vec last = v_choose(two, v_or(v_and(c.low, v_fill(0x3F)), v_fill(0x80)), c.low);
    vec sextet = v_and(v_choose(v_fill(0x03), V_RIGHT(c.low, 6), V_LEFT(c.middle, 2)), v_fill(0x3F));
    vec second = v_and(two, v_or(sextet, v_choose(three, v_fill(0x80), v_fill(0xC0))));
    vec low2 = v_zip_low(second, last), high2 = v_zip_high(second, last);

    if (width < WSF_UCS2 || v_is_ascii(three)) {
        uint64_t lasts = 0xAAAAAAAA & ~(~0ull << 2 * chars);
        count = squeeze(dst, room, low2, lasts);
        return count + squeeze(dst + count, room - count, high2, lasts >> 16);
    }
    sextet = v_and(v_choose(v_fill(0x0F), V_RIGHT(c.middle, 4), V_LEFT(c.high, 4)), v_fill(0x3F));
    vec third = v_and(three, v_or(sextet, v_choose(four, v_fill(0x80), v_fill(0xE0))));
    vec fourth = v_and(four, v_or(v_and(V_RIGHT(c.high, 2), v_fill(0x07)), v_fill(0xF0)));
    vec low1 = v_zip_low(fourth, third), high1 = v_zip_high(fourth, third);
    uint64_t lasts = 0x8888888888888888 & ~(chars < 16 ? ~0ull << 4 * chars : 0);

    count = squeeze(dst, room, v_zip16_low(low1, low2), lasts);
    count += squeeze(dst + count, room - count, v_zip16_high(low1, low2), lasts >> 16);
    count += squeeze(dst + count, room - count, v_zip16_low(high1, high2), lasts >> 32);
    return count + squeeze(dst + count, room - count, v_zip16_high(high1, high2), lasts >> 48);
}

SET_TARGET void WSF_OF_SET(wsf_ucs1_to_utf8)(uint8_t *dst, size_t size, const uint8_t *src, size_t n)
{
    size_t i, count;

    for (i = 0; i < n; i += 16, dst += count, size -= count) {
        code_points c = {load_piece(src, n, i), v_zero(), v_zero()};
        count = encode(dst, size, c, n - i < 16 ? n - i : 16, WSF_UCS1);
    }
}

SET_TARGET void WSF_OF_SET(wsf_ucs2_to_utf8)(uint8_t *dst, size_t size, const uint16_t *src, size_t n)
{
    const vec byte = v_fill16(0xFF);
    size_t i, count;

    for (i = 0; i < n; i += 16, dst += count, size -= count) {
        vec a = load_piece(src, 2 * n, 2 * i), b = load_piece(src, 2 * n, 2 * i + 16);
        code_points c = {v_narrow(v_and(a, byte), v_and(b, byte)),
                         v_narrow(V_RIGHT16(a, 8), V_RIGHT16(b, 8)), v_zero()};
        count = encode(dst, size, c, n - i < 16 ? n - i : 16, WSF_UCS2);
    }
}

SET_TARGET void WSF_OF_SET(wsf_ucs4_to_utf8)(uint8_t *dst, size_t size, const uint32_t *src, size_t n)
{
    const vec byte = v_fill16(0xFF);
    size_t i, count;

    for (i = 0; i < n; i += 16, dst += count, size -= count) {
        vec a = load_piece(src, 4 * n, 4 * i), b = load_piece(src, 4 * n, 4 * i + 16);
        vec d = load_piece(src, 4 * n, 4 * i + 32), e = load_piece(src, 4 * n, 4 * i + 48);
        /* Bytes 0 and 2 of each character, then 1 and 3. */
        vec even1 = v_narrow(v_and(a, byte), v_and(b, byte));
        vec even2 = v_narrow(v_and(d, byte), v_and(e, byte));
        vec odd1 = v_narrow(V_RIGHT16(a, 8), V_RIGHT16(b, 8));
        vec odd2 = v_narrow(V_RIGHT16(d, 8), V_RIGHT16(e, 8));
        code_points c = {v_narrow(v_and(even1, byte), v_and(even2, byte)), v_narrow(odd1, odd2),
                         v_narrow(V_RIGHT16(even1, 8), V_RIGHT16(even2, 8))};
        count = encode(dst, size, c, n - i < 16 ? n - i : 16, WSF_UCS4);
    }
}
