/* Queues of units: first in, first out among equal priorities, higher ones first.
 *
 * One list for each priority in use, in a small sorted array: programs use few
 * priorities and many units. Linked through unit->next and unit->previous. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_FIFO_H
#define AIMP_SCHED_FIFO_H

#include "sched/unit.h"

struct fifo_level {
    int32_t priority;
    uint32_t head, tail;
};

struct fifo {
    struct fifo_level *levels; /* highest priority first */
    uint32_t level_count, level_capacity;
    uint64_t items; /* in all units */
};

void aimp__fifo_fini(struct fifo *fifo);

/* Makes sure that a push of this priority cannot fail. False: no memory. */
bool aimp__fifo_reserve(struct fifo *fifo, int32_t priority);
void aimp__fifo_push_back(struct fifo *fifo, const struct slab *slab, struct unit *unit);
void aimp__fifo_push_front(struct fifo *fifo, const struct slab *slab, struct unit *unit);
struct unit *aimp__fifo_peek(const struct fifo *fifo, const struct slab *slab);
void aimp__fifo_remove(struct fifo *fifo, const struct slab *slab, struct unit *unit);

#endif
