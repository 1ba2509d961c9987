/* The contract is in outbox.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/outbox.h"

#include <stdlib.h>
#include <string.h>

struct outbox_entry {
    struct outbox_entry *next;
    struct frame frame;
    unsigned char payload[];
};

static int keep(struct outbox *outbox, const struct frame *frame, const void *payload,
                struct aimp_error *err)
{
    struct outbox_entry *entry = malloc(sizeof *entry + frame->len);
    if (!entry)
        return aimp__error_set(err, AIMP_ENOMEM, "no memory to keep a frame of %llu bytes",
                               (unsigned long long)frame->len);
    entry->next = NULL;
    entry->frame = *frame;
    if (frame->len)
        memcpy(entry->payload, payload, frame->len);
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
    free(entry);
}

int aimp__outbox_send(struct outbox *outbox, struct channel *channel, const struct frame *frame,
                      const void *payload, struct aimp_error *err)
{
    int rc = AIMP_EFULL;
    if (!outbox->first)
        rc = aimp__channel_send(channel, frame, payload, err);
    return rc == AIMP_EFULL ? keep(outbox, frame, payload, err) : rc;
}

int aimp__outbox_flush(struct outbox *outbox, struct channel *channel, struct aimp_error *err)
{
    while (outbox->first) {
        struct outbox_entry *entry = outbox->first;
        int rc = aimp__channel_send(channel, &entry->frame, entry->payload, err);
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
