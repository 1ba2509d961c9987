/* The contract is in bitset.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/bitset.h"

#include "base/error.h"
#include "sched/alloc.h"

#include <assert.h>
#include <string.h>

int aimp__bitset_init(struct bitset *set, size_t capacity)
{
    size_t words[BITSET_LEVELS];
    size_t total = 0;
    unsigned count = 0;
    do {
        assert(count < BITSET_LEVELS);
        capacity = (capacity + 63) / 64;
        words[count++] = capacity;
        total += capacity;
    } while (capacity > 1);
    uint64_t *block = aimp__sched_alloc(total * sizeof *block);
    if (!block)
        return AIMP_ENOMEM;
    memset(block, 0, total * sizeof *block);
    set->count = count;
    for (unsigned level = 0; level < count; level++) {
        set->levels[level] = block;
        block += words[level];
    }
    return AIMP_OK;
}

void aimp__bitset_fini(struct bitset *set)
{
    aimp__sched_free_memory(set->levels[0]);
    *set = (struct bitset){.count = 0};
}

void aimp__bitset_add(struct bitset *set, size_t member)
{
    for (unsigned level = 0; level < set->count; level++) {
        set->levels[level][member / 64] |= UINT64_C(1) << (member % 64);
        member /= 64;
    }
}

void aimp__bitset_remove(struct bitset *set, size_t member)
{
    for (unsigned level = 0; level < set->count; level++) {
        uint64_t *word = &set->levels[level][member / 64];
        *word &= ~(UINT64_C(1) << (member % 64));
        if (*word)
            return;
        member /= 64;
    }
}

static size_t highest(uint64_t word)
{
    return 63 - (size_t)__builtin_clzll(word);
}

/* From a member of `level` down to the greatest member of level 0 below it. */
static size_t descend(const struct bitset *set, unsigned level, size_t member)
{
    while (level-- > 0)
        member = member * 64 + highest(set->levels[level][member]);
    return member;
}

size_t aimp__bitset_last(const struct bitset *set, size_t bound)
{
    for (unsigned level = 0; level < set->count; level++) {
        uint64_t upto = set->levels[level][bound / 64] & (UINT64_MAX >> (63 - bound % 64));
        if (upto)
            return descend(set, level, bound / 64 * 64 + highest(upto));
        if (bound / 64 == 0)
            return BITSET_NONE;
        bound = bound / 64 - 1; /* whole words before this one */
    }
    return BITSET_NONE;
}
