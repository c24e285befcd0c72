/* load.h: what the parts of the load generator share; load.c says what it is for. */
#ifndef LOAD_H
#define LOAD_H

#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <zlib.h>

#define EVENTS 256
#define WBITS 12    /* the windows of both compressors, as the request asks for them */
#define MAX_HEADER 10    /* of a frame that is not masked */

enum { TEXT = 0x1, BINARY = 0x2, FIN = 0x80, RSV1 = 0x40, MASKED = 0x80 };

extern struct options {
    struct sockaddr_in address;
    int port, connections, in_flight, greetings;
    bool binary, deflate, batch;
    const char *path, *hello;
    const char *payloads;  /* a file of payloads of one size, one after the other */
    size_t size;
    double seconds;
    pid_t server;          /* whose CPU time is read */
} options;

/* load.c */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *allocate(size_t size);
uint64_t now(void);    /* nanoseconds */
void watch(int fd, void *whose);
int poll_events(struct epoll_event *events);
void keep_latency(uint64_t nanoseconds);
/* Run `step` for the time asked for, and print how much was done meanwhile. */
void time_it(const char *what, const uint64_t *done, void (*step)(void));

/* messages.c: every message there is, ready to be sent. The wire holds them twice, so that any run
 * of them is one piece; message i starts at start[i]. */
extern struct messages {
    size_t count;
    uint8_t *plain, *wire;
    size_t *start;
} messages;

void make_messages(void);
uint8_t first_byte(void);    /* of the header of every message, both ways */
/* Write a masked frame; returns its end. */
uint8_t *put_frame(uint8_t *out, uint8_t first, const uint8_t *payload, size_t size);

/* handshake.c */
extern const uint8_t close_frame[8];
extern bool server_keeps_context;
extern char extensions[256];    /* as the server accepted them */

int open_websocket(void);    /* connect, upgrade and exchange greetings; returns the socket */
void shake_hands(void);

/* connection.c: one connection, what it may send and what it has received. */
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

extern bool checking;    /* every byte that is received, and not only the headers */

Connection *open_all(void);
void close_connection(Connection *c);
void send_allowed(Connection *c);
/* Read all that is there; returns the number of messages that it completed. */
uint64_t receive(Connection *c);

/* echo.c */
void echo(void);
void idle(void);

/* broadcast.c */
void broadcast(void);

#endif
