/* The insides of struct sched, shared by the scheduler's files. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_STATE_H
#define AIMP_SCHED_STATE_H

#include "sched/fifo.h"
#include "sched/histogram.h"
#include "sched/sched.h"
#include "sched/unit.h"

#define GROUP_BUCKETS 1024

/* What a claim cell of a worker is used for. */
#define CELL_FREE UNIT_NONE
#define CELL_HUSK UINT32_MAX /* its unit was taken back whole; the worker has not said so yet */

enum slot_state {
    SLOT_ABSENT, /* no process, or not ready */
    SLOT_READY,
    SLOT_DRAINING, /* nothing new */
    SLOT_BROKEN,   /* a send failed; waits for worker_gone */
};

struct sched_slot {
    enum slot_state state;
    uint32_t index;
    uint32_t *cell_unit;       /* by cell: unit number, CELL_FREE or CELL_HUSK */
    uint32_t *cell_generation; /* by cell: of its last use */
    uint32_t *free_cells;
    uint32_t free_cell_count;
    uint32_t husks;
    uint32_t head, tail;  /* units sent here, oldest first */
    uint32_t units;       /* of them */
    uint32_t outstanding; /* their unfinished items */
    uint64_t spent;       /* items dispatched and not taken back, of this process */
    double item_ns;       /* moving estimate of an item's wall time; 0: unknown */
    bool is_full;         /* its ring was, in this run */
    bool is_blocked;      /* has let units lie unclaimed for long */
    bool is_claimed;      /* at the last look everything was claimed, and nothing was sent since */
    struct fifo pinned;   /* units that must run here */
    uint64_t done, lost, busy_ns;
};

struct sched {
    struct sched_config config;
    struct sched_ops ops;
    void *ctx;
    struct slab slab;
    struct fifo *queues; /* by queue id - 1 */
    struct sched_slot *slots;
    uint32_t used_slots; /* those that ever had a worker are below */
    uint32_t buckets[GROUP_BUCKETS];
    struct sched_outcome *outcomes; /* ring */
    uint32_t outcome_head, outcome_count, outcome_capacity;
    double item_ns;           /* of all slots, for those that know nothing yet */
    uint32_t turn;            /* place after which the search for the best slot starts */
    bool is_dirty;            /* something happened since the last run */
    uint64_t timeout_at_ns;   /* 0: no deadline is near */
    uint64_t balance_at_ns;   /* 0: no look at the workers' unclaimed units is due */
    uint64_t balanced_ns;     /* time of the last look at them */
    uint32_t timed;           /* sent units that have a timeout or are being cancelled */
    struct histogram waits;   /* of units in the queues */
    struct histogram runs;    /* of items */
    struct sched_stats stats; /* waiting and outstanding are summed on demand */
};

static inline struct fifo *aimp__sched_fifo(struct sched *sched, const struct unit *unit)
{
    return unit->pin >= 0 ? &sched->slots[unit->pin].pinned : &sched->queues[unit->queue - 1];
}

static inline uint32_t aimp__sched_queue_of(const struct sched *sched, uint32_t slot)
{
    return slot % sched->config.queues + 1;
}

/* ---- sched.c ---- */

/* A queued unit, in no queue yet, for items [first, last) of the same call; NULL: no memory. */
struct unit *aimp__sched_split(struct sched *sched, const struct unit *unit, uint32_t first,
                               uint32_t last);

/* ---- settle.c ---- */

/* Tells the caller that items [first, last) of the unit ended without a result. */
void aimp__sched_tell(struct sched *sched, const struct unit *unit, uint32_t kind, uint32_t first,
                      uint32_t last, uint32_t death);
/* Forgets a unit that holds nothing more and is in no list but its group's. */
void aimp__sched_drop(struct sched *sched, struct unit *unit);

/* ---- dispatch.c ---- */

/* Puts a unit (back) to the front of its queue. */
void aimp__sched_requeue(struct sched *sched, struct unit *unit);
/* Removes the unit from its slot's list; its cell becomes a husk, or free. */
void aimp__sched_detach(struct sched *sched, struct unit *unit, bool leaves_husk);

/* ---- balance.c ---- */

/* Takes back at most `max` unclaimed items of a sent unit and queues them in front, or, when the
 * unit is cancelled, settles them. Returns how many. The unit may be gone afterwards. */
uint32_t aimp__sched_take_back(struct sched *sched, struct unit *unit, uint32_t max);
/* Moves unclaimed work towards idle workers. True: something was queued. */
bool aimp__sched_balance(struct sched *sched);

#endif
