/* The contract is in deflog.h.
 *
 * One slot per position that still matters, in order, in an array that is
 * rebuilt without the others when it is full. A hold on a position counts at the
 * last slot up to it.
 *
 * An entry [position p, replaced at p') is needed by the units held in between.
 * When it is replaced, every hold is below p', so it waits at the greatest held
 * slot: if that is below p, nobody needs it. When the last hold of a slot goes,
 * what waits there moves on to the next lower held slot or is dropped. */
/* SPDX-License-Identifier: MIT */
#include "sched/deflog.h"

#include "base/error.h"
#include "sched/alloc.h"
#include "sched/bitset.h"
#include "sched/keymap.h"

#include <assert.h>
#include <string.h>

#define CAPACITY_MIN 64

struct deflog_node {
    uint64_t position;
    struct deflog_node *next; /* waits at the same slot */
    size_t len;
    uint32_t key;
    bool is_forget;
    unsigned char data[];
};

struct waiters {
    struct deflog_node *first, *last;
    uint64_t newest; /* greatest position among them */
};

struct slot {
    uint64_t position;
    struct deflog_node *node; /* owned; NULL once dropped */
    struct waiters waiters;   /* replaced entries, owned by their own slots */
    uint64_t holds;
};

struct deflog {
    struct slot *slots; /* by position */
    size_t size, capacity;
    struct bitset held; /* indices of slots with holds */
    struct keymap keys;
    uint64_t position;
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
    for (size_t i = 0; i < log->size; i++)
        aimp__sched_free_memory(log->slots[i].node);
    aimp__sched_free_memory(log->slots);
    aimp__bitset_fini(&log->held);
    aimp__keymap_fini(&log->keys);
    aimp__sched_free_memory(log);
}

/* Index of the last slot up to `position`, SIZE_MAX when there is none. Slots are
 * never denser than positions, so the distance from the first bounds the search;
 * and hits exactly while nothing was dropped. */
static size_t find(const struct deflog *log, uint64_t position)
{
    if (log->size == 0 || position < log->slots[0].position)
        return SIZE_MAX;
    size_t high = log->size - 1;
    if (position >= log->slots[high].position)
        return high;
    uint64_t distance = position - log->slots[0].position;
    if (distance < high)
        high = (size_t)distance;
    size_t low = log->slots[high].position <= position ? high : 0;
    while (low < high) {
        size_t middle = high - (high - low) / 2;
        if (log->slots[middle].position <= position)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
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
    log->slots[find(log, node->position)].node = NULL;
    log->bytes -= node_bytes(node);
    log->tombstones -= node->is_forget;
    aimp__sched_free_memory(node);
}

static void wait_at(struct slot *slot, struct deflog_node *node)
{
    struct waiters *waiters = &slot->waiters;
    node->next = waiters->first;
    if (!waiters->first)
        waiters->last = node;
    waiters->first = node;
    if (node->position > waiters->newest)
        waiters->newest = node->position;
}

/* Drops a replaced entry, or lets it wait at `held`, the greatest held slot
 * below its replacement (NULL: none). */
static void wait_or_drop(struct deflog *log, struct slot *held, struct deflog_node *node)
{
    if (held && held->position >= node->position)
        wait_at(held, node);
    else
        drop(log, node);
}

/* `bound`: index that may be SIZE_MAX, for none. */
static struct slot *held_up_to(const struct deflog *log, size_t bound)
{
    size_t i = bound == SIZE_MAX ? BITSET_NONE : aimp__bitset_last(&log->held, bound);
    return i == BITSET_NONE ? NULL : &log->slots[i];
}

/* ---- appending ---- */

static bool is_kept(const struct slot *slot)
{
    return slot->node || slot->holds > 0;
}

static size_t kept_count(const struct deflog *log)
{
    size_t count = 0;
    for (size_t i = 0; i < log->size; i++)
        count += is_kept(&log->slots[i]);
    return count;
}

static void move_kept(const struct deflog *log, struct deflog *to)
{
    for (size_t i = 0; i < log->size; i++) {
        if (!is_kept(&log->slots[i]))
            continue;
        if (log->slots[i].holds > 0)
            aimp__bitset_add(&to->held, to->size);
        to->slots[to->size++] = log->slots[i];
    }
}

/* Room for one more slot: twice what is kept, so that a rebuild is paid for by
 * as many appends. */
static int reserve_slot(struct deflog *log)
{
    if (log->size < log->capacity)
        return AIMP_OK;
    struct deflog rebuilt = *log;
    size_t kept = kept_count(log);
    rebuilt.size = 0;
    rebuilt.capacity = kept * 2 > CAPACITY_MIN ? kept * 2 : CAPACITY_MIN;
    rebuilt.slots = aimp__sched_alloc(rebuilt.capacity * sizeof *rebuilt.slots);
    if (!rebuilt.slots)
        return AIMP_ENOMEM;
    if (aimp__bitset_init(&rebuilt.held, rebuilt.capacity) != AIMP_OK) {
        aimp__sched_free_memory(rebuilt.slots);
        return AIMP_ENOMEM;
    }
    move_kept(log, &rebuilt);
    aimp__sched_free_memory(log->slots);
    aimp__bitset_fini(&log->held);
    *log = rebuilt;
    return AIMP_OK;
}

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
    log->slots[log->size++] = (struct slot){.position = node->position, .node = node};
    log->bytes += node_bytes(node);
    log->tombstones += node->is_forget;
    if (replaced)
        wait_or_drop(log, held_up_to(log, log->size - 1), replaced);
}

static uint64_t append_new(struct deflog *log, uint32_t key, bool is_forget, const void *data,
                           size_t len)
{
    struct deflog_node *node = node_new(key, is_forget, data, len);
    if (!node)
        return 0;
    if (reserve_slot(log) != AIMP_OK || aimp__keymap_reserve(&log->keys) != AIMP_OK) {
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

void aimp__deflog_set_floor(struct deflog *log, uint64_t position)
{
    size_t left = log->tombstones;
    for (size_t i = 0; left > 0 && log->slots[i].position <= position; i++) {
        struct deflog_node *node = log->slots[i].node;
        if (!node || !node->is_forget)
            continue;
        /* a replaced tombstone is not the latest, and older versions would be revived by its going
         */
        if (aimp__keymap_find(&log->keys, node->key)->versions == 1)
            drop(log, node);
        left--;
    }
}

/* ---- holding ---- */

void aimp__deflog_hold(struct deflog *log, uint64_t position)
{
    size_t i = find(log, position);
    if (i != SIZE_MAX && log->slots[i].holds++ == 0)
        aimp__bitset_add(&log->held, i);
}

/* What waited at a slot that is not held any more. */
static void move_waiters(struct deflog *log, struct slot *held, struct waiters waiters)
{
    if (held && !held->waiters.first && held->position >= waiters.newest) {
        held->waiters = waiters;
        return;
    }
    for (struct deflog_node *node = waiters.first, *next; node; node = next) {
        next = node->next;
        wait_or_drop(log, held, node);
    }
}

void aimp__deflog_release(struct deflog *log, uint64_t position)
{
    size_t i = find(log, position);
    if (i == SIZE_MAX)
        return;
    struct slot *slot = &log->slots[i];
    assert(slot->holds > 0);
    if (--slot->holds > 0)
        return;
    aimp__bitset_remove(&log->held, i);
    struct waiters waiters = slot->waiters;
    slot->waiters = (struct waiters){.first = NULL};
    if (waiters.first)
        move_waiters(log, held_up_to(log, i), waiters);
}

/* ---- reading ---- */

bool aimp__deflog_next(const struct deflog *log, uint64_t cursor, uint64_t needed,
                       struct deflog_entry *out)
{
    /* SIZE_MAX + 1 is 0: before the first slot */
    for (size_t i = find(log, cursor) + 1; i < log->size; i++) {
        const struct slot *slot = &log->slots[i];
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
