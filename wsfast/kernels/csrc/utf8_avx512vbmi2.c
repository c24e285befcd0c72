/* utf8_avx512vbmi2.c: transcoding with AVX-512 VBMI and VBMI2, which pick bytes out of a register
 * by a mask and by an index: after Robert Clausecker and Daniel Lemire, "Transcoding Unicode
 * characters with AVX-512 instructions", 2023.
 *
 * Every access near an end is masked, so a short text is one step. Results are compressed in a
 * register and then stored: compressing straight to memory is microcode on Zen 4. */
#include "tables.h"

#if WSF_X86
#include <immintrin.h>

#define INLINE static inline SET_TARGET
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

INLINE void put_2bytes(uint16_t *dst, size_t room, vec v, size_t count)
{
    if (room >= 32)
        _mm512_storeu_si512(dst, v);
    else
        _mm512_mask_storeu_epi16(dst, (__mmask32)first_lanes(count), v);
}

INLINE void put_4bytes(uint32_t *dst, size_t room, vec v, size_t count)
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

/* The wider forms look at a window of 64 bytes. A character belongs to the window that has its
 * last byte among the 60 in the middle: before them it has room for the three bytes that the
 * character may begin with, behind them for the byte that shows it has ended. */
enum { BEFORE = 3, STEP = 60 };

INLINE vec load_window(const uint8_t *src, size_t i, size_t n, uint64_t *ends)
{
    uint64_t inside = first_lanes(n - i + BEFORE);
    if (i == 0)
        inside &= ~first_lanes(BEFORE);
    vec window = _mm512_maskz_loadu_epi8(inside, src + i - BEFORE);
    uint64_t starts = _mm512_cmpgt_epi8_mask(window, fill(0xBF));

    *ends = starts >> 1 & inside & first_lanes(BEFORE + STEP) & ~first_lanes(BEFORE);
    return window;
}

INLINE vec load_ascii(const uint8_t *src, size_t i, size_t n, bool *ascii)
{
    vec v = _mm512_maskz_loadu_epi8(first_lanes(n - i), src + i);

    *ascii = _mm512_movepi8_mask(v) == 0;
    return v;
}

/* The bytes of the code points that end at `ends`, one code point a lane, in three registers:
 * low has bits 0..7, middle 8..15, high 16..20. `order` says which character goes to which four
 * lanes, so that the interleaving afterwards leaves them in a row. */
typedef struct {
    vec low, middle, high;
} code_points;

INLINE code_points decode(vec window, uint64_t ends, vec order, bool beyond_bmp)
{
    const vec iota = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42,
        41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20,
        19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const vec continuation_end = fill(0xC0);
    vec at = _mm512_permutexvar_epi32(order, _mm512_maskz_compress_epi8(ends, iota));
    code_points c;

    /* From the last byte backwards; zero where the character has fewer. */
    vec last = _mm512_permutexvar_epi8(at, window);
    vec second = _mm512_maskz_permutexvar_epi8(
        _mm512_movepi8_mask(last), _mm512_sub_epi8(at, fill(1)), window);
    vec third = _mm512_maskz_permutexvar_epi8(
        _mm512_cmplt_epi8_mask(second, continuation_end), _mm512_sub_epi8(at, fill(2)), window);

    c.low = _mm512_or_si512(_mm512_and_si512(last, fill(0x7F)),
                            _mm512_and_si512(_mm512_slli_epi16(second, 6), fill(0xC0)));
    c.middle = choose(fill(0x0F), _mm512_srli_epi16(second, 2), _mm512_slli_epi16(third, 4));
    c.high = _mm512_setzero_si512();
    if (beyond_bmp) {
        uint64_t four = _mm512_cmplt_epi8_mask(third, continuation_end);
        vec fourth = _mm512_permutexvar_epi8(_mm512_sub_epi8(at, fill(3)), window);
        vec high = choose(fill(0x03), _mm512_srli_epi16(third, 4), _mm512_slli_epi16(fourth, 2));
        c.high = _mm512_maskz_mov_epi8(four, _mm512_and_si512(high, fill(0x1F)));
    }
    return c;
}

SET_TARGET void wsf_utf8_to_ucs2_avx512vbmi2(uint16_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    const vec order = _mm512_set_epi32(15, 14, 7, 6, 13, 12, 5, 4, 11, 10, 3, 2, 9, 8, 1, 0);
    size_t i = 0, count;
    bool ascii;

    for (; i < n; dst += count, chars -= count) {
        vec v = load_ascii(src, i, n, &ascii), first, second;
        if (ascii) {
            count = n - i < 64 ? n - i : 64;
            i += 64;
            first = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(v));
            second = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(v, 1));
        } else {
            uint64_t ends;
            vec window = load_window(src, i, n, &ends);
            code_points c = decode(window, ends, order, false);
            count = count_ones(ends);
            i += STEP;
            first = _mm512_unpacklo_epi8(c.low, c.middle);
            second = _mm512_unpackhi_epi8(c.low, c.middle);
        }
        put_2bytes(dst, chars, first, count);
        if (count > 32)
            put_2bytes(dst + 32, chars - 32, second, count - 32);
    }
}

SET_TARGET void wsf_utf8_to_ucs4_avx512vbmi2(uint32_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    const vec order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    size_t i = 0, count;
    bool ascii;

    for (; i < n; dst += count, chars -= count) {
        vec v = load_ascii(src, i, n, &ascii), quarter[4];
        if (ascii) {
            count = n - i < 64 ? n - i : 64;
            i += 64;
            quarter[0] = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(v));
            quarter[1] = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(v, 1));
            quarter[2] = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(v, 2));
            quarter[3] = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(v, 3));
        } else {
            uint64_t ends;
            vec window = load_window(src, i, n, &ends);
            code_points c = decode(window, ends, order, true);
            vec low = _mm512_unpacklo_epi8(c.low, c.middle);
            vec high = _mm512_unpacklo_epi8(c.high, _mm512_setzero_si512());
            count = count_ones(ends);
            i += STEP;
            quarter[0] = _mm512_unpacklo_epi16(low, high);
            quarter[1] = _mm512_unpackhi_epi16(low, high);
            low = _mm512_unpackhi_epi8(c.low, c.middle);
            high = _mm512_unpackhi_epi8(c.high, _mm512_setzero_si512());
            quarter[2] = _mm512_unpacklo_epi16(low, high);
            quarter[3] = _mm512_unpackhi_epi16(low, high);
        }
        put_4bytes(dst, chars, quarter[0], count);
        if (count > 16)
            put_4bytes(dst + 16, chars - 16, quarter[1], count - 16);
        if (count > 32) {
            put_4bytes(dst + 32, chars - 32, quarter[2], count - 32);
            if (count > 48)
                put_4bytes(dst + 48, chars - 48, quarter[3], count - 48);
        }
    }
}

/* One character a lane, its UTF-8 in the lane from low to high as it will lie in memory, ending in
 * the highest byte. Unused bytes are zero, and no used one is, save the last in U+0000: so what
 * is not zero and every last byte, squeezed together, is the text. `lasts` has a bit for the
 * last byte of each lane that holds a character. */
INLINE size_t squeeze(uint8_t *dst, size_t room, vec lanes, uint64_t lasts)
{
    uint64_t used = _mm512_test_epi8_mask(lanes, lanes) | lasts;
    size_t count = count_ones(used);

    put_bytes(dst, room, _mm512_maskz_compress_epi8(used, lanes), count);
    return count;
}

SET_TARGET void wsf_ucs1_to_utf8_avx512vbmi2(uint8_t *dst, size_t size, const uint8_t *src, size_t n)
{
    size_t i = 0, count;

    for (; i < n; dst += count, size -= count) {
        vec v = _mm512_maskz_loadu_epi8(first_lanes(n - i), src + i);
        if (_mm512_movepi8_mask(v) == 0) {
            count = n - i < 64 ? n - i : 64;
            put_bytes(dst, size, v, count);
            i += 64;
            continue;
        }
        vec c = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(v));
        __mmask32 two = _mm512_cmpgt_epu16_mask(c, _mm512_set1_epi16(0x7F));
        vec last = _mm512_slli_epi16(c, 8);
        vec lead = _mm512_or_si512(_mm512_srli_epi16(c, 6), _mm512_set1_epi16(0xC0));
        /* 80..BF is its own continuation byte, C0..FF is without its bit 6. */
        c = _mm512_mask_mov_epi16(last, two, _mm512_or_si512(
                _mm512_and_si512(last, _mm512_set1_epi16((short)0xBF00)), lead));
        count = squeeze(dst, size, c, 0xAAAAAAAAAAAAAAAA & first_lanes(2 * (n - i)));
        i += 32;
    }
}

/* Sixteen characters, each in four bytes as squeeze() wants it. */
INLINE vec encode16(vec c)
{
    /* Bits 18.., 12.., 6.. and 0.. of either half of each eight bytes. */
    const vec sextets = _mm512_set1_epi64(0x20262C3200060C12);
    __mmask16 two = _mm512_cmpgt_epu32_mask(c, _mm512_set1_epi32(0x7F));
    __mmask16 three = _mm512_cmpgt_epu32_mask(c, _mm512_set1_epi32(0x7FF));
    __mmask16 four = _mm512_cmpgt_epu32_mask(c, _mm512_set1_epi32(0xFFFF));
    vec marks = _mm512_set1_epi32((int)0x80C00000);
    vec bytes = _mm512_multishift_epi64_epi8(sextets, c);

    marks = _mm512_mask_mov_epi32(marks, three, _mm512_set1_epi32((int)0x8080E000));
    marks = _mm512_mask_mov_epi32(marks, four, _mm512_set1_epi32((int)0x808080F0));
    bytes = _mm512_or_si512(_mm512_and_si512(bytes, fill(0x3F)), marks);
    return _mm512_mask_mov_epi32(_mm512_slli_epi32(c, 24), two, bytes);
}

SET_TARGET void wsf_ucs2_to_utf8_avx512vbmi2(uint8_t *dst, size_t size, const uint16_t *src, size_t n)
{
    size_t i = 0, count;

    for (; i < n; dst += count, size -= count) {
        vec v = _mm512_maskz_loadu_epi16((__mmask32)first_lanes(n - i), src + i);
        if (_mm512_cmpgt_epu16_mask(v, _mm512_set1_epi16(0x7F)) == 0) {
            count = n - i < 32 ? n - i : 32;
            put_bytes(dst, size, _mm512_castsi256_si512(_mm512_cvtepi16_epi8(v)), count);
            i += 32;
            continue;
        }
        vec lanes = encode16(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(v)));
        count = squeeze(dst, size, lanes, 0x8888888888888888 & first_lanes(4 * (n - i)));
        i += 16;
    }
}

SET_TARGET void wsf_ucs4_to_utf8_avx512vbmi2(uint8_t *dst, size_t size, const uint32_t *src, size_t n)
{
    size_t i, count;

    for (i = 0; i < n; i += 16, dst += count, size -= count) {
        vec c = _mm512_maskz_loadu_epi32((__mmask16)first_lanes(n - i), src + i);
        count = squeeze(dst, size, encode16(c), 0x8888888888888888 & first_lanes(4 * (n - i)));
    }
}

#endif
