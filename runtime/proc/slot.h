/* One worker's place in a pool, as the parent holds it. Private to proc/pool*.c.
 *
 *   closed ──open──► open ──(process dies)──gone──► closed
 *
 * Everything in it belongs to one process's life and is discarded with it. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_SLOT_H
#define AIMP_PROC_SLOT_H

#include "ipc/channel.h"
#include "proc/launcher.h"
#include "proc/outbox.h"

/* Claim cells of a channel for offers (pool_offer.c). */
#define OFFERS 256u

struct slot_offers {
    uint32_t generation[OFFERS]; /* of the last use */
    bool is_open[OFFERS];
    uint16_t hint; /* a cell that may be free */
};

struct slot {
    struct channel *channel;    /* owned; NULL while closed */
    int ctl_fd;                 /* owned; our end of the socket pair */
    int wake_fd;                /* owned; what the worker sleeps on */
    int pidfd;                  /* owned; -1 until the process is known */
    uint64_t known;             /* definition log position that the worker has */
    struct outbox outbox;       /* control frames that wait for room */
    struct slot_offers *offers; /* owned; NULL: there was none yet */
    bool is_broken;             /* its shared memory made no sense; killed */
    bool is_dirty;              /* sent to since the last wake-up */
    bool is_told;               /* is_broken was reported */
};

void aimp__slot_init(struct slot *slot);
int aimp__slot_open(struct slot *slot, const struct channel_sizes *sizes, int parent_wake_fd,
                    struct launch_request *request, struct aimp_error *err);
void aimp__slot_close(struct slot *slot);

/* Waits, at most a moment, until a process that was killed touches its memory no more. */
void aimp__slot_await_death(const struct slot *slot);

/* SIGKILLs the process for corrupt memory and remembers to report it once. */
void aimp__slot_break(struct slot *slot);
int aimp__slot_signal(const struct slot *slot, int signal_number);

/* Sends a frame, keeping order with what waits. A corrupt channel breaks the slot. */
int aimp__slot_post(struct slot *slot, const struct frame *frame, const void *payload);
/* The same with a descriptor, which is borrowed, and at most CHANNEL_FD_PAYLOAD bytes. */
int aimp__slot_post_fd(struct slot *slot, const struct frame *frame, const void *payload, int fd);
/* Sends what waits and wakes the worker if something was sent. */
void aimp__slot_flush(struct slot *slot);

static inline bool aimp__slot_is_live(const struct slot *slot)
{
    return slot->channel && !slot->is_broken;
}

#endif
