/* load.c: the client end of the contest of servers. It knows how to open WebSocket connections, to
 * keep messages in flight on them, and to check what comes back; it must not know which server it
 * talks to.
 *
 *     load echo       keep messages in flight: first checked byte by byte, then timed
 *     load handshake  connect, upgrade, close, over and over
 *     load idle       open connections, echo one message on each, and hold them until stdin ends
 *
 * It must never be what limits a server. So every frame is masked and made ready beforehand, the
 * answers that are due are all asked for in one write, the payloads of the timed pass are dropped
 * in the kernel where they are long (MSG_TRUNC), and it never sleeps: a server would have to wake
 * it, in its own time. How much of the time it had nothing to do is printed as "waited".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define MAX_HEADER 10             /* of a frame that is not masked */
#define READ_SIZE (256 * 1024)
#define DROP_FROM (16 * 1024)     /* bytes of a payload that are worth a recv of their own */
#define WARM_UP 0.1               /* of the time asked for, before the clock starts */
#define PATIENCE 10               /* seconds without any answer */
#define EVENTS 256
#define WBITS 12                  /* the windows of both compressors */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="      /* the example of RFC 6455, 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { TEXT = 0x1, BINARY = 0x2, FIN = 0x80, RSV1 = 0x40, MASKED = 0x80 };

static struct {
    struct sockaddr_in address;
    int port, connections, in_flight;
    bool binary, deflate;
    const char *payloads;  /* a file of payloads of one size, one after the other */
    size_t size;
    double seconds;
    pid_t server;          /* whose CPU time is read */
} options = {.connections = 1, .in_flight = 1, .size = 100, .seconds = 1};

/* Every message there is, ready to be sent. The wire holds them twice, so that any run of them is
 * one piece; message i starts at start[i]. */
static struct {
    size_t count;
    uint8_t *plain, *wire;
    size_t *start;
} messages;

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
    int epoll;
    bool checking;
    uint64_t limit;                     /* messages that one connection may send in all */
    uint64_t allowed, received;         /* messages of all connections */
    uint64_t waiting_since, waited;     /* nanoseconds; 0 is not waiting */
    uint32_t *latencies;                /* nanoseconds, kept where one message is in flight */
    size_t measured, room;
} load;

static uint8_t read_buffer[READ_SIZE];
static bool server_keeps_context = true;
static char extensions[256];

_Noreturn static void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void *allocate(size_t size)
{
    void *block = calloc(1, size ? size : 1);

    return block ? block : (fail("out of memory"), NULL);
}

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t now(void) { return nanoseconds(CLOCK_MONOTONIC); }

static double cpu_seconds_of_server(void)
{
    clockid_t clock;

    if (!options.server || clock_getcpuclockid(options.server, &clock))
        return 0;
    return nanoseconds(clock) * 1e-9;
}

/* -- messages ------------------------------------------------------------------------------- */

static uint32_t next_key(void)
{
    static uint64_t state = 0x9E3779B97F4A7C15u;    /* xorshift64: other keys, the same each run */

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static uint8_t *put_frame(uint8_t *out, uint8_t first, const uint8_t *payload, size_t size)
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

static void make_messages(void)
{
    FILE *file = fopen(options.payloads, "rb");
    uint8_t first = FIN | (options.binary ? BINARY : TEXT) | (options.deflate ? RSV1 : 0);
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

/* -- handshake ------------------------------------------------------------------------------ */

static size_t make_request(char *out, size_t room)
{
    return (size_t)snprintf(
        out, room,
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
        options.port,
        options.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover;"
                          " client_max_window_bits=12; server_max_window_bits=12\r\n"
                        : "");
}

static const char *find_header(const char *head, const char *name)
{
    const char *line = strcasestr(head, name);

    return line ? line + strlen(name) + strspn(line + strlen(name), ": ") : "";
}

static void check_response(const char *head)
{
    const char *answer = find_header(head, "\r\nSec-WebSocket-Extensions");

    if (strncmp(head, "HTTP/1.1 101", 12))
        fail("refused: %.200s", head);
    if (strncmp(find_header(head, "\r\nSec-WebSocket-Accept"), ACCEPT, strlen(ACCEPT)))
        fail("a wrong Sec-WebSocket-Accept: %.500s", head);
    snprintf(extensions, sizeof extensions, "%.*s", (int)strcspn(answer, "\r"), answer);
    if (options.deflate != !strncmp(extensions, "permessage-deflate", 18))
        fail("the server answered the extensions \"%s\"", extensions);
    server_keeps_context = !strstr(extensions, "server_no_context_takeover");
}

static int open_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

    if (fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(fd, (struct sockaddr *)&options.address, sizeof options.address))
        fail("connect: %s", strerror(errno));
    return fd;
}

/* A server says nothing after its response before it is spoken to, so the response is all. */
static bool read_response(int fd, char *head, size_t *size, size_t room)
{
    ssize_t count = recv(fd, head + *size, room - *size - 1, 0);

    if (count < 0 && errno == EAGAIN)
        return false;
    if (count <= 0)
        fail("the server hung up in the handshake");
    *size += (size_t)count;
    head[*size] = 0;
    if (*size < 4 || strcmp(head + *size - 4, "\r\n\r\n"))
        return false;
    check_response(head);
    return true;
}

static int ask(void)
{
    char request[512];
    size_t size = make_request(request, sizeof request);
    int fd = open_socket();

    if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size)
        fail("cannot send the request: %s", strerror(errno));
    return fd;
}

static void watch(int fd, void *connection)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};

    fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &event);
}

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

static const uint8_t close_frame[] = {0x88, MASKED | 2, 1, 2, 3, 4, 0x03 ^ 1, 0xE8 ^ 2};

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

/* -- echoes --------------------------------------------------------------------------------- */

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
    uint8_t first = FIN | (options.binary ? BINARY : TEXT) | (options.deflate ? RSV1 : 0);
    size_t taken = 0, length;

    while (c->header_size < size_of_header(c) && taken < size)
        c->header[c->header_size++] = data[taken++];
    if (c->header_size < size_of_header(c))
        return taken;
    length = c->header_size == 2 ? c->header[1] : 0;
    for (size_t i = 2; i < c->header_size; i++)
        length = length << 8 | c->header[i];
    if (c->header[0] != first || (options.deflate ? !length : length != options.size))
        fail("message %lu: a header of %02x %02x, %zu bytes", c->received, c->header[0],
             c->header[1], length);
    c->payload_size = c->payload_left = length;
    return taken;
}

static void keep_latency(uint64_t latency)
{
    if (load.measured == load.room) {
        load.room = load.room ? 2 * load.room : 65536;
        load.latencies = realloc(load.latencies, load.room * sizeof *load.latencies);
        if (!load.latencies)
            fail("out of memory");
    }
    load.latencies[load.measured++] = latency < UINT32_MAX ? (uint32_t)latency : UINT32_MAX;
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

        asked = drop ? c->payload_left : READ_SIZE;
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

/* Wait for events without sleeping, and keep account of it. */
static int poll_events(struct epoll_event *events)
{
    int count = epoll_wait(load.epoll, events, EVENTS, 0);

    if (!count) {
        uint64_t time = now();

        if (!load.waiting_since)
            load.waiting_since = time;
        if (time - load.waiting_since > PATIENCE * 1000000000ull)
            fail("no answer for %d seconds", PATIENCE);
    } else if (load.waiting_since) {
        load.waited += now() - load.waiting_since;
        load.waiting_since = 0;
    }
    return count;
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

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void print_latencies(void)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999};

    if (!load.measured)
        return;
    qsort(load.latencies, load.measured, sizeof *load.latencies, compare);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        printf(", \"p%g\": %.3e", shares[i] * 100,
               load.latencies[(size_t)(shares[i] * (double)(load.measured - 1))] * 1e-9);
}

/* Run `step` for the time asked for, and tell how much was done meanwhile. */
static void time_it(const char *what, const uint64_t *done, void (*step)(void))
{
    uint64_t start = now(), end, before;
    double cpu, seconds;

    for (end = start + (uint64_t)(options.seconds * WARM_UP * 1e9); now() < end;)
        step();
    start = now();
    cpu = cpu_seconds_of_server();
    before = *done;
    load.waited = 0;
    load.waiting_since = load.waiting_since ? start : 0;
    load.measured = 0;
    for (end = start + (uint64_t)(options.seconds * 1e9); now() < end;)
        step();
    seconds = (double)(now() - start) * 1e-9;
    printf("{\"%s\": %lu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"waited\": %.3f", what,
           *done - before, seconds, cpu_seconds_of_server() - cpu,
           (double)load.waited * 1e-9 / seconds);
    print_latencies();
    printf(", \"extensions\": \"%s\"}\n", extensions);
    fflush(stdout);
}

static void echo(void)
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

static void idle(void)
{
    make_messages();
    open_all();
    check_echoes(1);
    puts("ready");
    fflush(stdout);
    while (read(0, read_buffer, sizeof read_buffer) > 0)
        ;
}

/* -- handshakes ----------------------------------------------------------------------------- */

typedef struct {
    int fd;
    bool open;
    char head[4096];
    size_t size;
} Handshake;

static uint64_t handshakes;

static void begin(Handshake *h)
{
    h->fd = ask();
    h->open = false;
    h->size = 0;
    watch(h->fd, h);
}

static void go_on(Handshake *h)
{
    uint8_t answer[64];
    ssize_t count;

    if (!h->open) {
        if (!read_response(h->fd, h->head, &h->size, sizeof h->head))
            return;
        h->open = true;
        send(h->fd, close_frame, sizeof close_frame, MSG_NOSIGNAL);
    }
    while ((count = recv(h->fd, answer, sizeof answer, 0)) > 0)
        if (answer[0] != close_frame[0])
            fail("no close frame came back, but %02x", answer[0]);
    if (count < 0 && errno == EAGAIN)
        return;
    close(h->fd);
    handshakes++;
    begin(h);
}

static void handshake_turn(void)
{
    struct epoll_event events[EVENTS];

    for (int i = 0, count = poll_events(events); i < count; i++)
        go_on(events[i].data.ptr);
}

static void shake_hands(void)
{
    Handshake *all = allocate((size_t)options.connections * sizeof *all);

    for (int i = 0; i < options.connections; i++)
        begin(&all[i]);
    time_it("handshakes", &handshakes, handshake_turn);
}

/* ------------------------------------------------------------------------------------------- */

static void read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"host", 1, 0, 'h'},     {"port", 1, 0, 'p'},    {"connections", 1, 0, 'c'},
        {"in-flight", 1, 0, 'i'}, {"payloads", 1, 0, 'f'}, {"size", 1, 0, 's'},
        {"seconds", 1, 0, 't'},  {"server", 1, 0, 'x'},  {"binary", 0, 0, 'b'},
        {"deflate", 0, 0, 'd'},  {0},
    };
    const char *host = "127.0.0.1";

    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (option) {
        case 'h': host = optarg; break;
        case 'p': options.port = atoi(optarg); break;
        case 'c': options.connections = atoi(optarg); break;
        case 'i': options.in_flight = atoi(optarg); break;
        case 'f': options.payloads = optarg; break;
        case 's': options.size = strtoul(optarg, NULL, 10); break;
        case 't': options.seconds = atof(optarg); break;
        case 'x': options.server = atoi(optarg); break;
        case 'b': options.binary = true; break;
        case 'd': options.deflate = true; break;
        default: fail("see load.c for its options");
        }
    options.address.sin_family = AF_INET;
    options.address.sin_port = htons((uint16_t)options.port);
    if (!inet_aton(host, &options.address.sin_addr))
        fail("no address: %s", host);
    if (!options.size || options.connections < 1 || options.in_flight < 1)
        fail("sizes and numbers begin at 1");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {{"echo", echo}, {"handshake", shake_hands}, {"idle", idle}};

    read_options(argc, argv);
    load.epoll = epoll_create1(0);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (optind < argc && !strcmp(argv[optind], modes[i].name)) {
            modes[i].run();
            return 0;
        }
    fail("say echo, handshake or idle");
}
