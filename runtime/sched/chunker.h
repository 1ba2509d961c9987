/* How many items make one unit of a map: about a millisecond's worth.
 *
 * Starts at one, grows by measured time (at most fourfold a step), shrinks at
 * once when items turn out slow, and never so large that the workers could not
 * share what is left (remaining / (4 * workers), as multiprocessing's automatic
 * chunks do). Pure; called through the FFI by lua/aimp/pool. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_CHUNKER_H
#define AIMP_SCHED_CHUNKER_H

#include <stdint.h>

struct chunker {
    double item_ns;    /* moving estimate; 0: nothing measured yet */
    uint32_t size;     /* current size */
    uint32_t max;      /* upper bound */
    uint32_t measured; /* size of the largest unit measured so far; growth is relative to it */
};

void aimp__chunker_init(struct chunker *chunker, uint32_t max);
/* Items for the next unit; remaining is UINT64_MAX when unknown (a lazy iterator). At least 1. */
uint32_t aimp__chunker_next(const struct chunker *chunker, uint64_t remaining, uint32_t workers);
void aimp__chunker_observe(struct chunker *chunker, uint32_t items, uint64_t wall_ns);

#endif
