/* The contract is in deflog_slots.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/deflog_slots.h"

#include "base/error.h"
#include "sched/alloc.h"

#include <assert.h>

#define CAPACITY_MIN 64

void aimp__deflog_slots_fini(struct deflog_slots *slots)
{
    for (size_t i = 0; i < slots->size; i++)
        aimp__sched_free_memory(slots->at[i].node);
    aimp__sched_free_memory(slots->at);
    aimp__bitset_fini(&slots->held);
}

static bool is_kept(const struct deflog_slot *slot)
{
    return slot->node || slot->holds > 0;
}

static size_t kept_count(const struct deflog_slots *slots)
{
    size_t count = 0;
    for (size_t i = 0; i < slots->size; i++)
        count += is_kept(&slots->at[i]);
    return count;
}

static void move_kept(const struct deflog_slots *slots, struct deflog_slots *to)
{
    for (size_t i = 0; i < slots->size; i++) {
        if (!is_kept(&slots->at[i]))
            continue;
        if (slots->at[i].holds > 0)
            aimp__bitset_add(&to->held, to->size);
        to->at[to->size++] = slots->at[i];
    }
}

/* Twice what is kept, so that a rebuild is paid for by as many appends. */
int aimp__deflog_slots_reserve(struct deflog_slots *slots)
{
    if (slots->size < slots->capacity)
        return AIMP_OK;
    size_t wanted = kept_count(slots) * 2;
    struct deflog_slots rebuilt = {.capacity = wanted > CAPACITY_MIN ? wanted : CAPACITY_MIN};
    rebuilt.at = aimp__sched_alloc(rebuilt.capacity * sizeof *rebuilt.at);
    if (!rebuilt.at)
        return AIMP_ENOMEM;
    if (aimp__bitset_init(&rebuilt.held, rebuilt.capacity) != AIMP_OK) {
        aimp__sched_free_memory(rebuilt.at);
        return AIMP_ENOMEM;
    }
    move_kept(slots, &rebuilt);
    aimp__sched_free_memory(slots->at);
    aimp__bitset_fini(&slots->held);
    *slots = rebuilt;
    return AIMP_OK;
}

void aimp__deflog_slots_push(struct deflog_slots *slots, struct deflog_node *node)
{
    assert(slots->size < slots->capacity);
    slots->at[slots->size++] = (struct deflog_slot){.position = node->position, .node = node};
}

/* The last slot up to `position` among [low, high]; the first of them is one. */
static size_t search(const struct deflog_slots *slots, uint64_t position, size_t low, size_t high)
{
    while (low < high) {
        size_t middle = high - (high - low) / 2;
        if (slots->at[middle].position <= position)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Slots are never denser than positions, so the distance from the first one bounds
 * the index, and is the index while nothing was dropped. */
size_t aimp__deflog_slots_find(const struct deflog_slots *slots, uint64_t position)
{
    if (slots->size == 0 || position < slots->at[0].position)
        return DEFLOG_NO_SLOT;
    size_t last = slots->size - 1;
    if (position >= slots->at[last].position)
        return last;
    uint64_t distance = position - slots->at[0].position;
    size_t high = distance < last ? (size_t)distance : last;
    return slots->at[high].position == position ? high : search(slots, position, 0, high);
}

struct deflog_slot *aimp__deflog_slots_held(const struct deflog_slots *slots, size_t bound)
{
    size_t i = aimp__bitset_last(&slots->held, bound);
    return i == BITSET_NONE ? NULL : &slots->at[i];
}
