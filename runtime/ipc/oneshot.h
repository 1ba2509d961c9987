/* What goes over the control socket: the largest payloads, each in a sealed memfd
 * of its own, and descriptors that the callers pass. A frame names what belongs to
 * it by number; numbers count up on each side, so that one which does not belong to
 * its frame is noticed. Both count together, as they share the socket. */
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
    int passed_fd; /* owned: came with the last frame; -1: none, or it was taken */
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

/* Passes a descriptor, which is borrowed; the frame that follows must name oneshot->sent.
 * return: as aimp__oneshot_send */
int aimp__oneshot_pass(struct oneshot *oneshot, int fd, struct aimp_error *err);

/* Receives the descriptor that a frame names into oneshot->passed_fd. At the limit of open
 * files that is -1: the number of the reserve is kept for the next one-shot.
 * return: 0; AIMP_ECORRUPT */
int aimp__oneshot_receive_fd(struct oneshot *oneshot, uint64_t number, struct aimp_error *err);

/* Unmaps and closes what came with the last frame. */
void aimp__oneshot_release(struct oneshot *oneshot);

#endif
