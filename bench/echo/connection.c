/* connection.c: sends the messages that a connection may send, and checks what it receives.
 *
 * It knows that a server sends the messages in their order, each as long as it was sent to it, or
 * compressed. It must not know when the next one may be sent. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)
#define DROP_FROM (16 * 1024)    /* bytes of a payload that are worth a recv of their own */

bool checking;

static uint8_t read_buffer[READ_SIZE];

Connection *open_all(void)
{
    Connection *all = allocate((size_t)options.connections * sizeof *all);

    for (Connection *c = all; c < all + options.connections; c++) {
        c->fd = open_websocket();
        watch(c->fd, c);
        if (options.deflate) {
            c->inflated = allocate(options.size + 1);
            inflateInit2(&c->inflater, -WBITS);
        }
    }
    return all;
}

void close_connection(Connection *c)
{
    struct timeval patience = {.tv_usec = 200000};

    fcntl(c->fd, F_SETFL, 0);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    send(c->fd, close_frame, sizeof close_frame, MSG_NOSIGNAL);
    shutdown(c->fd, SHUT_WR);
    while (recv(c->fd, read_buffer, sizeof read_buffer, 0) > 0)
        ;
    close(c->fd);
}

void send_allowed(Connection *c)
{
    while (c->sent < c->allowed) {
        size_t first = c->sent % messages.count;
        size_t count = c->allowed - c->sent;
        size_t begin = messages.start[first] + c->sent_of_next, end;
        ssize_t done;

        if (count > messages.count)
            count = messages.count;
        end = messages.start[first + count];
        done = send(c->fd, messages.wire + begin, end - begin, MSG_NOSIGNAL);
        if (done < 0 && errno == EAGAIN)
            return;
        if (done < 0)
            fail("send: %s", strerror(errno));
        begin += (size_t)done;
        for (; c->sent < c->allowed && messages.start[first + 1] <= begin; first++)
            c->sent++;
        c->sent_of_next = begin - messages.start[first];
    }
}

static void check_piece(Connection *c, const uint8_t *piece, size_t size)
{
    static const uint8_t tail[] = {0, 0, 0xFF, 0xFF};     /* RFC 7692, 7.2.2 */
    const uint8_t *expected = messages.plain + c->received % messages.count * options.size;
    size_t had = c->payload_size - c->payload_left, last = size == c->payload_left;

    if (!options.deflate) {
        if (had + size > options.size || memcmp(expected + had, piece, size))
            fail("message %lu came back changed", c->received);
        return;
    }
    if (!had) {
        c->inflater.next_out = c->inflated;
        c->inflater.avail_out = (uInt)options.size + 1;
    }
    for (size_t part = 0; part <= last; part++) {
        c->inflater.next_in = (uint8_t *)(part ? tail : piece);
        c->inflater.avail_in = (uInt)(part ? sizeof tail : size);
        if (c->inflater.avail_in && inflate(&c->inflater, Z_SYNC_FLUSH) < 0)
            fail("message %lu does not inflate", c->received);
    }
    if (!last)
        return;
    if (c->inflater.avail_out != 1 || memcmp(expected, c->inflated, options.size))
        fail("message %lu inflates to something else", c->received);
    if (!server_keeps_context)
        inflateReset(&c->inflater);
}

static size_t size_of_header(const Connection *c)
{
    if (c->header_size < 2)
        return 2;
    return c->header[1] == 126 ? 4 : c->header[1] == 127 ? 10 : 2;
}

/* Read a header as far as it is there; returns how many bytes that used. */
static size_t take_header(Connection *c, const uint8_t *data, size_t size)
{
    size_t taken = 0, length;

    while (c->header_size < size_of_header(c) && taken < size)
        c->header[c->header_size++] = data[taken++];
    if (c->header_size < size_of_header(c))
        return taken;
    length = c->header_size == 2 ? c->header[1] : 0;
    for (size_t i = 2; i < c->header_size; i++)
        length = length << 8 | c->header[i];
    if (c->header[0] != first_byte() || (options.deflate ? !length : length != options.size))
        fail("message %lu: a header of %02x %02x, %zu bytes", c->received, c->header[0],
             c->header[1], length);
    c->payload_size = c->payload_left = length;
    return taken;
}

static void take_payload(Connection *c, size_t size)
{
    c->payload_left -= size;
    if (c->payload_left)
        return;
    c->header_size = 0;
    c->received++;
}

static void take(Connection *c, const uint8_t *data, size_t size)
{
    while (size) {
        size_t taken;

        if (c->payload_left) {
            taken = size < c->payload_left ? size : c->payload_left;
            if (checking)
                check_piece(c, data, taken);
            take_payload(c, taken);
        } else
            taken = take_header(c, data, size);
        data += taken;
        size -= taken;
    }
}

/* An edge-triggered event asks to read until nothing is left: a short read says so. */
uint64_t receive(Connection *c)
{
    uint64_t before = c->received;
    ssize_t count;
    size_t asked;

    do {
        bool drop = !checking && c->payload_left >= DROP_FROM;

        asked = drop && c->payload_left < READ_SIZE ? c->payload_left : READ_SIZE;
        count = recv(c->fd, read_buffer, asked, drop ? MSG_TRUNC : 0);
        if (count < 0 && errno == EAGAIN)
            break;
        if (count <= 0)
            fail("the server hung up after %lu messages", c->received);
        if (drop)
            take_payload(c, (size_t)count);
        else
            take(c, read_buffer, (size_t)count);
    } while ((size_t)count == asked);
    return c->received - before;
}
