/* Sending units to workers: who gets the next one, and when nobody may.
 *
 * A worker may hold `concurrency` items, and beyond that as many as it is expected to finish
 * within PREFETCH_NS, so that microsecond tasks never wait for the parent and slow ones never
 * wait for a busy worker. Of units of many items it holds two: one that runs, one that waits. */
/* SPDX-License-Identifier: MIT */
#include "sched/state.h"

#include <math.h>

#define PREFETCH_NS    1e6
#define PREFETCH_ITEMS 1024
/* A sent unit that lies unclaimed for this long is worth a look (balance.c). */
#define BALANCE_NS 5000000u

static uint32_t prefetch_of(const struct sched *sched, const struct sched_slot *slot)
{
    double item_ns = slot->item_ns > 0 ? slot->item_ns : sched->item_ns;
    if (item_ns <= 0 || item_ns > PREFETCH_NS)
        return 0;
    return (uint32_t)fmin(PREFETCH_ITEMS, PREFETCH_NS / item_ns);
}

static uint64_t quota_left(const struct sched *sched, const struct sched_slot *slot)
{
    if (sched->config.quota == 0)
        return UINT64_MAX;
    return slot->spent < sched->config.quota ? sched->config.quota - slot->spent : 0;
}

static bool can_take(const struct sched *sched, const struct sched_slot *slot,
                     const struct unit *unit)
{
    if (slot->state != SLOT_READY || slot->is_full || slot->free_cell_count == 0)
        return false;
    if (quota_left(sched, slot) == 0)
        return false;
    if (slot->outstanding == 0)
        return true;
    if (slot->is_blocked)
        return false;
    uint32_t count = unit->last - unit->first;
    if (slot->outstanding + count <= sched->config.concurrency)
        return true;
    if (count > 1 && slot->units < 2)
        return true;
    return slot->outstanding + count <= sched->config.concurrency + prefetch_of(sched, slot);
}

/* The slot of the unit's queue that holds least; ties go round. */
static struct sched_slot *best_slot(struct sched *sched, const struct unit *unit)
{
    uint32_t step = sched->config.queues, offset = unit->queue - 1;
    if (sched->used_slots <= offset)
        return NULL;
    uint32_t places = (sched->used_slots - offset + step - 1) / step;
    uint32_t place = sched->turn % places;
    struct sched_slot *best = NULL;
    for (uint32_t i = 0; i < places; i++) {
        struct sched_slot *slot = &sched->slots[place * step + offset];
        if (can_take(sched, slot, unit) && (!best || slot->outstanding < best->outstanding))
            best = slot;
        if (++place == places)
            place = 0;
    }
    return best;
}

static void slot_append(struct sched *sched, struct sched_slot *slot, struct unit *unit)
{
    unit->next = UNIT_NONE;
    unit->previous = slot->tail;
    if (slot->tail)
        aimp__slab_at(&sched->slab, slot->tail)->next = unit->number;
    else
        slot->head = unit->number;
    slot->tail = unit->number;
    slot->units++;
}

static void slot_remove(struct sched *sched, struct sched_slot *slot, struct unit *unit)
{
    if (unit->previous)
        aimp__slab_at(&sched->slab, unit->previous)->next = unit->next;
    else
        slot->head = unit->next;
    if (unit->next)
        aimp__slab_at(&sched->slab, unit->next)->previous = unit->previous;
    else
        slot->tail = unit->previous;
    unit->next = unit->previous = UNIT_NONE;
    slot->units--;
}

void aimp__sched_detach(struct sched *sched, struct unit *unit, bool leaves_husk)
{
    struct sched_slot *slot = &sched->slots[unit->slot];
    slot_remove(sched, slot, unit);
    slot->cell_unit[unit->cell] = leaves_husk ? CELL_HUSK : CELL_FREE;
    if (leaves_husk)
        slot->husks++;
    else
        slot->free_cells[slot->free_cell_count++] = unit->cell;
    if (unit->timeout_ms || unit->kill_at_ns)
        sched->timed--;
    unit->kill_at_ns = 0;
}

void aimp__sched_requeue(struct sched *sched, struct unit *unit)
{
    if (unit->state == UNIT_SENT)
        aimp__unit_move(unit, UNIT_QUEUED);
    aimp__fifo_push_front(aimp__sched_fifo(sched, unit), &sched->slab, unit);
    sched->is_dirty = true;
}

static int send_unit(struct sched *sched, struct sched_slot *slot, struct unit *unit)
{
    uint32_t cell = slot->free_cells[slot->free_cell_count - 1];
    struct sched_call call = {
        .cell = cell,
        .generation = slot->cell_generation[cell] + 1,
        .first = unit->first,
        .count = unit->last - unit->first,
        .fn = unit->fn,
        .tag = unit->tag,
        .timeout_ms = unit->timeout_ms,
        .needs = unit->payload->needs,
        .payload = unit->payload->data,
        .len = unit->payload->len,
    };
    return sched->ops.send_call(sched->ctx, slot->index, &call);
}

/* The parent's own deadline, for a worker that does not keep it. */
static void arm_timeout(struct sched *sched, const struct unit *unit)
{
    uint64_t limit_ms = (uint64_t)unit->timeout_ms + sched->config.grace_ms;
    uint64_t at_ns = unit->sent_ns + limit_ms * 1000000u;
    sched->timed++;
    if (!sched->timeout_at_ns || at_ns < sched->timeout_at_ns)
        sched->timeout_at_ns = at_ns;
}

static void mark_sent(struct sched *sched, struct sched_slot *slot, struct unit *unit)
{
    uint32_t cell = slot->free_cells[--slot->free_cell_count];
    slot->cell_unit[cell] = unit->number;
    unit->slot = slot->index;
    unit->cell = cell;
    unit->cell_generation = ++slot->cell_generation[cell];
    unit->sent_ns = sched->ops.now_ns(sched->ctx);
    aimp__histogram_add(&sched->waits, unit->sent_ns - unit->queued_ns, 1);
    aimp__unit_move(unit, UNIT_SENT);
    slot_append(sched, slot, unit);
    slot->outstanding += unit->unfinished;
    slot->spent += unit->last - unit->first;
    slot->is_claimed = false;
    sched->turn = slot->index / sched->config.queues + 1;
    if (!sched->balance_at_ns && sched->config.max_slots > 1)
        sched->balance_at_ns = unit->sent_ns + BALANCE_NS;
    if (unit->timeout_ms)
        arm_timeout(sched, unit);
}

/* A worker gets no more items than its quota: the rest stays in front of the queue. */
static bool cut_to_quota(struct sched *sched, struct sched_slot *slot, struct unit *unit)
{
    uint64_t left = quota_left(sched, slot);
    if (unit->last - unit->first <= left)
        return true;
    struct unit *rest = aimp__sched_split(sched, unit, unit->first + (uint32_t)left, unit->last);
    if (!rest)
        return false;
    struct fifo *fifo = aimp__sched_fifo(sched, unit);
    aimp__fifo_remove(fifo, &sched->slab, unit);
    aimp__unit_reset_items(unit, unit->first, rest->first);
    aimp__fifo_push_front(fifo, &sched->slab, rest);
    aimp__fifo_push_front(fifo, &sched->slab, unit);
    return true;
}

/* Sends the unit at the front of a queue. False: not now. */
static bool dispatch(struct sched *sched, struct sched_slot *slot, struct unit *unit)
{
    int rc = cut_to_quota(sched, slot, unit) ? send_unit(sched, slot, unit) : AIMP_EFULL;
    if (rc == AIMP_OK) {
        aimp__fifo_remove(aimp__sched_fifo(sched, unit), &sched->slab, unit);
        mark_sent(sched, slot, unit);
        return true;
    }
    slot->is_full = true;
    if (rc != AIMP_EFULL)
        slot->state = SLOT_BROKEN;
    return false;
}

static uint32_t run_pinned(struct sched *sched)
{
    uint32_t sent = 0;
    for (uint32_t i = 0; i < sched->used_slots; i++) {
        struct sched_slot *slot = &sched->slots[i];
        struct unit *unit;
        while (slot->pinned.items && (unit = aimp__fifo_peek(&slot->pinned, &sched->slab)) &&
               can_take(sched, slot, unit) && dispatch(sched, slot, unit))
            sent++;
    }
    return sent;
}

static uint32_t run_queue(struct sched *sched, struct fifo *fifo)
{
    uint32_t sent = 0;
    struct unit *unit;
    while ((unit = aimp__fifo_peek(fifo, &sched->slab))) {
        struct sched_slot *slot = best_slot(sched, unit);
        if (!slot)
            break;
        sent += dispatch(sched, slot, unit); /* a slot that was full is not found again */
    }
    return sent;
}

static uint32_t run_all(struct sched *sched)
{
    uint32_t sent = run_pinned(sched);
    for (uint32_t i = 0; i < sched->config.queues; i++)
        sent += run_queue(sched, &sched->queues[i]);
    return sent;
}

uint32_t aimp__sched_run(struct sched *sched)
{
    bool any_full = false;
    sched->is_dirty = false;
    uint32_t sent = run_all(sched);
    if (aimp__sched_balance(sched))
        sent += run_all(sched);
    for (uint32_t i = 0; i < sched->used_slots; i++) {
        any_full |= sched->slots[i].is_full;
        sched->slots[i].is_full = false;
    }
    if (any_full) {
        /* room may come without an event of ours, and the system's memory without any */
        sched->is_dirty = true;
        if (!sched->balance_at_ns)
            sched->balance_at_ns = sched->ops.now_ns(sched->ctx) + BALANCE_NS;
    }
    return sent;
}
