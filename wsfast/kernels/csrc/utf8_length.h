/* utf8_length.h: how long characters are in UTF-8, written once for every instruction set.
 *
 * No include guard: a file includes this once, after it has defined for its instruction set
 *   SET, SET_TARGET     the suffix of the functions, and their target attribute
 *   vec, WIDTH          a register of bytes, and how many
 *   v_load, v_load_part (zeros behind the end), v_zero, v_or, v_and, v_fill16, v_fill32
 *   v_same16, v_same32  of (a, b): ones in the lanes of so many bits that are equal
 *   v_count             how many bytes have bit 7
 *   v_is_zero
 */

SET_TARGET size_t WSF_OF_SET(wsf_ucs1_utf8_length)(const uint8_t *src, size_t n)
{
    size_t i, size = n;

    for (i = 0; n - i >= WIDTH; i += WIDTH)
        size += v_count(v_load(src + i));
    return i < n ? size + v_count(v_load_part(src + i, n - i)) : size;
}

/* A character takes a byte more from U+0080 on, and from U+0800, and from U+10000. It is quickest
 * to compare with zero what is left above those, and to count where there is nothing. */
enum { LANES_OF_2 = WIDTH / 2, LANES_OF_4 = WIDTH / 4 };

SET_TARGET size_t WSF_OF_SET(wsf_ucs2_utf8_length)(const uint16_t *src, size_t n)
{
    vec surrogates = v_zero();
    size_t i, size = n;

    for (i = 0; i < n; i += LANES_OF_2) {
        const uint8_t *at = (const uint8_t *)(src + i);
        vec v = n - i >= LANES_OF_2 ? v_load(at) : v_load_part(at, 2 * (n - i));
        vec from_800 = v_and(v, v_fill16(0xF800));
        size += LANES_OF_2 - v_count(v_same16(v_and(v, v_fill16(0xFF80)), v_zero())) / 2;
        size += LANES_OF_2 - v_count(v_same16(from_800, v_zero())) / 2;
        surrogates = v_or(surrogates, v_same16(from_800, v_fill16(0xD800)));
    }
    return v_is_zero(surrogates) ? size : WSF_NOT_ENCODABLE;
}

SET_TARGET size_t WSF_OF_SET(wsf_ucs4_utf8_length)(const uint32_t *src, size_t n)
{
    vec surrogates = v_zero();
    size_t i, size = n;

    for (i = 0; i < n; i += LANES_OF_4) {
        const uint8_t *at = (const uint8_t *)(src + i);
        vec v = n - i >= LANES_OF_4 ? v_load(at) : v_load_part(at, 4 * (n - i));
        vec from_800 = v_and(v, v_fill32(0xFFFFF800));
        size += LANES_OF_4 - v_count(v_same32(v_and(v, v_fill32(0xFFFFFF80)), v_zero())) / 4;
        size += LANES_OF_4 - v_count(v_same32(from_800, v_zero())) / 4;
        size += LANES_OF_4 - v_count(v_same32(v_and(v, v_fill32(0xFFFF0000)), v_zero())) / 4;
        surrogates = v_or(surrogates, v_same32(from_800, v_fill32(0xD800)));
    }
    return v_is_zero(surrogates) ? size : WSF_NOT_ENCODABLE;
}
