/* Events of the template on their way to the launcher.
 *
 * They wait here while the socket is full, so the template never blocks and never
 * loses one. Room for the end of a child is taken before the child is made: nothing
 * that happens to a child needs memory any more. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_TEMPLATE_QUEUE_H
#define AIMP_PROC_TEMPLATE_QUEUE_H

#include "proc/wire.h"

struct queued_event {
    struct wire_event event;
    int pidfd; /* owned; -1: none */
};

struct template_queue {
    struct queued_event *events; /* owned; a ring */
    size_t first;
    size_t count;
    size_t capacity; /* 0 or a power of two */
};

void aimp__template_queue_init(struct template_queue *queue);
void aimp__template_queue_fini(struct template_queue *queue);

/* Makes room for `count` more events than there are. 0, or AIMP_ENOMEM. */
int aimp__template_queue_reserve(struct template_queue *queue, size_t count);
/* There is room. Takes pidfd. */
void aimp__template_queue_push(struct template_queue *queue, const struct wire_event *event,
                               int pidfd);
static inline size_t aimp__template_queue_room(const struct template_queue *queue)
{
    return queue->capacity - queue->count;
}

/* Sends what the socket takes.
 * return: 0 all sent; AIMP_ECLOSED; any other code: something is left, try again */
int aimp__template_queue_flush(struct template_queue *queue, int socket);

#endif
