/* The contract is in chunker.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/chunker.h"

#include <math.h>

#define UNIT_NS       1e6 /* what a unit should take */
#define GROWTH        4
#define SHARE         0.25 /* of a new measurement in the estimate, when items get faster */
#define SHARES_A_UNIT 4    /* each worker should get at least so many more units of what is left */

void aimp__chunker_init(struct chunker *chunker, uint32_t max)
{
    *chunker = (struct chunker){.size = 1, .max = max > 0 ? max : 1};
}

uint32_t aimp__chunker_next(const struct chunker *chunker, uint64_t remaining, uint32_t workers)
{
    uint64_t fair = remaining / ((uint64_t)SHARES_A_UNIT * (workers > 0 ? workers : 1));
    uint64_t size = remaining != UINT64_MAX && fair < chunker->size ? fair : chunker->size;
    if (size > remaining)
        size = remaining;
    return size > 0 ? (uint32_t)size : 1;
}

/* Slower items are believed at once, faster ones a share at a time. */
static void estimate(struct chunker *chunker, double item_ns)
{
    if (chunker->item_ns <= 0 || item_ns > chunker->item_ns)
        chunker->item_ns = item_ns;
    else
        chunker->item_ns += (item_ns - chunker->item_ns) * SHARE;
    if (chunker->item_ns < 1)
        chunker->item_ns = 1;
}

void aimp__chunker_observe(struct chunker *chunker, uint32_t items, uint64_t wall_ns)
{
    if (items == 0)
        return;
    estimate(chunker, (double)wall_ns / items);
    if (items > chunker->measured)
        chunker->measured = items;
    double wanted = fmin(UNIT_NS / chunker->item_ns, (double)chunker->measured * GROWTH);
    if (wanted < chunker->size)
        chunker->measured = 1; /* growth starts again from below */
    chunker->size = (uint32_t)fmax(1, fmin(wanted, chunker->max));
}
