/* handshake.c: opens connections; over and over, where that is what is measured. A server may speak
 * first, as those of Engine.IO do: so many greetings are read, behind our own hello. */
#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="    /* the example of RFC 6455, 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* 1000, masked. */
const uint8_t close_frame[8] = {0x88, MASKED | 2, 1, 2, 3, 4, 0x03 ^ 1, 0xE8 ^ 2};
bool server_keeps_context = true;
char extensions[256];

static const char offer[] =
    "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; "
    "client_max_window_bits=12; server_max_window_bits=12\r\n";

static size_t make_request(char *out, size_t room)
{
    return (size_t)snprintf(
        out, room,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
        options.path, options.port,
        options.deflate ? offer : "");
}

static const char *find_header(const char *head, const char *name)
{
    const char *line = strcasestr(head, name);

    return line ? line + strlen(name) + strspn(line + strlen(name), ": ") : "";
}

static void check_response(const char *head)
{
    const char *accepted = find_header(head, "\r\nSec-WebSocket-Extensions");

    if (strncmp(head, "HTTP/1.1 101", 12))
        fail("refused: %.200s", head);
    if (strncmp(find_header(head, "\r\nSec-WebSocket-Accept"), ACCEPT, strlen(ACCEPT)))
        fail("a wrong Sec-WebSocket-Accept: %.500s", head);
    snprintf(extensions, sizeof extensions, "%.*s", (int)strcspn(accepted, "\r"), accepted);
    if (options.deflate != !!strstr(extensions, "server_max_window_bits=12"))
        fail("the server accepted the extensions \"%s\"", extensions);
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

/* Returns what came behind the head of the response, NULL before that is whole. */
static const char *read_response(int fd, char *head, size_t *size, size_t room)
{
    ssize_t count = recv(fd, head + *size, room - *size - 1, 0);
    char *end;

    if (count < 0 && errno == EAGAIN)
        return NULL;
    if (count <= 0)
        fail("the server hung up in the handshake");
    *size += (size_t)count;
    head[*size] = 0;
    end = strstr(head, "\r\n\r\n");
    if (!end)
        return NULL;
    check_response(head);
    return end + 4;
}

static int ask(void)
{
    char request[1024];
    size_t size = make_request(request, sizeof request);
    int fd = open_socket();

    if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size)
        fail("cannot send the request: %s", strerror(errno));
    return fd;
}

/* Returns the size of the frame at `data`, which is short and not masked; 0 before it is whole. */
static size_t size_of_frame(const uint8_t *data, size_t size)
{
    size_t whole;

    if (size < 4)
        return 0;
    whole = data[1] < 126 ? 2u + data[1] : 4u + (size_t)(data[2] << 8 | data[3]);
    return whole <= size ? whole : 0;
}

static void say_hello(int fd)
{
    uint8_t frame[2 + 4 + 125];
    size_t size = strlen(options.hello);

    if (size > 125)
        fail("a hello of %zu bytes is too long", size);
    size = (size_t)(put_frame(frame, FIN | TEXT, (const uint8_t *)options.hello, size) - frame);
    if (send(fd, frame, size, MSG_NOSIGNAL) != (ssize_t)size)
        fail("cannot say hello: %s", strerror(errno));
}

/* Read the greetings of the server, of which `size` bytes are there already. */
static void read_greetings(int fd, uint8_t *data, size_t size, size_t room)
{
    for (int left = options.greetings; left;) {
        size_t frame = size_of_frame(data, size);

        if (frame) {
            memmove(data, data + frame, size -= frame);
            left--;
        } else {
            ssize_t count = recv(fd, data + size, room - size, 0);

            if (count <= 0)
                fail("the server hung up, with %d greetings still due", left);
            size += (size_t)count;
        }
    }
    if (size)
        fail("the server spoke before it was spoken to");
}

int open_websocket(void)
{
    char response[4096];
    const char *rest;
    size_t size = 0;
    int fd = ask();

    while (!(rest = read_response(fd, response, &size, sizeof response)))
        ;
    size -= (size_t)(rest - response);
    memmove(response, rest, size);
    if (options.hello)
        say_hello(fd);
    read_greetings(fd, (uint8_t *)response, size, sizeof response);
    return fd;
}

typedef struct {
    int fd;
    bool open, close_received;
    char head[4096];
    size_t size;
} Handshake;

static uint64_t handshakes;

static void begin(Handshake *h)
{
    h->fd = ask();
    h->open = h->close_received = false;
    h->size = 0;
    watch(h->fd, h);
}

static void go_on(Handshake *h)
{
    uint8_t answer[64];
    ssize_t count;

    if (!h->open) {
        const char *end = read_response(h->fd, h->head, &h->size, sizeof h->head);

        if (!end)
            return;
        if (end != h->head + h->size)
            fail("the server spoke before it was spoken to");
        h->open = true;
        send(h->fd, close_frame, sizeof close_frame, MSG_NOSIGNAL);
    }
    while ((count = recv(h->fd, answer, sizeof answer, 0)) > 0)
        h->close_received |= answer[0] == close_frame[0];
    if (count < 0 && errno == EAGAIN)
        return;
    if (!h->close_received)
        fail("the server hung up without a close frame");
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

void shake_hands(void)
{
    Handshake *all = allocate((size_t)options.connections * sizeof *all);

    for (int i = 0; i < options.connections; i++)
        begin(&all[i]);
    time_it("handshakes", &handshakes, handshake_turn);
}
