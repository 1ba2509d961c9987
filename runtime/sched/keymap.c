/* The contract is in keymap.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/keymap.h"

#include "base/error.h"
#include "sched/alloc.h"

#include <assert.h>
#include <string.h>

#define CAPACITY_MIN 16

void aimp__keymap_fini(struct keymap *map)
{
    aimp__sched_free_memory(map->places);
    *map = (struct keymap){.size = 0};
}

/* Where a key would like to stand. The codec counts its keys up; multiplying by
 * an odd number spreads them, and high bits are the well mixed ones. */
static size_t home(const struct keymap *map, uint32_t key)
{
    uint64_t mixed = key * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(mixed >> 32) & (map->capacity - 1);
}

static struct keymap_place *probe(const struct keymap *map, uint32_t key)
{
    size_t i = home(map, key);
    while (map->places[i].latest && map->places[i].key != key)
        i = (i + 1) & (map->capacity - 1);
    return &map->places[i];
}

struct keymap_place *aimp__keymap_find(const struct keymap *map, uint32_t key)
{
    if (map->size == 0)
        return NULL;
    struct keymap_place *place = probe(map, key);
    return place->latest ? place : NULL;
}

int aimp__keymap_reserve(struct keymap *map)
{
    if ((map->size + 1) * 4 <= map->capacity * 3)
        return AIMP_OK;
    struct keymap grown = {.capacity = map->capacity ? map->capacity * 2 : CAPACITY_MIN};
    grown.size = map->size;
    grown.places = aimp__sched_alloc(grown.capacity * sizeof *grown.places);
    if (!grown.places)
        return AIMP_ENOMEM;
    memset(grown.places, 0, grown.capacity * sizeof *grown.places);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->places[i].latest)
            *probe(&grown, map->places[i].key) = map->places[i];
    aimp__sched_free_memory(map->places);
    *map = grown;
    return AIMP_OK;
}

struct keymap_place *aimp__keymap_add(struct keymap *map, uint32_t key)
{
    assert(map->size < map->capacity);
    struct keymap_place *place = probe(map, key);
    assert(!place->latest);
    *place = (struct keymap_place){.key = key};
    map->size++;
    return place;
}

void aimp__keymap_remove(struct keymap *map, struct keymap_place *place)
{
    size_t mask = map->capacity - 1;
    size_t hole = (size_t)(place - map->places);
    map->size--;
    /* whoever was pushed past the hole moves back into it, so no chain is cut */
    for (size_t i = (hole + 1) & mask; map->places[i].latest; i = (i + 1) & mask) {
        size_t pushed = (i - home(map, map->places[i].key)) & mask;
        if (pushed >= ((i - hole) & mask)) {
            map->places[hole] = map->places[i];
            hole = i;
        }
    }
    map->places[hole] = (struct keymap_place){.latest = NULL};
}
