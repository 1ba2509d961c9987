/* The contract is in forgets.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/forgets.h"

#include "base/error.h"

#include <stdlib.h>

enum { PREVIOUS, PRESENT };

void aimp__forgets_init(struct forgets *forgets, struct deflog *deflog)
{
    *forgets = (struct forgets){.deflog = deflog};
}

void aimp__forgets_fini(struct forgets *forgets)
{
    free(forgets->keys[PREVIOUS].keys);
    free(forgets->keys[PRESENT].keys);
}

static void tell(struct forgets *forgets, struct forgets_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        aimp__deflog_forget(forgets->deflog, list->keys[i]);
    list->count = 0;
}

/* Begins a new epoch for each time that nothing of the previous one is left. */
static void turn(struct forgets *forgets)
{
    while (forgets->held[PREVIOUS] == 0 &&
           forgets->keys[PREVIOUS].count + forgets->keys[PRESENT].count > 0) {
        struct forgets_list told = forgets->keys[PREVIOUS];
        tell(forgets, &told);
        forgets->keys[PREVIOUS] = forgets->keys[PRESENT];
        forgets->keys[PRESENT] = told;
        forgets->held[PREVIOUS] = forgets->held[PRESENT];
        forgets->held[PRESENT] = 0;
        forgets->boundary = aimp__deflog_position(forgets->deflog);
        aimp__deflog_define(forgets->deflog, FORGETS_EPOCH_KEY, NULL, 0);
    }
}

static int reserve(struct forgets_list *list)
{
    if (list->count < list->capacity)
        return AIMP_OK;
    uint32_t capacity = list->capacity ? list->capacity * 2 : 64;
    uint32_t *keys = realloc(list->keys, capacity * sizeof *keys);
    if (!keys)
        return AIMP_ENOMEM;
    list->keys = keys;
    list->capacity = capacity;
    return AIMP_OK;
}

int aimp__forgets_add(struct forgets *forgets, uint32_t key)
{
    struct forgets_list *list = &forgets->keys[PRESENT];
    if (reserve(list) != AIMP_OK)
        return AIMP_ENOMEM;
    list->keys[list->count++] = key;
    turn(forgets);
    return AIMP_OK;
}

void aimp__forgets_hold(struct forgets *forgets, uint64_t position)
{
    forgets->held[position > forgets->boundary ? PRESENT : PREVIOUS]++;
}

void aimp__forgets_release(struct forgets *forgets, uint64_t position)
{
    forgets->held[position > forgets->boundary ? PRESENT : PREVIOUS]--;
    turn(forgets);
}
