/* utf8_length.h: how long characters are in UTF-8, written once for every instruction set.
 *
 * No include guard: a file includes this once, after it has defined for its instruction set
 *   SET, SET_TARGET  the suffix of the functions, and their target attribute
 *   vec, WIDTH       a register of bytes, and how many
 *   v_load, v_zero, v_or, v_and, v_fill, v_fill16, v_fill32, v_same16, v_same32 (lanes of so many
 *   bits: ones where equal, else zero), v_count (bytes whose bit 7 is set), v_is_zero
 */

SET_TARGET size_t WSF_OF_SET(wsf_ucs1_utf8_length)(const uint8_t *src, size_t n)
{
    size_t i, size = n;

    for (i = 0; n - i >= WIDTH; i += WIDTH)
        size += v_count(v_load(src + i));
    return size - (n - i) + wsf_ucs1_utf8_length_scalar(src + i, n - i);
}

/* A character takes three bytes less one if it is below U+0800 and one if it is below U+0080:
 * to compare with zero what is left of it above those is quickest. */
SET_TARGET size_t WSF_OF_SET(wsf_ucs2_utf8_length)(const uint16_t *src, size_t n)
{
    vec surrogates = v_zero();
    size_t i, rest, size = 0;

    for (i = 0; n - i >= WIDTH / 2; i += WIDTH / 2) {
        vec v = v_load((const uint8_t *)(src + i)), from_800 = v_and(v, v_fill16(0xF800));
        size += 3 * WIDTH / 2;
        size -= v_count(v_same16(v_and(v, v_fill16(0xFF80)), v_zero())) / 2;
        size -= v_count(v_same16(from_800, v_zero())) / 2;
        surrogates = v_or(surrogates, v_same16(from_800, v_fill16(0xD800)));
    }
    rest = wsf_ucs2_utf8_length_scalar(src + i, n - i);
    return v_is_zero(surrogates) && rest != WSF_NOT_ENCODABLE ? size + rest : WSF_NOT_ENCODABLE;
}

SET_TARGET size_t WSF_OF_SET(wsf_ucs4_utf8_length)(const uint32_t *src, size_t n)
{
    vec surrogates = v_zero();
    size_t i, rest, size = 0;

    for (i = 0; n - i >= WIDTH / 4; i += WIDTH / 4) {
        vec v = v_load((const uint8_t *)(src + i)), from_800 = v_and(v, v_fill32(0xFFFFF800));
        size += 4 * WIDTH / 4;
        size -= v_count(v_same32(v_and(v, v_fill32(0xFFFFFF80)), v_zero())) / 4;
        size -= v_count(v_same32(from_800, v_zero())) / 4;
        size -= v_count(v_same32(v_and(v, v_fill32(0xFFFF0000)), v_zero())) / 4;
        surrogates = v_or(surrogates, v_same32(from_800, v_fill32(0xD800)));
    }
    rest = wsf_ucs4_utf8_length_scalar(src + i, n - i);
    return v_is_zero(surrogates) && rest != WSF_NOT_ENCODABLE ? size + rest : WSF_NOT_ENCODABLE;
}
