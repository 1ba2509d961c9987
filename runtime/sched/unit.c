/* The contract is in unit.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/unit.h"

#include "base/error.h"
#include "sched/alloc.h"

#include <assert.h>
#include <string.h>

#define BLOCK_SHIFT 10
#define BLOCK_UNITS (1u << BLOCK_SHIFT)

#ifndef NDEBUG
static const bool moves[3][3] = {
    [UNIT_FREE] = {[UNIT_QUEUED] = true},
    [UNIT_QUEUED] = {[UNIT_SENT] = true, [UNIT_FREE] = true},
    [UNIT_SENT] = {[UNIT_QUEUED] = true, [UNIT_FREE] = true},
};
#endif

void aimp__unit_move(struct unit *unit, enum unit_state state)
{
    assert(moves[unit->state][state]);
    unit->state = state;
}

struct unit *aimp__slab_at(const struct slab *slab, uint32_t number)
{
    if (number == UNIT_NONE)
        return NULL;
    uint32_t place = number - 1;
    return &slab->blocks[place >> BLOCK_SHIFT][place & (BLOCK_UNITS - 1)];
}

static bool grow(struct slab *slab)
{
    size_t size = (slab->block_count + 1) * sizeof slab->blocks[0];
    struct unit **blocks = aimp__sched_realloc(slab->blocks, size);
    if (!blocks)
        return false;
    slab->blocks = blocks;
    struct unit *block = aimp__sched_alloc(BLOCK_UNITS * sizeof *block);
    if (!block)
        return false;
    memset(block, 0, BLOCK_UNITS * sizeof *block);
    uint32_t number = (slab->block_count << BLOCK_SHIFT) + 1;
    for (uint32_t i = 0; i < BLOCK_UNITS; i++) {
        block[i].number = number + i;
        block[i].next = i + 1 < BLOCK_UNITS ? number + i + 1 : UNIT_NONE;
    }
    slab->free_head = number;
    slab->blocks[slab->block_count++] = block;
    return true;
}

struct unit *aimp__slab_take(struct slab *slab)
{
    if (slab->free_head == UNIT_NONE && !grow(slab))
        return NULL;
    struct unit *unit = aimp__slab_at(slab, slab->free_head);
    slab->free_head = unit->next;
    slab->used++;
    uint32_t number = unit->number, generation = unit->generation + 1;
    *unit = (struct unit){.number = number, .generation = generation, .state = UNIT_FREE};
    aimp__unit_move(unit, UNIT_QUEUED);
    return unit;
}

void aimp__slab_give(struct slab *slab, struct unit *unit)
{
    aimp__unit_move(unit, UNIT_FREE);
    aimp__sched_free_memory(unit->finished);
    unit->finished = NULL;
    unit->next = slab->free_head;
    slab->free_head = unit->number;
    slab->used--;
}

static void free_block(struct unit *block)
{
    for (uint32_t i = 0; i < BLOCK_UNITS; i++) {
        if (block[i].state == UNIT_FREE)
            continue;
        aimp__payload_release(block[i].payload);
        aimp__sched_free_memory(block[i].finished);
    }
    aimp__sched_free_memory(block);
}

void aimp__slab_fini(struct slab *slab)
{
    for (uint32_t i = 0; i < slab->block_count; i++)
        free_block(slab->blocks[i]);
    aimp__sched_free_memory(slab->blocks);
    *slab = (struct slab){0};
}

/* ---- which items are finished ---- */

void aimp__unit_reset_items(struct unit *unit, uint32_t first, uint32_t last)
{
    aimp__sched_free_memory(unit->finished);
    unit->finished = NULL;
    unit->first = unit->prefix = first;
    unit->last = last;
    unit->unfinished = last - first;
}

static bool has_bit(const struct unit *unit, uint32_t item)
{
    uint32_t bit = item - unit->first;
    return unit->finished && (unit->finished[bit / 64] >> (bit % 64) & 1);
}

bool aimp__unit_is_finished(const struct unit *unit, uint32_t item)
{
    return item < unit->prefix || has_bit(unit, item);
}

static bool any_finished(const struct unit *unit, uint32_t first, uint32_t count)
{
    if (first < unit->prefix)
        return true;
    for (uint32_t i = 0; unit->finished && i < count; i++)
        if (has_bit(unit, first + i))
            return true;
    return false;
}

static bool make_bits(struct unit *unit)
{
    if (unit->finished)
        return true;
    size_t size = ((size_t)(unit->last - unit->first) / 64 + 1) * sizeof(uint64_t);
    unit->finished = aimp__sched_alloc(size);
    if (unit->finished)
        memset(unit->finished, 0, size);
    return unit->finished != NULL;
}

int aimp__unit_finish(struct unit *unit, uint32_t first, uint32_t count)
{
    if (first < unit->first || first > unit->last || count > unit->last - first)
        return AIMP_ECORRUPT;
    if (any_finished(unit, first, count))
        return AIMP_ECORRUPT;
    if (first != unit->prefix) {
        if (!make_bits(unit))
            return AIMP_ENOMEM;
        for (uint32_t bit = first - unit->first; count > 0 && bit < first - unit->first + count;
             bit++)
            unit->finished[bit / 64] |= 1ull << (bit % 64);
    } else {
        unit->prefix += count;
        while (unit->prefix < unit->last && has_bit(unit, unit->prefix))
            unit->prefix++;
    }
    unit->unfinished -= count;
    return AIMP_OK;
}

uint32_t aimp__unit_cut(struct unit *unit, uint32_t last)
{
    uint32_t unfinished = 0;
    for (uint32_t item = last; item < unit->last; item++)
        unfinished += !aimp__unit_is_finished(unit, item);
    unit->last = last;
    if (unit->prefix > last)
        unit->prefix = last;
    unit->unfinished -= unfinished;
    return unfinished;
}
