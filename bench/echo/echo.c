/* echo.c: keeps messages in flight on every connection: all that is echoed is sent again.
 *
 * The checking pass compares every byte of every message there is, once a connection; the timed
 * pass looks at all headers. */
#include "load.h"

#include <stdio.h>
#include <unistd.h>

static struct {
    Connection *connections;
    uint64_t limit;                     /* messages that one connection may send in all */
    uint64_t allowed, received;         /* messages of all connections */
} load;

static void refill(Connection *c)
{
    uint64_t allowed = c->received + (uint64_t)options.in_flight;

    if (options.batch && c->received < c->allowed)
        allowed = c->allowed;
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
        uint64_t received = receive(c);

        load.received += received;
        if (options.in_flight == 1 && received)
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

/* The first pass: every message once, compared with what was sent. */
static void check_echoes(uint64_t limit)
{
    checking = true;
    refill_all(limit);
    drain();
    checking = false;
}

void echo(void)
{
    make_messages();
    load.connections = open_all();
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
    char line[64];

    make_messages();
    load.connections = open_all();
    check_echoes(1);
    puts("ready");
    fflush(stdout);
    while (read(0, line, sizeof line) > 0)
        ;
}
