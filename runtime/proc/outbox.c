/* The contract is in outbox.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/outbox.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct outbox_entry {
    struct outbox_entry *next;
    int fd; /* owned; -1: none */
    struct frame frame;
    unsigned char payload[];
};

static struct outbox_entry *new_entry(const struct frame *frame, const void *payload,
                                      struct aimp_error *err)
{
    struct outbox_entry *entry = malloc(sizeof *entry + frame->len);
    if (!entry) {
        aimp__error_set(err, AIMP_ENOMEM, "no memory to keep a frame of %llu bytes",
                        (unsigned long long)frame->len);
        return NULL;
    }
    entry->next = NULL;
    entry->fd = -1;
    entry->frame = *frame;
    if (frame->len)
        memcpy(entry->payload, payload, frame->len);
    return entry;
}

static void free_entry(struct outbox_entry *entry)
{
    if (entry->fd >= 0)
        close(entry->fd);
    free(entry);
}

static int keep_fd(struct outbox *outbox, struct outbox_entry *entry, int fd,
                   struct aimp_error *err)
{
    if (outbox->fd_count == OUTBOX_FDS_MAX)
        return aimp__error_set(err, AIMP_EAGAIN, "too many descriptors wait for room");
    entry->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (entry->fd < 0)
        return aimp__error_errno(err, "cannot keep a descriptor until there is room for it");
    outbox->fd_count++;
    return AIMP_OK;
}

static int keep(struct outbox *outbox, const struct frame *frame, const void *payload, int fd,
                struct aimp_error *err)
{
    struct outbox_entry *entry = new_entry(frame, payload, err);
    if (!entry)
        return AIMP_ENOMEM;
    int rc = fd < 0 ? AIMP_OK : keep_fd(outbox, entry, fd, err);
    if (rc != AIMP_OK) {
        free_entry(entry);
        return rc;
    }
    if (outbox->last)
        outbox->last->next = entry;
    else
        outbox->first = entry;
    outbox->last = entry;
    return AIMP_OK;
}

static void drop_first(struct outbox *outbox)
{
    struct outbox_entry *entry = outbox->first;
    outbox->first = entry->next;
    if (!outbox->first)
        outbox->last = NULL;
    outbox->fd_count -= entry->fd >= 0;
    free_entry(entry);
}

static int send_now(struct channel *channel, const struct frame *frame, const void *payload, int fd,
                    struct aimp_error *err)
{
    return fd < 0 ? aimp__channel_send(channel, frame, payload, err)
                  : aimp__channel_send_fd(channel, frame, payload, fd, err);
}

static int send_or_keep(struct outbox *outbox, struct channel *channel, const struct frame *frame,
                        const void *payload, int fd, struct aimp_error *err)
{
    int rc = AIMP_EFULL;
    if (!outbox->first)
        rc = send_now(channel, frame, payload, fd, err);
    return rc == AIMP_EFULL ? keep(outbox, frame, payload, fd, err) : rc;
}

int aimp__outbox_send(struct outbox *outbox, struct channel *channel, const struct frame *frame,
                      const void *payload, struct aimp_error *err)
{
    return send_or_keep(outbox, channel, frame, payload, -1, err);
}

int aimp__outbox_send_fd(struct outbox *outbox, struct channel *channel, const struct frame *frame,
                         const void *payload, int fd, struct aimp_error *err)
{
    assert(fd >= 0);
    if (frame->len > CHANNEL_FD_PAYLOAD)
        return aimp__error_set(err, AIMP_EINVAL, "%llu bytes are too many beside a descriptor",
                               (unsigned long long)frame->len);
    return send_or_keep(outbox, channel, frame, payload, fd, err);
}

int aimp__outbox_flush(struct outbox *outbox, struct channel *channel, struct aimp_error *err)
{
    while (outbox->first) {
        struct outbox_entry *entry = outbox->first;
        int rc = send_now(channel, &entry->frame, entry->payload, entry->fd, err);
        if (rc == AIMP_EFULL)
            return AIMP_OK;
        if (rc != AIMP_OK)
            return rc;
        drop_first(outbox);
    }
    return AIMP_OK;
}

bool aimp__outbox_is_empty(const struct outbox *outbox)
{
    return outbox->first == NULL;
}

void aimp__outbox_fini(struct outbox *outbox)
{
    while (outbox->first)
        drop_first(outbox);
}
