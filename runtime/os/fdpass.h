/* Messages with file descriptors over a SOCK_SEQPACKET socket pair. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_FDPASS_H
#define AIMP_OS_FDPASS_H

#include "base/error.h"

#include <stddef.h>

#define FDPASS_MAX 8 /* fds in one message */

/* A close-on-exec, non-blocking pair: fds[0], fds[1]; the caller owns both. */
int aimp__fdpass_pair(int fds[2], struct aimp_error *err);

/* Sends one message; the fds are borrowed. Never raises SIGPIPE.
 * return: 0; AIMP_EAGAIN (socket full); AIMP_ECLOSED (peer gone); AIMP_ESYS */
int aimp__fdpass_send(int socket, const void *data, size_t len, const int *fds, int fd_count,
                      struct aimp_error *err);

/* Receives one message. Received fds are close-on-exec and the caller's; fds that
 * the message has beyond *fd_count (in: room) are closed.
 * return: bytes > 0; AIMP_EAGAIN (nothing there); AIMP_ECLOSED (end of file);
 *         AIMP_EINVAL (longer than `size`); AIMP_ESYS */
int aimp__fdpass_receive(int socket, void *data, size_t size, int *fds, int *fd_count,
                         struct aimp_error *err);

#endif
