/* The parent's side of a pool: the scheduler joined to the channels of its workers.
 *
 * Lua (lua/aimp/pool) decides when a worker process starts and what its death
 * means; this file moves units, results and definitions between the scheduler, the
 * definition log and the channels. Exported for the FFI, as proc/port.h is: small
 * leaf functions, none waits, none calls Lua. Loop thread only.
 *
 *   submit ─► sched ─► channel ─► worker      aimp_pool_submit, aimp_pool_run
 *   next  ◄── sched ◄─ channel ◄─ worker      aimp_pool_next
 *
 * A slot is a place for a worker process; it is opened (channel made), used by one
 * process, and closed by aimp_pool_gone when that process is known to be dead. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_POOL_H
#define AIMP_PROC_POOL_H

#include "aimp_api.h"
#include "base/error.h"
#include "ipc/channel.h"
#include "proc/launcher.h"
#include "sched/chunker.h"
#include "sched/sched.h"

struct aimp_pool;

struct aimp_pool_config {
    struct sched_config sched;
    uint64_t ring_bytes;
    uint64_t arena_bytes;
};

/* Payload formats (frame.tag & 0xff) that the C side knows; those below are the codec's. */
enum aimp_tag {
    AIMP_TAG_NUMBERS = 16, /* count doubles; NaNs are made canonical on receipt */
};

enum aimp_event_kind {
    AIMP_EVENT_RESULT = 1, /* owner, index, count, tag, data; flags: FRAME_ERROR */
    AIMP_EVENT_OUTCOME,    /* owner, index, count, outcome (enum sched_outcome_kind), slot, death */
    AIMP_EVENT_FRAME,      /* slot, frame_kind (HELLO, READY, ASK), key, tag, flags, data;
                              ASK: index = the frame's first, count, cell, generation */
    AIMP_EVENT_BROKEN,     /* slot: its shared memory is corrupt; it was killed. code */
};

struct aimp_event {
    uint32_t kind;
    uint32_t slot;
    uint32_t owner;
    uint32_t count;
    uint64_t index;
    uint32_t tag;
    uint32_t flags;
    uint32_t outcome;
    uint32_t death;
    uint32_t frame_kind;
    uint32_t key;
    int32_t code;
    uint32_t cell;
    uint32_t generation;
    uint64_t wall_ns;
    const void *data; /* lives until the next aimp_pool_next on this pool */
    uint64_t len;
};

/* return: NULL and *err */
AIMP_API struct aimp_pool *aimp_pool_new(const struct aimp_pool_config *config,
                                         struct aimp_error *err);
/* Kills what still runs, unmaps, frees. NULL is allowed. */
AIMP_API void aimp_pool_free(struct aimp_pool *pool);
AIMP_API int aimp_pool_wake_fd(const struct aimp_pool *pool);
AIMP_API void aimp_pool_drain_wake(struct aimp_pool *pool);

/* ---- slots ---- */

/* Makes the slot's channel and fills request's fds; close them with
 * aimp_pool_launched after the request was sent (or was not). */
AIMP_API int aimp_pool_open_slot(struct aimp_pool *pool, uint32_t slot,
                                 struct launch_request *request, struct aimp_error *err);
AIMP_API void aimp_pool_launched(struct aimp_pool *pool, uint32_t slot,
                                 struct launch_request *request);
/* The process exists: takes pidfd. */
AIMP_API void aimp_pool_set_pidfd(struct aimp_pool *pool, uint32_t slot, int pidfd);
/* Sends a frame of the given kind, in order with everything else on the slot. */
AIMP_API int aimp_pool_post(struct aimp_pool *pool, uint32_t slot, uint32_t kind, uint32_t key,
                            uint32_t tag, const void *data, uint64_t len);
/* Sends the definitions up to `needs` that the slot's worker has not seen. */
AIMP_API int aimp_pool_post_definitions(struct aimp_pool *pool, uint32_t slot, uint64_t needs);
/* Sends a frame as it is, in order; the worker is rung with the next aimp_pool_run.
 * return: 0; AIMP_ECLOSED: nobody is there, or the worker was killed for its memory */
AIMP_API int aimp_pool_send(struct aimp_pool *pool, uint32_t slot, const struct frame *frame,
                            const void *data);
/* The same with a descriptor, which is borrowed, and at most CHANNEL_FD_PAYLOAD bytes.
 * return: besides, AIMP_EAGAIN, AIMP_ESYS, AIMP_ENOMEM: it has to wait, and cannot be kept */
AIMP_API int aimp_pool_send_fd(struct aimp_pool *pool, uint32_t slot, const struct frame *frame,
                               const void *data, int fd);
/* Signals the slot's process; 0, or -errno (ESRCH: gone already, or not there yet). */
AIMP_API int aimp_pool_signal(struct aimp_pool *pool, uint32_t slot, int signal_number);
AIMP_API void aimp_pool_ready(struct aimp_pool *pool, uint32_t slot);
AIMP_API void aimp_pool_drain(struct aimp_pool *pool, uint32_t slot);
AIMP_API int aimp_pool_slot_is_idle(const struct aimp_pool *pool, uint32_t slot);
AIMP_API int aimp_pool_slot_is_spent(const struct aimp_pool *pool, uint32_t slot);
/* The process is dead and aimp_pool_next said that nothing is left: settles its work, frees
 * the channel. `death` comes back in the outcomes. */
AIMP_API void aimp_pool_gone(struct aimp_pool *pool, uint32_t slot, uint32_t death);
AIMP_API void aimp_pool_remove_slot(struct aimp_pool *pool, uint32_t slot);

/* ---- offers: frames whose items the worker claims one by one, as those of a unit ----
 *
 * Their cells lie behind the scheduler's. An offer stays until it is closed, which is allowed when
 * the worker has said its last word about it: the cell is used again. */

/* Opens a cell for that many items, puts its number and generation into the frame and sends it.
 * return: 0; AIMP_EFULL: no cell is free; AIMP_ECLOSED */
AIMP_API int aimp_pool_offer(struct aimp_pool *pool, uint32_t slot, uint32_t items,
                             struct frame *frame, const void *data);
/* Takes back at most max unclaimed items from the end. return: how many */
AIMP_API uint32_t aimp_pool_offer_take_back(struct aimp_pool *pool, uint32_t slot, uint32_t cell,
                                            uint32_t max);
/* Items that nobody has claimed. */
AIMP_API uint32_t aimp_pool_offer_left(struct aimp_pool *pool, uint32_t slot, uint32_t cell);
/* return: 0; AIMP_EINVAL: no such offer */
AIMP_API int aimp_pool_offer_close(struct aimp_pool *pool, uint32_t slot, uint32_t cell,
                                   uint32_t generation);

/* ---- work ---- */

/* Accepts a unit and sends what can be sent. return: 0, 1 (accepted, and results wait to be
 * read with aimp_pool_next), or a negative code */
AIMP_API int aimp_pool_submit(struct aimp_pool *pool, const struct sched_spec *spec,
                              const void *payload, uint64_t len, uint64_t *unit);
/* Dispatches and wakes; call after a batch of anything. return: 1 if results wait */
AIMP_API int aimp_pool_run(struct aimp_pool *pool);
/* The next event. 0: nothing now. */
AIMP_API int aimp_pool_next(struct aimp_pool *pool, struct aimp_event *event);
AIMP_API uint32_t aimp_pool_cancel(struct aimp_pool *pool, uint64_t unit);
AIMP_API uint32_t aimp_pool_cancel_group(struct aimp_pool *pool, uint32_t group);

AIMP_API uint64_t aimp_pool_define(struct aimp_pool *pool, uint32_t key, const void *data,
                                   uint64_t len);
/* The definition is not needed by what is submitted from now on. */
AIMP_API void aimp_pool_forget(struct aimp_pool *pool, uint32_t key);

/* ---- waiting ---- */
AIMP_API int aimp_pool_has_input(const struct aimp_pool *pool);
AIMP_API int aimp_pool_sleep_begin(struct aimp_pool *pool); /* 1: sleep now */
AIMP_API void aimp_pool_sleep_end(struct aimp_pool *pool);
AIMP_API int aimp_pool_spin(struct aimp_pool *pool); /* 1: something came */
AIMP_API void aimp_pool_tick(struct aimp_pool *pool);
/* Nanoseconds from now until tick wants to be called; -1: not needed. */
AIMP_API double aimp_pool_tick_in_ns(const struct aimp_pool *pool);

/* ---- figures ---- */
AIMP_API void aimp_pool_slot_stats(const struct aimp_pool *pool, uint32_t slot,
                                   struct sched_slot_stats *out);
AIMP_API void aimp_pool_stats(const struct aimp_pool *pool, struct sched_stats *out);

/* ---- for the FFI: the rest of what Lua calls ---- */
AIMP_API void aimp_chunker_init(struct chunker *chunker, uint32_t max);
AIMP_API uint32_t aimp_chunker_next(const struct chunker *chunker, double remaining,
                                    uint32_t workers);
AIMP_API void aimp_chunker_observe(struct chunker *chunker, uint32_t items, uint64_t wall_ns);

#endif
