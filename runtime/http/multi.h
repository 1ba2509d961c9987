/* A curl multi handle that runs on a uv loop: one HTTP session.
 *
 * curl tells which sockets and which time it waits for (socket and timer
 * callbacks), libuv watches them, and what is finished or has a piece of body
 * gathers in a queue. on_ready is called from a uv callback of this module, when
 * curl has returned, so it may do everything: start, cancel, take, close.
 *
 * curl is initialised with the first session of the process, never at load, so
 * after any fork that matters; a process forked after that is refused.
 *
 * Invariants
 *   curl_multi_socket_action() runs only from the uv callbacks here
 *   the loop is kept alive only while a transfer runs
 *   a closed one is freed when its timer's close callback has run
 *
 * thread: everything on the loop's thread */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_HTTP_MULTI_H
#define AIMP_HTTP_MULTI_H

#include "base/error.h"
#include "http/transfer.h"

#include <uv.h>

/* Opens a session of at most `max_connections` connections (0: no limit), more
 * requests wait for one.
 *
 * keeps:  loop and data until it is closed
 * return: 0, AIMP_ENOMEM, AIMP_ESYS, or AIMP_EINVAL in a process that was
 *         forked from one that already used curl */
int aimp__http_multi_open(struct aimp__http_multi **out, uv_loop_t *loop, long max_connections,
                          void (*on_ready)(void *data), void *data, struct aimp_error *err);

/* Ends it at once: running transfers are let go, neither run nor done; on_ready
 * is not called again. Allowed inside on_ready. Accepts NULL. */
void aimp__http_multi_close(struct aimp__http_multi *multi);

/* Runs a new transfer; on_ready follows later, also when it fails at once.
 *
 * keeps:  transfer until it is done, cancelled, or the multi closes
 * return: 0, or AIMP_EINVAL when a setting was refused, or AIMP_ENOMEM */
int aimp__http_multi_start(struct aimp__http_multi *multi, struct aimp__http_transfer *transfer,
                           struct aimp_error *err);

/* Takes the transfer out of the multi that has it, if any; its connection is
 * closed unless it is done. It may then be freed. */
void aimp__http_multi_drop(struct aimp__http_transfer *transfer);

/* Empties a streamed body after the caller read it, and goes on if paused. */
void aimp__http_multi_take(struct aimp__http_transfer *transfer);

/* The next transfer that is done or has a piece of body, or NULL. It stays
 * listed while it runs, and is let go when it is done. */
struct aimp__http_transfer *aimp__http_multi_next(struct aimp__http_multi *multi);

#endif
