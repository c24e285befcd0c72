/* utf8_scalar.c: UTF-8 on any CPU, one character at a time. What the other kernels must equal. */
#include "tables.h"

/* The length of the character that starts at src, when its bytes are valid (RFC 3629 section 4).
 * 0 if not; *error is then how many bytes could still belong to a character, which is n when it
 * is only unfinished. */
static size_t character_length(const uint8_t *src, size_t n, size_t *error)
{
    uint8_t lead = src[0], low = 0x80, high = 0xBF;
    size_t length, i;

    *error = 0;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2)
        return 0; /* a continuation byte, or C0 and C1, which only overlong forms use */
    if (lead < 0xE0)
        length = 2;
    else if (lead < 0xF0) {
        length = 3;
        if (lead == 0xE0)
            low = 0xA0; /* below: overlong */
        else if (lead == 0xED)
            high = 0x9F; /* above: surrogates */
    } else if (lead < 0xF5) {
        length = 4;
        if (lead == 0xF0)
            low = 0x90; /* below: overlong */
        else if (lead == 0xF4)
            high = 0x8F; /* above: more than U+10FFFF */
    } else
        return 0;
    for (i = 1; i < length; i++) {
        *error = i;
        if (i == n || src[i] < low || src[i] > high)
            return 0;
        low = 0x80;
        high = 0xBF;
    }
    return length;
}

/* The width of a text by its highest byte, which is always the lead of its highest character. */
static int width_of_lead(uint8_t highest)
{
    return highest < 0x80 ? WSF_ASCII : highest < 0xC4 ? WSF_UCS1 : highest < 0xF0 ? WSF_UCS2 : WSF_UCS4;
}

bool wsf_utf8_scan_scalar(const uint8_t *src, size_t n, wsf_text *text)
{
    size_t i = 0, chars = 0, error, length;
    uint8_t highest = 0;

    while (i < n) {
        length = character_length(src + i, n - i, &error);
        if (length == 0)
            return false;
        if (src[i] > highest)
            highest = src[i];
        i += length;
        chars++;
    }
    text->chars = chars;
    text->width = width_of_lead(highest);
    return true;
}

bool wsf_utf8_valid_scalar(const uint8_t *src, size_t n)
{
    wsf_text ignored;

    return wsf_utf8_scan_scalar(src, n, &ignored);
}

size_t wsf_utf8_first_error(const uint8_t *src, size_t n)
{
    size_t i = 0, error, length;

    while (i < n) {
        length = character_length(src + i, n - i, &error);
        if (length == 0)
            return i + error;
        i += length;
    }
    return n;
}

size_t wsf_utf8_unfinished(const uint8_t *src, size_t n)
{
    size_t back;

    for (back = 1; back <= 3 && back <= n; back++) {
        uint8_t byte = src[n - back];
        if (byte < 0x80)
            return 0;
        if (byte >= 0xC0) {
            size_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
            return wanted > back ? back : 0;
        }
    }
    return 0;
}

/* The code point at *src, which is valid UTF-8; *src moves behind it. */
static inline uint32_t next_code_point(const uint8_t **src)
{
    const uint8_t *p = *src;
    uint8_t lead = p[0];

    if (lead < 0x80) {
        *src += 1;
        return lead;
    }
    if (lead < 0xE0) {
        *src += 2;
        return (uint32_t)(lead & 0x1F) << 6 | (p[1] & 0x3F);
    }
    if (lead < 0xF0) {
        *src += 3;
        return (uint32_t)(lead & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    }
    *src += 4;
    return (uint32_t)(lead & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 |
           (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
}

void wsf_utf8_to_ucs1_scalar(uint8_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    (void)n;
    while (chars--)
        *dst++ = (uint8_t)next_code_point(&src);
}

void wsf_utf8_to_ucs2_scalar(uint16_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    (void)n;
    while (chars--)
        *dst++ = (uint16_t)next_code_point(&src);
}

void wsf_utf8_to_ucs4_scalar(uint32_t *dst, size_t chars, const uint8_t *src, size_t n)
{
    (void)n;
    while (chars--)
        *dst++ = next_code_point(&src);
}

size_t wsf_ucs1_utf8_length_scalar(const uint8_t *src, size_t n)
{
    size_t i, size = n;

    for (i = 0; i < n; i++)
        size += src[i] >> 7;
    return size;
}

size_t wsf_ucs2_utf8_length_scalar(const uint16_t *src, size_t n)
{
    size_t i, size = n;

    for (i = 0; i < n; i++) {
        if ((src[i] & 0xF800) == 0xD800)
            return WSF_NOT_ENCODABLE;
        size += (size_t)(src[i] > 0x7F) + (size_t)(src[i] > 0x7FF);
    }
    return size;
}

size_t wsf_ucs4_utf8_length_scalar(const uint32_t *src, size_t n)
{
    size_t i, size = n;

    for (i = 0; i < n; i++) {
        if ((src[i] & 0xFFFFF800) == 0xD800)
            return WSF_NOT_ENCODABLE;
        size += (size_t)(src[i] > 0x7F) + (size_t)(src[i] > 0x7FF) + (size_t)(src[i] > 0xFFFF);
    }
    return size;
}

static inline uint8_t *put_code_point(uint8_t *dst, uint32_t c)
{
    if (c < 0x80) {
        *dst++ = (uint8_t)c;
        return dst;
    }
    if (c < 0x800)
        *dst++ = (uint8_t)(0xC0 | c >> 6);
    else {
        if (c < 0x10000)
            *dst++ = (uint8_t)(0xE0 | c >> 12);
        else {
            *dst++ = (uint8_t)(0xF0 | c >> 18);
            *dst++ = (uint8_t)(0x80 | (c >> 12 & 0x3F));
        }
        *dst++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    }
    *dst++ = (uint8_t)(0x80 | (c & 0x3F));
    return dst;
}

void wsf_ucs1_to_utf8_scalar(uint8_t *dst, size_t size, const uint8_t *src, size_t n)
{
    (void)size;
    while (n--)
        dst = put_code_point(dst, *src++);
}

void wsf_ucs2_to_utf8_scalar(uint8_t *dst, size_t size, const uint16_t *src, size_t n)
{
    (void)size;
    while (n--)
        dst = put_code_point(dst, *src++);
}

void wsf_ucs4_to_utf8_scalar(uint8_t *dst, size_t size, const uint32_t *src, size_t n)
{
    (void)size;
    while (n--)
        dst = put_code_point(dst, *src++);
}
