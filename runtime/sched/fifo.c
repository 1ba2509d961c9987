/* The contract is in fifo.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/fifo.h"

#include "sched/alloc.h"

#include <assert.h>
#include <string.h>

void aimp__fifo_fini(struct fifo *fifo)
{
    aimp__sched_free_memory(fifo->levels);
    *fifo = (struct fifo){0};
}

/* Index of the level, or of the place where it belongs. */
static uint32_t find(const struct fifo *fifo, int32_t priority)
{
    uint32_t low = 0, high = fifo->level_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (fifo->levels[middle].priority > priority)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct fifo *fifo, uint32_t index, int32_t priority)
{
    return index < fifo->level_count && fifo->levels[index].priority == priority;
}

bool aimp__fifo_reserve(struct fifo *fifo, int32_t priority)
{
    if (is_at(fifo, find(fifo, priority), priority) || fifo->level_count < fifo->level_capacity)
        return true;
    uint32_t capacity = fifo->level_capacity ? fifo->level_capacity * 2 : 4;
    struct fifo_level *levels = aimp__sched_realloc(fifo->levels, capacity * sizeof *levels);
    if (!levels)
        return false;
    fifo->levels = levels;
    fifo->level_capacity = capacity;
    return true;
}

static struct fifo_level *level_of(struct fifo *fifo, int32_t priority)
{
    uint32_t index = find(fifo, priority);
    struct fifo_level *level = &fifo->levels[index];
    if (is_at(fifo, index, priority))
        return level;
    assert(fifo->level_count < fifo->level_capacity); /* reserved */
    memmove(level + 1, level, (fifo->level_count - index) * sizeof *level);
    fifo->level_count++;
    *level = (struct fifo_level){.priority = priority};
    return level;
}

void aimp__fifo_push_back(struct fifo *fifo, const struct slab *slab, struct unit *unit)
{
    struct fifo_level *level = level_of(fifo, unit->priority);
    unit->next = UNIT_NONE;
    unit->previous = level->tail;
    if (level->tail)
        aimp__slab_at(slab, level->tail)->next = unit->number;
    else
        level->head = unit->number;
    level->tail = unit->number;
    fifo->items += unit->last - unit->first;
}

void aimp__fifo_push_front(struct fifo *fifo, const struct slab *slab, struct unit *unit)
{
    struct fifo_level *level = level_of(fifo, unit->priority);
    unit->previous = UNIT_NONE;
    unit->next = level->head;
    if (level->head)
        aimp__slab_at(slab, level->head)->previous = unit->number;
    else
        level->tail = unit->number;
    level->head = unit->number;
    fifo->items += unit->last - unit->first;
}

struct unit *aimp__fifo_peek(const struct fifo *fifo, const struct slab *slab)
{
    return fifo->level_count ? aimp__slab_at(slab, fifo->levels[0].head) : NULL;
}

void aimp__fifo_remove(struct fifo *fifo, const struct slab *slab, struct unit *unit)
{
    uint32_t index = find(fifo, unit->priority);
    struct fifo_level *level = &fifo->levels[index];
    if (unit->previous)
        aimp__slab_at(slab, unit->previous)->next = unit->next;
    else
        level->head = unit->next;
    if (unit->next)
        aimp__slab_at(slab, unit->next)->previous = unit->previous;
    else
        level->tail = unit->previous;
    fifo->items -= unit->last - unit->first;
    if (!level->head) {
        fifo->level_count--;
        memmove(level, level + 1, (fifo->level_count - index) * sizeof *level);
    }
}
