/* utf8_avx512vbmi2.c: transcoding with AVX-512 VBMI and VBMI2, which pick bytes out of a register
 * by a mask and by an index: after Robert Clausecker and Daniel Lemire, "Transcoding Unicode
 * characters with AVX-512 instructions", 2023.
 *
 * Every access near an end is masked, so a short text is one step. Results are compressed in a
 * register and then stored: compressing straight to memory is microcode on Zen 4. */
#include "tables.h"

#if WSF_X86
#include <immintrin.h>

#define INLINE WSF_INLINE SET_TARGET
#define SET_TARGET \
    WSF_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,bmi2,popcnt")

typedef __m512i vec;

INLINE uint64_t first_lanes(size_t count)
{
    return _bzhi_u64(~0ull, count < 64 ? (unsigned)count : 64);
}
INLINE size_t count_ones(uint64_t mask) { return (size_t)_mm_popcnt_u64(mask); }
INLINE vec fill(uint8_t byte) { return _mm512_set1_epi8((char)byte); }

/* The bits of a where chosen has ones, those of b where it has zeros. */
INLINE vec choose(vec chosen, vec a, vec b) { return _mm512_ternarylogic_epi64(chosen, a, b, 0xCA); }

/* The first `count` of 64 bytes; all 64 may be written where there is room for them. */
INLINE void put_bytes(uint8_t *dst, size_t room, vec v, size_t count)
{
    if (room >= 64)
        _mm512_storeu_si512(dst, v);
    else
        _mm512_mask_storeu_epi8(dst, first_lanes(count), v);
}

INLINE void put_ucs2(uint16_t *dst, size_t room, vec v, size_t count)
{
    if (room >= 32)
        _mm512_storeu_si512(dst, v);
    else
        _mm512_mask_storeu_epi16(dst, (__mmask32)first_lanes(count), v);
}

INLINE void put_ucs4(uint32_t *dst, size_t room, vec v, size_t count)
{
    if (room >= 16)
        _mm512_storeu_si512(dst, v);
    else
        _mm512_mask_storeu_epi32(dst, (__mmask16)first_lanes(count), v);
}

/* U+0080..U+00FF are C2 or C3 and a continuation byte, which is the character itself behind C2,
 * and 40 less than it behind C3. */
SET_TARGET void wsf_utf8_to_ucs1_avx512vbmi2(uint8_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    uint64_t behind_c3 = 0;
    size_t i, count;

    for (i = 0; i < n; i += 64, dst += count, chars -= count) {
        uint64_t inside = first_lanes(n - i);
        vec v = _mm512_maskz_loadu_epi8(inside, src + i);
        uint64_t c3 = _mm512_cmpeq_epi8_mask(v, fill(0xC3));
        uint64_t ends = _mm512_mask_cmplt_epu8_mask(inside, v, fill(0xC0));

        behind_c3 |= c3 << 1;
        v = _mm512_mask_add_epi8(v, behind_c3, v, fill(0x40));
        behind_c3 = c3 >> 63;
        count = count_ones(ends);
        put_bytes(dst, chars, _mm512_maskz_compress_epi8(ends, v), count);
    }
}

/* The wider forms put together, at every byte, the character that would end there, from that byte
 * and those before it; then keep what stands where one does end: before a byte that starts the
 * next. A character's bits 0..7 are made in one register, 8..15 and 16..20 in two more. */
typedef struct {
    vec v, before1, before2, before3; /* the bytes, and those so many places before them */
    uint64_t ends;                    /* where a character ends */
} window;

/* The bytes k places before those of a window; what would lie before the text is not touched. */
INLINE vec load_before(const uint8_t *src, size_t i, size_t k, uint64_t inside)
{
    return _mm512_maskz_loadu_epi8(inside & ~first_lanes(i < k ? k : 0), src + i - k);
}

INLINE window load_window(const uint8_t *src, size_t i, size_t n)
{
    window w;
    vec next;

    if (i > 0 && n - i > 64) {
        w.v = _mm512_loadu_si512(src + i);
        w.before1 = _mm512_loadu_si512(src + i - 1);
        w.before2 = _mm512_loadu_si512(src + i - 2);
        w.before3 = _mm512_loadu_si512(src + i - 3);
        next = _mm512_loadu_si512(src + i + 1);
        w.ends = _mm512_cmpgt_epi8_mask(next, fill(0xBF));
    } else {
        uint64_t inside = first_lanes(n - i);
        w.v = _mm512_maskz_loadu_epi8(inside, src + i);
        w.before1 = load_before(src, i, 1, inside);
        w.before2 = load_before(src, i, 2, inside);
        w.before3 = load_before(src, i, 3, inside);
        next = _mm512_maskz_loadu_epi8(first_lanes(n - i - 1), src + i + 1);
        w.ends = _mm512_mask_cmpgt_epi8_mask(inside, next, fill(0xBF));
    }
    return w;
}

/* Last byte: 0aaaaaaa or 10aaaaaa. Before it: 110bbbbb or 10bbbbbb; before that: 1110cccc or
 * 10cccccc; first of four: 11110ddd. */
INLINE vec low_bits(window w)
{
    vec of_more = choose(fill(0x3F), w.v, _mm512_slli_epi16(w.before1, 6));

    return _mm512_mask_mov_epi8(w.v, _mm512_movepi8_mask(w.v), of_more);
}

INLINE vec middle_bits(window w)
{
    uint64_t three = _mm512_cmplt_epi8_mask(w.before1, fill(0xC0));
    vec c = _mm512_maskz_mov_epi8(three, _mm512_slli_epi16(w.before2, 4));
    vec of_more = choose(fill(0x0F), _mm512_srli_epi16(w.before1, 2), c);

    return _mm512_maskz_mov_epi8(_mm512_movepi8_mask(w.v), of_more);
}

INLINE vec high_bits(window w)
{
    uint64_t four = _mm512_cmpge_epu8_mask(w.before3, fill(0xF0));
    vec of_four = choose(fill(0x03), _mm512_srli_epi16(w.before2, 4), _mm512_slli_epi16(w.before3, 2));

    return _mm512_and_si512(_mm512_maskz_mov_epi8(four, of_four), fill(0x1F));
}

SET_TARGET void wsf_utf8_to_ucs2_avx512vbmi2(uint16_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    /* Bytes of two registers in turns: 0, 64 + 0, 1, 64 + 1 and so on. */
    const vec first_half = _mm512_set_epi64(
        0x5F1F5E1E5D1D5C1C, 0x5B1B5A1A59195818, 0x5717561655155414, 0x5313521251115010,
        0x4F0F4E0E4D0D4C0C, 0x4B0B4A0A49094808, 0x4707460645054404, 0x4303420241014000);
    const vec second_half = _mm512_add_epi8(first_half, fill(32));
    size_t i, count;

    for (i = 0; i < n; i += 64, dst += count, chars -= count) {
        window w = load_window(src, i, n);
        vec first, second;

        count = count_ones(w.ends);
        if (_mm512_movepi8_mask(w.v) == 0) {
            first = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(w.v));
            second = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(w.v, 1));
        } else {
            vec low = _mm512_maskz_compress_epi8(w.ends, low_bits(w));
            vec middle = _mm512_maskz_compress_epi8(w.ends, middle_bits(w));
            first = _mm512_permutex2var_epi8(low, first_half, middle);
            second = _mm512_permutex2var_epi8(low, second_half, middle);
        }
        put_ucs2(dst, chars, first, count);
        if (count > 32)
            put_ucs2(dst + 32, chars - 32, second, count - 32);
    }
}

SET_TARGET void wsf_utf8_to_ucs4_avx512vbmi2(uint32_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    /* Unpacking works in lanes of sixteen bytes, here four characters. So four at a time go in
     * turns to the four lanes, and come out of them in their order. */
    const vec dealt = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const vec zero = _mm512_setzero_si512();
    size_t i, count;

    for (i = 0; i < n; i += 64, dst += count, chars -= count) {
        window w = load_window(src, i, n);
        vec low = w.v, middle = zero, high = zero;

        count = count_ones(w.ends);
        if (_mm512_movepi8_mask(w.v) != 0) {
            low = _mm512_maskz_compress_epi8(w.ends, low_bits(w));
            middle = _mm512_permutexvar_epi32(dealt, _mm512_maskz_compress_epi8(w.ends, middle_bits(w)));
            high = _mm512_permutexvar_epi32(dealt, _mm512_maskz_compress_epi8(w.ends, high_bits(w)));
        }
        low = _mm512_permutexvar_epi32(dealt, low);
        vec low16 = _mm512_unpacklo_epi8(low, middle), high16 = _mm512_unpacklo_epi8(high, zero);
        put_ucs4(dst, chars, _mm512_unpacklo_epi16(low16, high16), count);
        if (count > 16)
            put_ucs4(dst + 16, chars - 16, _mm512_unpackhi_epi16(low16, high16), count - 16);
        if (count <= 32)
            continue;
        low16 = _mm512_unpackhi_epi8(low, middle);
        high16 = _mm512_unpackhi_epi8(high, zero);
        put_ucs4(dst + 32, chars - 32, _mm512_unpacklo_epi16(low16, high16), count - 32);
        if (count > 48)
            put_ucs4(dst + 48, chars - 48, _mm512_unpackhi_epi16(low16, high16), count - 48);
    }
}

/* The characters now stand in lanes, each as its UTF-8 will lie in memory, with the last byte at the
 * end of the lane and zeros in the bytes that it does not need. */

/* Writes the bytes that belong to UTF-8: those with bit 7, and the last byte of each character,
 * which may be without: `lasts` tells where they are. Returns how many it wrote. */
INLINE size_t squeeze(uint8_t *dst, size_t room, vec lanes, uint64_t lasts)
{
    uint64_t used = _mm512_movepi8_mask(lanes) | lasts;
    size_t count = count_ones(used);

    put_bytes(dst, room, _mm512_maskz_compress_epi8(used, lanes), count);
    return count;
}

/* Up to U+07FF in lanes of two bytes. */
INLINE vec encode_in_2(vec c)
{
    __mmask32 two = _mm512_cmpgt_epu16_mask(c, _mm512_set1_epi16(0x7F));
    vec last = _mm512_slli_epi16(c, 8);
    vec bits = choose(_mm512_set1_epi16(0x3F00), last, _mm512_srli_epi16(c, 6));
    vec pair = choose(_mm512_set1_epi16(0x3F1F), bits, _mm512_set1_epi16((short)0x80C0));

    return _mm512_mask_mov_epi16(last, two, pair);
}

/* Any in lanes of four. */
INLINE vec encode_in_4(vec c, bool beyond_bmp)
{
    /* Bits 18.., 12.., 6.. and 0.. of either half of each eight bytes. */
    const vec sextets = _mm512_set1_epi64(0x20262C3200060C12);
    __mmask16 two = _mm512_cmpgt_epu32_mask(c, _mm512_set1_epi32(0x7F));
    __mmask16 three = _mm512_cmpgt_epu32_mask(c, _mm512_set1_epi32(0x7FF));
    vec marks = _mm512_set1_epi32((int)0x80C00000);
    vec bytes = _mm512_and_si512(_mm512_multishift_epi64_epi8(sextets, c), fill(0x3F));

    marks = _mm512_mask_mov_epi32(marks, three, _mm512_set1_epi32((int)0x8080E000));
    if (beyond_bmp) {
        __mmask16 four = _mm512_cmpgt_epu32_mask(c, _mm512_set1_epi32(0xFFFF));
        marks = _mm512_mask_mov_epi32(marks, four, _mm512_set1_epi32((int)0x808080F0));
    }
    return _mm512_mask_or_epi32(_mm512_slli_epi32(c, 24), two, bytes, marks);
}

/* Where the last bytes of so many characters are. */
INLINE uint64_t lasts_in_2(size_t chars) { return 0xAAAAAAAAAAAAAAAA & first_lanes(2 * chars); }
INLINE uint64_t lasts_in_4(size_t chars) { return 0x8888888888888888 & first_lanes(4 * chars); }

SET_TARGET void wsf_ucs1_to_utf8_avx512vbmi2(uint8_t *dst, size_t size, const uint8_t *src, size_t n)
{
    size_t i, count;

    for (i = 0; i < n; i += 64, dst += count, size -= count) {
        vec v = _mm512_maskz_loadu_epi8(first_lanes(n - i), src + i);
        if (_mm512_movepi8_mask(v) == 0) {
            count = n - i < 64 ? n - i : 64;
            put_bytes(dst, size, v, count);
            continue;
        }
        vec half = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(v));
        count = squeeze(dst, size, encode_in_2(half), lasts_in_2(n - i));
        if (n - i > 32) {
            half = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(v, 1));
            count += squeeze(dst + count, size - count, encode_in_2(half), lasts_in_2(n - i - 32));
        }
    }
}

SET_TARGET void wsf_ucs2_to_utf8_avx512vbmi2(uint8_t *dst, size_t size, const uint16_t *src, size_t n)
{
    size_t i, count;

    for (i = 0; i < n; i += 32, dst += count, size -= count) {
        vec v = _mm512_maskz_loadu_epi16((__mmask32)first_lanes(n - i), src + i);
        if (_mm512_test_epi16_mask(v, _mm512_set1_epi16((short)0xFF80)) == 0) {
            count = n - i < 32 ? n - i : 32;
            put_bytes(dst, size, _mm512_castsi256_si512(_mm512_cvtepi16_epi8(v)), count);
            continue;
        }
        if (_mm512_test_epi16_mask(v, _mm512_set1_epi16((short)0xF800)) == 0) {
            count = squeeze(dst, size, encode_in_2(v), lasts_in_2(n - i));
            continue;
        }
        vec half = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(v));
        count = squeeze(dst, size, encode_in_4(half, false), lasts_in_4(n - i));
        if (n - i > 16) {
            half = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(v, 1));
            count += squeeze(dst + count, size - count, encode_in_4(half, false), lasts_in_4(n - i - 16));
        }
    }
}

SET_TARGET void wsf_ucs4_to_utf8_avx512vbmi2(uint8_t *dst, size_t size, const uint32_t *src, size_t n)
{
    size_t i, count;

    for (i = 0; i < n; i += 16, dst += count, size -= count) {
        vec c = _mm512_maskz_loadu_epi32((__mmask16)first_lanes(n - i), src + i);
        if (_mm512_test_epi32_mask(c, _mm512_set1_epi32((int)0xFFFFFF80)) == 0) {
            count = n - i < 16 ? n - i : 16;
            put_bytes(dst, size, _mm512_castsi128_si512(_mm512_cvtepi32_epi8(c)), count);
            continue;
        }
        count = squeeze(dst, size, encode_in_4(c, true), lasts_in_4(n - i));
    }
}

#endif
