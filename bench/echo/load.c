/* load.c: the client end of the contest of servers. It knows how to open WebSocket connections, to
 * keep messages in flight on them, and to check what comes back; it must not know which server it
 * talks to.
 *
 *     load echo       keep messages in flight: first checked byte by byte, then timed
 *     load handshake  connect, upgrade, close, over and over
 *     load idle       open connections, echo one message on each, and hold them until stdin ends
 *     load broadcast  say something on the first of all connections, and receive it on each
 *
 * It must never be what limits a server. So every frame is masked and made ready beforehand, the
 * answers that are due are all asked for in one write, the payloads of the timed pass are dropped
 * in the kernel where they are long (MSG_TRUNC), and it never sleeps: a server would have to wake
 * it, in its own time. How much of the time it had nothing to do is printed as "waited".
 */
#include "load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WARM_UP 0.1    /* of the time asked for, before the clock starts */
#define PATIENCE 10    /* seconds without any answer */

struct options options = {
    .connections = 1, .in_flight = 1, .size = 100, .seconds = 1, .path = "/",
};

static struct {
    int epoll;
    uint64_t waiting_since, waited;    /* nanoseconds; 0 is not waiting */
    uint32_t *latencies;               /* nanoseconds */
    size_t measured, room;
} load;

_Noreturn void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void *allocate(size_t size)
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

uint64_t now(void) { return nanoseconds(CLOCK_MONOTONIC); }

static double cpu_seconds_of_server(void)
{
    clockid_t clock;

    if (!options.server || clock_getcpuclockid(options.server, &clock))
        return 0;
    return nanoseconds(clock) * 1e-9;
}

void watch(int fd, void *connection)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};

    fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Wait for events without sleeping, and keep account of it. */
int poll_events(struct epoll_event *events)
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

void keep_latency(uint64_t latency)
{
    if (load.measured == load.room) {
        load.room = load.room ? 2 * load.room : 65536;
        load.latencies = realloc(load.latencies, load.room * sizeof *load.latencies);
        if (!load.latencies)
            fail("out of memory");
    }
    load.latencies[load.measured++] = latency < UINT32_MAX ? (uint32_t)latency : UINT32_MAX;
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

void time_it(const char *what, const uint64_t *done, void (*step)(void))
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
    end = now();
    if (load.waiting_since)
        load.waited += end - load.waiting_since;
    seconds = (double)(end - start) * 1e-9;
    printf("{\"%s\": %lu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"waited\": %.3f", what,
           *done - before, seconds, cpu_seconds_of_server() - cpu,
           (double)load.waited * 1e-9 / seconds);
    print_latencies();
    printf(", \"extensions\": \"%s\"}\n", extensions);
    fflush(stdout);
}

static void read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"host", 1, 0, 'h'},     {"port", 1, 0, 'p'},    {"connections", 1, 0, 'c'},
        {"in-flight", 1, 0, 'i'}, {"payloads", 1, 0, 'f'}, {"size", 1, 0, 's'},
        {"seconds", 1, 0, 't'},  {"server", 1, 0, 'x'},  {"binary", 0, 0, 'b'},
        {"deflate", 0, 0, 'd'},  {"batch", 0, 0, 'a'},   {"path", 1, 0, 'u'},
        {"hello", 1, 0, 'o'},    {"greetings", 1, 0, 'g'}, {0},
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
        case 'a': options.batch = true; break;
        case 'u': options.path = optarg; break;
        case 'o': options.hello = optarg; break;
        case 'g': options.greetings = atoi(optarg); break;
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
    } modes[] = {
        {"echo", echo}, {"handshake", shake_hands}, {"idle", idle}, {"broadcast", broadcast},
    };

    read_options(argc, argv);
    load.epoll = epoll_create1(0);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (optind < argc && !strcmp(argv[optind], modes[i].name)) {
            modes[i].run();
            return 0;
        }
    fail("say echo, handshake, idle or broadcast");
}
