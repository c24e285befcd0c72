/* broadcast.c: the members of a room. What the first one says, the server sends to all of them.
 *
 * The next message is sent when everyone has the last one, so that no queue grows and each message
 * tells how long it took to reach the last member. Every byte of every message is checked at every
 * member, in the timed pass, too: that is the generator's time and not the server's.
 *
 * The members stay for all turns, as opening ten thousand takes longer than a turn: a line on
 * standard input asks for one. */
#include "load.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    Connection *members;
    uint64_t delivered;    /* messages, to all members */
} room;

static void broadcast_once(void)
{
    uint64_t due = room.delivered + (uint64_t)options.connections, begin = now();
    struct epoll_event events[EVENTS];

    room.members->allowed++;
    send_allowed(room.members);
    while (room.delivered < due)
        for (int i = 0, count = poll_events(events); i < count; i++)
            room.delivered += receive(events[i].data.ptr);
    keep_latency(now() - begin);
}

/* Without the close handshake and TIME_WAIT: the ports are wanted by the next room. */
static void leave(void)
{
    struct linger at_once = {.l_onoff = 1};

    for (int i = 0; i < options.connections; i++) {
        setsockopt(room.members[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(room.members[i].fd);
    }
}

void broadcast(void)
{
    char line[64];

    make_messages();
    room.members = open_all();
    checking = true;
    for (size_t i = 0; i < messages.count; i++)
        broadcast_once();
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        time_it("messages", &room.delivered, broadcast_once);
    leave();
}
