/* The largest payloads: each in a sealed memfd of its own, passed over the
 * control socket. A frame names its one-shot by number; numbers count up on
 * each side, so a one-shot that does not belong to its frame is noticed. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_IPC_ONESHOT_H
#define AIMP_IPC_ONESHOT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct oneshot {
    int ctl_fd;        /* borrowed; -1: no one-shots */
    int reserve_fd;    /* owned, of no use: closed while an fd is received, so that at the limit
                          of open files the kernel has a number for it and does not drop it */
    int waiting_fd;    /* owned: received, but there was no memory to map it */
    uint64_t sent;     /* number of the last one */
    uint64_t received; /* the same */
    void *mapping;     /* of the last one received; NULL: none */
    size_t mapped;
};

/* return: 0, AIMP_ESYS */
int aimp__oneshot_init(struct oneshot *oneshot, int ctl_fd, struct aimp_error *err);
void aimp__oneshot_fini(struct oneshot *oneshot);

/* Passes a copy of data[0, len); the frame that follows must name oneshot->sent.
 * return: 0; AIMP_EAGAIN (the socket is full); AIMP_ECLOSED (the peer is gone); AIMP_EINVAL
 * (no socket); AIMP_EFULL (the system has no memory or fds for it, see err->os_errno) */
int aimp__oneshot_send(struct oneshot *oneshot, const void *data, size_t len,
                       struct aimp_error *err);

/* Maps the one-shot that a frame names, until aimp__oneshot_release.
 * return: 0; AIMP_ECORRUPT; AIMP_ENOMEM (try again) */
int aimp__oneshot_receive(struct oneshot *oneshot, uint64_t number, uint64_t len,
                          struct aimp_error *err);
void aimp__oneshot_release(struct oneshot *oneshot);

#endif
