/* messages.c: makes the messages. It knows frames and permessage-deflate, and no sockets. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

struct messages messages;

uint8_t first_byte(void)
{
    return FIN | (options.binary ? BINARY : TEXT) | (options.deflate ? RSV1 : 0);
}

static uint32_t next_key(void)
{
    static uint64_t state = 0x9E3779B97F4A7C15u;    /* xorshift64: other keys, the same each run */

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

uint8_t *put_frame(uint8_t *out, uint8_t first, const uint8_t *payload, size_t size)
{
    uint32_t word = next_key();
    uint8_t key[4];

    memcpy(key, &word, 4);
    *out++ = first;
    if (size < 126)
        *out++ = MASKED | (uint8_t)size;
    else {
        int bytes = size < 65536 ? 2 : 8;

        *out++ = MASKED | (bytes == 2 ? 126 : 127);
        while (bytes--)
            *out++ = (uint8_t)(size >> (8 * bytes));
    }
    memcpy(out, key, 4);
    out += 4;
    for (size_t i = 0; i < size; i++)
        *out++ = payload[i] ^ key[i % 4];
    return out;
}

/* Compress as RFC 7692, 7.2.1 says, without context takeover: each message stands alone. */
static size_t compress_message(uint8_t *out, size_t room, const uint8_t *payload, size_t size)
{
    z_stream stream = {0};

    deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -WBITS, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = (uint8_t *)payload;
    stream.avail_in = (uInt)size;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    deflate(&stream, Z_SYNC_FLUSH);
    size = room - stream.avail_out - 4;
    deflateEnd(&stream);
    return size;
}

void make_messages(void)
{
    FILE *file = fopen(options.payloads, "rb");
    uint8_t first = first_byte();
    size_t room = options.size + 1024, length;
    uint8_t *compressed = allocate(room), *out;
    struct stat status;

    if (!file || fstat(fileno(file), &status))
        fail("%s: %s", options.payloads, strerror(errno));
    length = (size_t)status.st_size;
    if (!length || length % options.size)
        fail("%s is not a number of payloads of %zu bytes", options.payloads, options.size);
    messages.count = length / options.size;
    messages.plain = allocate(length);
    messages.wire = out = allocate(2 * (length + messages.count * 1024));
    messages.start = allocate((2 * messages.count + 1) * sizeof *messages.start);
    if (fread(messages.plain, 1, length, file) != length)
        fail("cannot read %s", options.payloads);
    fclose(file);
    for (size_t i = 0; i < 2 * messages.count; i++) {
        const uint8_t *payload = messages.plain + i % messages.count * options.size;
        size_t size = options.size;

        if (options.deflate) {
            size = compress_message(compressed, room, payload, size);
            payload = compressed;
        }
        messages.start[i] = (size_t)(out - messages.wire);
        out = put_frame(out, first, payload, size);
    }
    messages.start[2 * messages.count] = (size_t)(out - messages.wire);
    free(compressed);
}
