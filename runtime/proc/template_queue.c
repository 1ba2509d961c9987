/* The contract is in template_queue.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/template_queue.h"

#include "os/fdpass.h"

#include <stdlib.h>
#include <unistd.h>

void aimp__template_queue_init(struct template_queue *queue)
{
    *queue = (struct template_queue){0};
}

static struct queued_event *at(const struct template_queue *queue, size_t index)
{
    return &queue->events[(queue->first + index) & (queue->capacity - 1)];
}

static void pop(struct template_queue *queue)
{
    int pidfd = at(queue, 0)->pidfd;
    if (pidfd >= 0)
        close(pidfd);
    queue->first++;
    queue->count--;
}

void aimp__template_queue_fini(struct template_queue *queue)
{
    while (queue->count > 0)
        pop(queue);
    free(queue->events);
    aimp__template_queue_init(queue);
}

int aimp__template_queue_reserve(struct template_queue *queue, size_t count)
{
    size_t capacity = queue->capacity ? queue->capacity : 32;
    while (capacity < queue->count + count)
        capacity *= 2;
    if (capacity == queue->capacity)
        return AIMP_OK;
    struct queued_event *events = malloc(capacity * sizeof *events);
    if (!events)
        return AIMP_ENOMEM;
    for (size_t i = 0; i < queue->count; i++)
        events[i] = *at(queue, i);
    free(queue->events);
    queue->events = events;
    queue->first = 0;
    queue->capacity = capacity;
    return AIMP_OK;
}

void aimp__template_queue_push(struct template_queue *queue, const struct wire_event *event,
                               int pidfd)
{
    assert(queue->count < queue->capacity);
    *at(queue, queue->count++) = (struct queued_event){.event = *event, .pidfd = pidfd};
}

int aimp__template_queue_flush(struct template_queue *queue, int socket)
{
    while (queue->count > 0) {
        const struct queued_event *next = at(queue, 0);
        int rc = aimp__fdpass_send(socket, &next->event, sizeof next->event, &next->pidfd,
                                   next->pidfd >= 0, NULL);
        if (rc < 0)
            return rc;
        pop(queue);
    }
    return AIMP_OK;
}
