/* Frames that could not be sent yet, in order, in private memory.
 *
 * A full ring must never make a side wait for the other, or two full rings
 * would deadlock; so what must not be dropped (control frames of the parent,
 * results of the worker) queues here until the peer has made room. Who fills an
 * outbox stops taking on new work while it is not empty. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_OUTBOX_H
#define AIMP_PROC_OUTBOX_H

#include "ipc/channel.h"

struct outbox_entry;
struct outbox {
    struct outbox_entry *first, *last;
    unsigned fd_count; /* of those that wait */
};

/* A peer that asks for descriptors and does not take them must not use up this process's own. */
#define OUTBOX_FDS_MAX 64u

/* Sends the frame now, or keeps a copy behind those that wait.
 * return: 0; AIMP_ECORRUPT; AIMP_ENOMEM */
int aimp__outbox_send(struct outbox *outbox, struct channel *channel, const struct frame *frame,
                      const void *payload, struct aimp_error *err);

/* The same with a descriptor (aimp__channel_send_fd), which is borrowed.
 * return: besides, AIMP_EINVAL; AIMP_EAGAIN: OUTBOX_FDS_MAX of them wait already; AIMP_ESYS: there
 * is no descriptor for one that has to wait */
int aimp__outbox_send_fd(struct outbox *outbox, struct channel *channel, const struct frame *frame,
                         const void *payload, int fd, struct aimp_error *err);

/* Sends what waits, as far as there is room. return: 0 or AIMP_ECORRUPT */
int aimp__outbox_flush(struct outbox *outbox, struct channel *channel, struct aimp_error *err);

bool aimp__outbox_is_empty(const struct outbox *outbox);
void aimp__outbox_fini(struct outbox *outbox);

#endif
