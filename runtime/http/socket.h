/* The sockets of one curl multi handle, polled on a uv loop.
 *
 * libuv aborts when it polls a number that was closed behind its back, and
 * curl closes sockets whenever it likes, sometimes before it says that they
 * need no polling. So aimp opens and closes curl's sockets itself, and a
 * socket's poll is always stopped before its number goes back to the kernel.
 * The few that curl opens alone (the resolver's pair) are announced with
 * unwatch before they close.
 *
 * Invariants
 *   a poll handle exists only for a number that is open
 *   a handle's memory is freed only in its close callback
 *   handle.data stays NULL: luv takes it for its own when it closes a loop
 *
 * Not here: what is done when a socket is ready (multi.c). */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_HTTP_SOCKET_H
#define AIMP_HTTP_SOCKET_H

#include <stddef.h>
#include <sys/socket.h>
#include <uv.h>

struct aimp__http_sockets;

/* `events` are libuv's, UV_READABLE and so on. A socket with an error is reported
 * as ready for both: the call that is tried then says which error it is. */
typedef void (*aimp__http_on_socket)(void *data, int fd, int events);

/* Gives a set that reports to on_event(data, …), or NULL without memory.
 *
 * keeps: loop, data until aimp__http_sockets_free() */
struct aimp__http_sockets *aimp__http_sockets_new(uv_loop_t *loop, aimp__http_on_socket on_event,
                                                  void *data);

/* Stops every poll and reports nothing more; the set's own sockets must be
 * closed already. The polls' memory goes when the loop has run. Accepts NULL. */
void aimp__http_sockets_free(struct aimp__http_sockets *set);

/* A close-on-exec, non-blocking socket of the set's own, or -1 with errno. */
int aimp__http_sockets_open(struct aimp__http_sockets *set, int family, int type, int protocol);

/* Stops polling fd, then closes it. fd came from aimp__http_sockets_open(). */
void aimp__http_sockets_close(struct aimp__http_sockets *set, int fd);

/* Polls fd for `events`, instead of what it was polled for. 0 or a negative code. */
int aimp__http_sockets_watch(struct aimp__http_sockets *set, int fd, int events);

/* Stops polling fd. One that is not the set's own is forgotten: its owner may
 * close it next. Harmless for an unknown one. */
void aimp__http_sockets_unwatch(struct aimp__http_sockets *set, int fd);

#endif
