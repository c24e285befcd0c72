/* echo.c: keeps messages in flight and checks what comes back.
 *
 * Answers are due in the order of the messages, each as long as its message, or compressed. The
 * checking pass compares every byte of every message there is, once a connection; the timed pass
 * looks at all headers. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zlib.h>

#define MAX_HEADER 10            /* of a frame that is not masked */
#define READ_SIZE (256 * 1024)
#define DROP_FROM (16 * 1024)    /* bytes of a payload that are worth a recv of their own */

typedef struct {
    int fd;
    uint64_t sent, allowed, received;   /* messages */
    size_t sent_of_next;                /* bytes of message number `sent` */
    uint8_t header[MAX_HEADER];
    size_t header_size, payload_size, payload_left;
    uint64_t asked_at;                  /* nanoseconds */
    z_stream inflater;
    uint8_t *inflated;
} Connection;

static struct {
    Connection *connections;
    bool checking;
    uint64_t limit;                     /* messages that one connection may send in all */
    uint64_t allowed, received;         /* messages of all connections */
} load;

static uint8_t read_buffer[READ_SIZE];

static void open_connection(Connection *c)
{
    char response[4096];
    size_t size = 0;

    c->fd = ask();
    while (!read_response(c->fd, response, &size, sizeof response))
        ;
    watch(c->fd, c);
    if (options.deflate) {
        c->inflated = allocate(options.size + 1);
        inflateInit2(&c->inflater, -WBITS);
    }
}

static void close_connection(Connection *c)
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

static void send_allowed(Connection *c)
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

/* Take a header as far as it is there; answers how many bytes that took. */
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
    load.received++;
}

static void take(Connection *c, const uint8_t *data, size_t size)
{
    while (size) {
        size_t taken;

        if (c->payload_left) {
            taken = size < c->payload_left ? size : c->payload_left;
            if (load.checking)
                check_piece(c, data, taken);
            take_payload(c, taken);
        } else
            taken = take_header(c, data, size);
        data += taken;
        size -= taken;
    }
}

/* Read until nothing is left, as an edge-triggered event asks for: a short read says so. */
static void receive(Connection *c)
{
    ssize_t count;
    size_t asked;

    do {
        bool drop = !load.checking && c->payload_left >= DROP_FROM;

        asked = drop && c->payload_left < READ_SIZE ? c->payload_left : READ_SIZE;
        count = recv(c->fd, read_buffer, asked, drop ? MSG_TRUNC : 0);
        if (count < 0 && errno == EAGAIN)
            return;
        if (count <= 0)
            fail("the server hung up after %lu messages", c->received);
        if (drop)
            take_payload(c, (size_t)count);
        else
            take(c, read_buffer, (size_t)count);
    } while ((size_t)count == asked);
}

static void refill(Connection *c)
{
    uint64_t allowed = c->received + (uint64_t)options.in_flight;

    if (allowed > load.limit)
        allowed = load.limit;
    if (allowed > c->allowed) {
        load.allowed += allowed - c->allowed;
        c->allowed = allowed;
        if (options.in_flight == 1)
            c->asked_at = now();
    }
    send_allowed(c);
}

static void turn(void)
{
    struct epoll_event events[EVENTS];

    for (int i = 0, count = poll_events(events); i < count; i++) {
        Connection *c = events[i].data.ptr;
        uint64_t received = c->received;

        receive(c);
        if (options.in_flight == 1 && c->received != received)
            keep_latency(now() - c->asked_at);
        refill(c);
    }
}

static void refill_all(uint64_t limit)
{
    load.limit = limit;
    for (int i = 0; i < options.connections; i++)
        refill(&load.connections[i]);
}

static void drain(void)
{
    while (load.received < load.allowed)
        turn();
}

static void open_all(void)
{
    load.connections = allocate((size_t)options.connections * sizeof *load.connections);
    for (int i = 0; i < options.connections; i++)
        open_connection(&load.connections[i]);
}

/* The first pass: every message once, compared with what was sent. */
static void check_echoes(uint64_t limit)
{
    load.checking = true;
    refill_all(limit);
    drain();
    load.checking = false;
}

void echo(void)
{
    make_messages();
    open_all();
    check_echoes(messages.count);
    refill_all(UINT64_MAX);
    time_it("messages", &load.received, turn);
    load.limit = 0;
    drain();
    for (int i = 0; i < options.connections; i++)
        close_connection(&load.connections[i]);
}

void idle(void)
{
    make_messages();
    open_all();
    check_echoes(1);
    puts("ready");
    fflush(stdout);
    while (read(0, read_buffer, sizeof read_buffer) > 0)
        ;
}
