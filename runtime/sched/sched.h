/* The scheduler of one pool: which unit goes to which worker, and when.
 *
 * A unit is one or more items of one function call with one payload (a single
 * task is a unit of one item). Units wait in priority FIFOs in private memory;
 * the scheduler sends them to workers that have free capacity, takes back what a
 * worker has not claimed when another one is idle, and knows after any death
 * which items finished, started or never started. It is pure: all effects go
 * through struct sched_ops, time through ops->now_ns, so that tests drive it with
 * a simulated clock and simulated workers.
 *
 * Invariants
 *   each item of each accepted unit is settled exactly once: by a result
 *     (aimp__sched_result) or by an outcome (aimp__sched_next_outcome)
 *   a worker slot never holds more than `concurrency` + prefetch items, and never
 *     more items in its life than its quota
 *   nothing is dispatched from inside submit or result: only aimp__sched_run
 *     sends (so callers batch, and ops are never re-entered)
 *
 * Who calls: proc/pool.c. Loop thread only. Not here: rings (ipc/), processes
 * and their respawn (proc/), Lua tasks. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_SCHED_H
#define AIMP_SCHED_SCHED_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHED_NO_PIN (-1)

/* A unit on its way to a worker, as ops->send_call gets it. Borrowed. */
struct sched_call {
    uint32_t cell, generation; /* the cell was chosen by the scheduler, free on that worker */
    uint32_t first, count;     /* items of the payload to run */
    uint32_t fn;
    uint32_t tag;
    uint32_t timeout_ms;
    uint64_t needs; /* definition log position (sched/deflog.h) */
    const void *payload;
    size_t len;
};

/* What a peer has done with a unit's cell (see ipc/channel.h). */
struct sched_claim {
    uint32_t next;     /* first unclaimed item */
    uint32_t end;      /* end of the range */
    uint32_t running;  /* last item started, or first - 1 */
    uint64_t claim_ns; /* time of the last claim, 0 before */
};

/* The scheduler's hands. All are called with the ctx given to new. A negative
 * code other than AIMP_EFULL means that the worker is broken: the scheduler sends
 * it nothing more and waits for aimp__sched_worker_gone. */
struct sched_ops {
    uint64_t (*now_ns)(void *ctx);
    int (*send_call)(void *ctx, uint32_t slot, const struct sched_call *call);
    int (*send_cancel)(void *ctx, uint32_t slot, uint32_t cell, uint32_t generation, uint32_t item);
    int (*read_claim)(void *ctx, uint32_t slot, uint32_t cell, struct sched_claim *out);
    uint32_t (*take_back)(void *ctx, uint32_t slot, uint32_t cell, uint32_t max);
    /* the worker must die: a task overran its hard deadline */
    void (*kill)(void *ctx, uint32_t slot);
    /* no item of a submitted unit whose spec.needs was not 0 is left; may be NULL */
    void (*released)(void *ctx, uint64_t needs);
};

struct sched_config {
    uint32_t max_slots;   /* worker slots, 0 .. max_slots-1 */
    uint32_t queues;      /* queue ids are 1 .. queues; slot s serves s % queues + 1 */
    uint32_t concurrency; /* tasks a worker may run at once (childconcurrency) */
    uint32_t quota;       /* items a worker may run in its life, exact; 0: no limit */
    uint32_t cells;       /* claim cells per worker; bounds its outstanding units */
    uint32_t grace_ms;    /* between a task's timeout and the kill */
};

/* What the caller submits. The payload is copied. */
struct sched_spec {
    uint32_t owner;      /* caller's number for it, given back in results and outcomes */
    uint32_t group;      /* units that are cancelled together; 0: none */
    uint64_t base;       /* index of the first item, as results and outcomes tell it */
    uint32_t count;      /* items, at least 1 */
    uint32_t fn, tag;    /* passed through to the call */
    uint64_t needs;      /* passed through */
    uint32_t queue;      /* 1 .. queues; ignored when pinned */
    int32_t pin;         /* slot it must run in, or SCHED_NO_PIN */
    int32_t priority;    /* higher first; FIFO among equals */
    uint32_t retries;    /* times a started item runs again after its worker died */
    uint32_t timeout_ms; /* 0: none; from its start. With a timeout, count must be 1 */
};

/* 0 is never a unit. Low 32 bits: slab index; high: its generation. */
typedef uint64_t sched_unit;

enum sched_outcome_kind {
    SCHED_DIED,      /* started items lost with their worker, no retries left */
    SCHED_TIMED_OUT, /* the worker was killed for it, or it expired (see aimp__sched_tick) */
    SCHED_CANCELLED, /* taken back before it started */
};

/* Items settled without a result from a worker. */
struct sched_outcome {
    uint32_t kind; /* enum sched_outcome_kind */
    uint32_t owner;
    uint64_t first; /* index as in spec.base */
    uint32_t count;
    uint32_t slot;  /* SCHED_DIED, SCHED_TIMED_OUT: where it ran */
    uint32_t death; /* the number the caller gave to aimp__sched_worker_gone */
};

struct sched;

int aimp__sched_new(struct sched **out, const struct sched_config *config,
                    const struct sched_ops *ops, void *ctx, struct aimp_error *err);
void aimp__sched_free(struct sched *sched); /* forgets everything; no outcomes */

/* Accepts a unit. Amortized O(1), also with 10 million waiting.
 * return: 0 and *unit; AIMP_ENOMEM; AIMP_EINVAL (err says which field) */
int aimp__sched_submit(struct sched *sched, const struct sched_spec *spec, const void *payload,
                       size_t len, sched_unit *unit, struct aimp_error *err);

/* Dispatches while there is work and capacity; also rebalances. Returns units sent. */
uint32_t aimp__sched_run(struct sched *sched);

/* True when aimp__sched_run would have something to look at. Cheap; for hot loops. */
bool aimp__sched_is_pending(const struct sched *sched);

/* A worker's result frame arrived: items [first, first+count) of the unit in
 * (slot, cell, generation); wall_ns is the time they took together; `end`: the
 * worker's last word about the cell (count may be 0: it found nothing to claim).
 * The claim of these items was checked by the scheduler: results for items that
 * were not dispatched there, or are settled, are AIMP_ECORRUPT and change nothing,
 * except items of a unit that was settled by timeout or cancel in the meantime:
 * those are dropped silently (*owner = 0, return 0).
 * On success *owner and *index (spec.base based) of the first item. */
int aimp__sched_result(struct sched *sched, uint32_t slot, uint32_t cell, uint32_t generation,
                       uint32_t first, uint32_t count, uint64_t wall_ns, bool end, uint32_t *owner,
                       uint64_t *index);

/* Cancels a unit, or all units of a group: what has not started is settled as
 * SCHED_CANCELLED (an outcome), what runs gets ops->send_cancel and settles when
 * its worker answers. Unknown or settled: no effect. Returns items taken back. */
uint32_t aimp__sched_cancel(struct sched *sched, sched_unit unit);
uint32_t aimp__sched_cancel_group(struct sched *sched, uint32_t group);

/* Next outcome that the scheduler decided by itself. False: none. */
bool aimp__sched_next_outcome(struct sched *sched, struct sched_outcome *out);

/* ---- workers: the caller tells what happened to their processes ---- */
void aimp__sched_worker_ready(struct sched *sched, uint32_t slot); /* may get work now */
/* (units pinned to the slot stay: nobody else may run them) */
void aimp__sched_worker_drain(struct sched *sched,
                              uint32_t slot); /* nothing new; finishes what it claimed;
                                                 the unclaimed is taken back */
bool aimp__sched_worker_is_idle(const struct sched *sched, uint32_t slot); /* holds nothing */
bool aimp__sched_worker_is_spent(const struct sched *sched,
                                 uint32_t slot); /* its quota is used up */

/* The worker is gone for good and its completion ring was read to the end.
 * Finished items stay finished; started ones run again (retries) or become outcomes;
 * never-started ones go back to the front of their queue, pinned ones for the slot's next
 * process. `death` is kept for the outcomes. */
void aimp__sched_worker_gone(struct sched *sched, uint32_t slot, uint32_t death);

/* No process will serve this slot for now (resize): units pinned to it move to its queue. */
void aimp__sched_worker_remove(struct sched *sched, uint32_t slot);

/* Deadlines, rebalancing of work that a blocked or stopped worker sits on. Call at or after the
 * time that aimp__sched_next_tick_ns says (0: not needed). */
void aimp__sched_tick(struct sched *sched);
uint64_t aimp__sched_next_tick_ns(const struct sched *sched);

struct sched_slot_stats {
    uint64_t done;    /* items with a result, since the slot exists */
    uint64_t lost;    /* items that died or timed out there */
    uint32_t running; /* claimed, not finished */
    uint32_t queued;  /* sent, not claimed */
    uint64_t busy_ns; /* sum of wall_ns */
};
void aimp__sched_slot_stats(const struct sched *sched, uint32_t slot, struct sched_slot_stats *out);

struct sched_stats {
    uint64_t waiting;                               /* items in the queues */
    uint64_t outstanding;                           /* items at workers */
    uint64_t done, lost, cancelled, retried, moved; /* moved: taken back for another worker */
    /* percentiles 50, 90 and 99: of units from submit to send, of items in their worker */
    uint64_t wait_ns[3], run_ns[3];
};
void aimp__sched_stats(const struct sched *sched, struct sched_stats *out);

#endif
