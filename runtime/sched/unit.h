/* Units in a slab: stable addresses, numbers instead of pointers, generations
 * against stale handles.
 *
 *   free ──submit──► queued ──send──► sent ──last item settled──► free
 *                      ▲                │
 *                      └──taken back────┘
 *
 * A unit owns items [first, last) of its payload. Taking back the tail makes a second unit with the
 * same payload and the ranges are disjoint ever after. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_UNIT_H
#define AIMP_SCHED_UNIT_H

#include "sched/payload.h"

#include <stdbool.h>
#include <stdint.h>

#define UNIT_NONE 0u /* no unit has this number */

enum unit_state { UNIT_FREE, UNIT_QUEUED, UNIT_SENT };

struct unit {
    uint32_t number;     /* its place in the slab, 1 .. */
    uint32_t generation; /* counts the uses of the place */
    enum unit_state state;
    bool is_cancelled; /* what is left settles as cancelled */
    bool is_overdue;   /* its worker was killed for it */

    uint32_t owner, group, fn, tag, queue;
    int32_t pin, priority;
    uint32_t retries; /* left */
    uint32_t timeout_ms;
    uint64_t base; /* index of payload item 0 */
    uint32_t first, last;
    struct payload *payload; /* shared */

    uint32_t next, previous;             /* in its queue, or in its slot's list */
    uint32_t group_next, group_previous; /* among units of the same bucket of groups */

    uint32_t slot, cell, cell_generation; /* while sent */
    uint64_t queued_ns;                   /* when it was submitted */
    uint64_t sent_ns;
    uint64_t kill_at_ns; /* cancelled while it ran: its worker's end if it goes on; 0: not */
    uint32_t unfinished; /* items of [first, last) without a result */
    uint32_t prefix;     /* items [first, prefix) are finished */
    uint64_t *finished;  /* bits from `first` on; NULL while they finish in order */
};

struct slab {
    struct unit **blocks;
    uint32_t block_count, free_head, used;
};

void aimp__slab_fini(struct slab *slab);

/* A unit in state UNIT_QUEUED with all fields zero but number and generation; NULL: no memory. */
struct unit *aimp__slab_take(struct slab *slab);
void aimp__slab_give(struct slab *slab, struct unit *unit);

/* The unit of a number that was taken; UNIT_NONE gives NULL. */
struct unit *aimp__slab_at(const struct slab *slab, uint32_t number);

/* Moves the unit to another state; asserts that the table in unit.c allows it. */
void aimp__unit_move(struct unit *unit, enum unit_state state);

/* ---- which items are finished ---- */

void aimp__unit_reset_items(struct unit *unit, uint32_t first, uint32_t last);
bool aimp__unit_is_finished(const struct unit *unit, uint32_t item);
/* Marks [first, first + count) finished. AIMP_ECORRUPT: out of range, or one of them was already;
 * AIMP_ENOMEM. Nothing changed then. */
int aimp__unit_finish(struct unit *unit, uint32_t first, uint32_t count);
/* Cuts the items [last, unit->last) off; returns how many of them were unfinished. */
uint32_t aimp__unit_cut(struct unit *unit, uint32_t last);

#endif
