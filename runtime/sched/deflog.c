/* The contract is in deflog.h.
 *
 * An entry at p that was replaced at p' is needed by the units that hold a
 * position in [p, p'). When it is replaced, every hold is below p', so it waits at
 * the greatest held slot; if that is below p, nobody needs it. When the last hold of a
 * slot goes, what waits there moves on to the next lower held slot or is dropped. */
/* SPDX-License-Identifier: MIT */
#include "sched/deflog.h"

#include "base/error.h"
#include "sched/alloc.h"
#include "sched/deflog_slots.h"
#include "sched/keymap.h"

#include <assert.h>
#include <string.h>

struct deflog {
    struct deflog_slots slots;
    struct keymap keys;
    uint64_t position; /* of the newest entry */
    size_t bytes, tombstones;
};

struct deflog *aimp__deflog_new(void)
{
    struct deflog *log = aimp__sched_alloc(sizeof *log);
    if (log)
        memset(log, 0, sizeof *log);
    return log;
}

void aimp__deflog_free(struct deflog *log)
{
    if (!log)
        return;
    aimp__deflog_slots_fini(&log->slots);
    aimp__keymap_fini(&log->keys);
    aimp__sched_free_memory(log);
}

static size_t node_bytes(const struct deflog_node *node)
{
    return sizeof *node + node->len;
}

static void drop(struct deflog *log, struct deflog_node *node)
{
    struct keymap_place *place = aimp__keymap_find(&log->keys, node->key);
    if (--place->versions == 0)
        aimp__keymap_remove(&log->keys, place);
    size_t i = aimp__deflog_slots_find(&log->slots, node->position);
    assert(i < log->slots.size && log->slots.at[i].node == node);
    log->slots.at[i].node = NULL;
    log->bytes -= node_bytes(node);
    log->tombstones -= node->is_forget;
    aimp__sched_free_memory(node);
}

/* Drops a replaced entry, or lets it wait at `held`, the greatest held slot
 * below its replacement (NULL: none). */
static void wait_or_drop(struct deflog *log, struct deflog_slot *held, struct deflog_node *node)
{
    if (!held || held->position < node->position) {
        drop(log, node);
        return;
    }
    node->next = held->waiters.first;
    held->waiters.first = node;
    if (node->position > held->waiters.newest)
        held->waiters.newest = node->position;
}

/* ---- appending ---- */

static struct deflog_node *node_new(uint32_t key, bool is_forget, const void *data, size_t len)
{
    struct deflog_node *node = aimp__sched_alloc(sizeof *node + len);
    if (!node)
        return NULL;
    *node = (struct deflog_node){.len = len, .key = key, .is_forget = is_forget};
    if (len)
        memcpy(node->data, data, len);
    return node;
}

static void append(struct deflog *log, struct deflog_node *node)
{
    struct keymap_place *place = aimp__keymap_find(&log->keys, node->key);
    if (!place)
        place = aimp__keymap_add(&log->keys, node->key);
    struct deflog_node *replaced = place->latest;
    place->latest = node;
    place->versions++;
    node->position = ++log->position;
    aimp__deflog_slots_push(&log->slots, node);
    log->bytes += node_bytes(node);
    log->tombstones += node->is_forget;
    if (replaced)
        wait_or_drop(log, aimp__deflog_slots_held(&log->slots, log->slots.size - 1), replaced);
}

static uint64_t append_new(struct deflog *log, uint32_t key, bool is_forget, const void *data,
                           size_t len)
{
    struct deflog_node *node = node_new(key, is_forget, data, len);
    if (!node)
        return 0;
    if (aimp__deflog_slots_reserve(&log->slots) != AIMP_OK ||
        aimp__keymap_reserve(&log->keys) != AIMP_OK) {
        aimp__sched_free_memory(node);
        return 0;
    }
    append(log, node);
    return log->position;
}

uint64_t aimp__deflog_define(struct deflog *log, uint32_t key, const void *data, size_t len)
{
    return append_new(log, key, false, data, len);
}

uint64_t aimp__deflog_forget(struct deflog *log, uint32_t key)
{
    const struct keymap_place *place = aimp__keymap_find(&log->keys, key);
    if (!place || place->latest->is_forget)
        return log->position;
    return append_new(log, key, true, NULL, 0);
}

/* A tombstone that is not the only entry of its key stays: a definition that is
 * older would be good for ever without it, a newer one says that it is about to go. */
void aimp__deflog_set_floor(struct deflog *log, uint64_t position)
{
    size_t left = log->tombstones;
    for (size_t i = 0; left > 0 && log->slots.at[i].position <= position; i++) {
        struct deflog_node *node = log->slots.at[i].node;
        if (!node || !node->is_forget)
            continue;
        left--;
        if (aimp__keymap_find(&log->keys, node->key)->versions == 1)
            drop(log, node);
    }
}

/* ---- holding ---- */

void aimp__deflog_hold(struct deflog *log, uint64_t position)
{
    size_t i = aimp__deflog_slots_find(&log->slots, position);
    if (i != DEFLOG_NO_SLOT && log->slots.at[i].holds++ == 0)
        aimp__bitset_add(&log->slots.held, i);
}

/* What waited at a slot that is not held any more; `held`: the next lower one that is. */
static void move_waiters(struct deflog *log, struct deflog_slot *held,
                         struct deflog_waiters waiters)
{
    if (held && !held->waiters.first && held->position >= waiters.newest) {
        held->waiters = waiters; /* all of them at once, however many */
        return;
    }
    for (struct deflog_node *node = waiters.first, *next; node; node = next) {
        next = node->next;
        wait_or_drop(log, held, node);
    }
}

void aimp__deflog_release(struct deflog *log, uint64_t position)
{
    size_t i = aimp__deflog_slots_find(&log->slots, position);
    if (i == DEFLOG_NO_SLOT)
        return;
    struct deflog_slot *slot = &log->slots.at[i];
    assert(slot->holds > 0);
    if (--slot->holds > 0)
        return;
    aimp__bitset_remove(&log->slots.held, i);
    struct deflog_waiters waiters = slot->waiters;
    slot->waiters = (struct deflog_waiters){.first = NULL};
    if (waiters.first)
        move_waiters(log, aimp__deflog_slots_held(&log->slots, i), waiters);
}

/* ---- reading ---- */

bool aimp__deflog_next(const struct deflog *log, uint64_t cursor, uint64_t needed,
                       struct deflog_entry *out)
{
    size_t before = aimp__deflog_slots_find(&log->slots, cursor);
    for (size_t i = before == DEFLOG_NO_SLOT ? 0 : before + 1; i < log->slots.size; i++) {
        const struct deflog_slot *slot = &log->slots.at[i];
        if (slot->position > needed)
            return false;
        if (!slot->node)
            continue;
        *out = (struct deflog_entry){.position = slot->position,
                                     .key = slot->node->key,
                                     .is_forget = slot->node->is_forget,
                                     .data = slot->node->data,
                                     .len = slot->node->len};
        return true;
    }
    return false;
}

uint64_t aimp__deflog_position(const struct deflog *log)
{
    return log->position;
}

size_t aimp__deflog_bytes(const struct deflog *log)
{
    return log->bytes;
}

size_t aimp__deflog_tombstones(const struct deflog *log)
{
    return log->tombstones;
}
