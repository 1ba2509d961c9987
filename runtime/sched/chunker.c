/* The contract is in chunker.h.
 *
 * Slower than estimated is believed at once, faster only by half: a unit that is
 * too long blocks its worker and keeps the others from sharing, one that is too
 * short costs a microsecond. */
/* SPDX-License-Identifier: MIT */
#include "sched/chunker.h"

#define TARGET_NS        1e6
#define GROWTH           4
#define UNITS_PER_WORKER 4 /* that each should still get of what remains */

void aimp__chunker_init(struct chunker *chunker, uint32_t max)
{
    *chunker = (struct chunker){.size = 1, .max = max ? max : 1};
}

uint32_t aimp__chunker_next(const struct chunker *chunker, uint64_t remaining, uint32_t workers)
{
    uint64_t size = chunker->size;
    if (remaining != UINT64_MAX) {
        uint64_t share = remaining / (UNITS_PER_WORKER * (uint64_t)(workers ? workers : 1));
        size = size < share ? size : share;
    }
    return size > 0 ? (uint32_t)size : 1;
}

/* Items that take the target time, 1 to `limit`. */
static uint32_t fitting(double item_ns, uint32_t limit)
{
    if (item_ns * limit <= TARGET_NS)
        return limit;
    double items = TARGET_NS / item_ns;
    return items < 1 ? 1 : (uint32_t)items;
}

static void estimate(struct chunker *chunker, double item_ns)
{
    if (chunker->measured == 0 || item_ns > chunker->item_ns)
        chunker->item_ns = item_ns;
    else
        chunker->item_ns = (chunker->item_ns + item_ns) / 2;
}

void aimp__chunker_observe(struct chunker *chunker, uint32_t items, uint64_t wall_ns)
{
    if (items == 0)
        return;
    estimate(chunker, (double)wall_ns / items);
    if (items > chunker->measured)
        chunker->measured = items;
    uint64_t limit = (uint64_t)chunker->measured * GROWTH;
    chunker->size =
        fitting(chunker->item_ns, limit < chunker->max ? (uint32_t)limit : chunker->max);
    if (chunker->measured > chunker->size)
        chunker->measured = chunker->size;
}
