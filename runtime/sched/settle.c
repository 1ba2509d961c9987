/* How items end: by a result, by cancel, or with their worker. Each exactly once, by the
 * parent's own record of which items of which unit are where. */
/* SPDX-License-Identifier: MIT */
#include "sched/alloc.h"
#include "sched/state.h"

#include <stdio.h>
#include <stdlib.h>

/* An item that slows down at once counts at once; getting faster is believed slowly. */
#define SLOWER_AT_ONCE 4.0
#define ESTIMATE_SHARE 0.25

/* ---- outcomes ---- */

static void grow_outcomes(struct sched *sched)
{
    uint32_t capacity = sched->outcome_capacity ? sched->outcome_capacity * 2 : 64;
    struct sched_outcome *ring = aimp__sched_alloc(capacity * sizeof *ring);
    if (!ring) {
        /* to go on would lose an item for ever */
        fputs("aimp: out of memory while recording lost tasks\n", stderr);
        abort();
    }
    for (uint32_t i = 0; i < sched->outcome_count; i++)
        ring[i] = sched->outcomes[(sched->outcome_head + i) % sched->outcome_capacity];
    aimp__sched_free_memory(sched->outcomes);
    sched->outcomes = ring;
    sched->outcome_capacity = capacity;
    sched->outcome_head = 0;
}

void aimp__sched_tell(struct sched *sched, const struct unit *unit, uint32_t kind, uint32_t first,
                      uint32_t last, uint32_t death)
{
    if (first == last)
        return;
    if (sched->outcome_count == sched->outcome_capacity)
        grow_outcomes(sched);
    uint32_t place = (sched->outcome_head + sched->outcome_count++) % sched->outcome_capacity;
    sched->outcomes[place] = (struct sched_outcome){
        .kind = kind,
        .owner = unit->owner,
        .first = unit->base + first,
        .count = last - first,
        .slot = unit->slot,
        .death = death,
    };
    if (kind == SCHED_CANCELLED)
        sched->stats.cancelled += last - first;
    else
        sched->stats.lost += last - first;
}

bool aimp__sched_next_outcome(struct sched *sched, struct sched_outcome *out)
{
    if (sched->outcome_count == 0)
        return false;
    *out = sched->outcomes[sched->outcome_head];
    sched->outcome_head = (sched->outcome_head + 1) % sched->outcome_capacity;
    sched->outcome_count--;
    return true;
}

static void unlink_group(struct sched *sched, struct unit *unit)
{
    if (unit->group == 0)
        return;
    if (unit->group_previous)
        aimp__slab_at(&sched->slab, unit->group_previous)->group_next = unit->group_next;
    else
        sched->buckets[unit->group % GROUP_BUCKETS] = unit->group_next;
    if (unit->group_next)
        aimp__slab_at(&sched->slab, unit->group_next)->group_previous = unit->group_previous;
}

void aimp__sched_drop(struct sched *sched, struct unit *unit)
{
    uint64_t needs = unit->payload->needs;
    unlink_group(sched, unit);
    if (aimp__payload_release(unit->payload) && needs && sched->ops.released)
        sched->ops.released(sched->ctx, needs);
    unit->payload = NULL;
    aimp__slab_give(&sched->slab, unit);
}

/* ---- results ---- */

static void learn(struct sched *sched, struct sched_slot *slot, uint32_t count, uint64_t wall_ns)
{
    double *estimates[] = {&slot->item_ns, &sched->item_ns};
    double item_ns = (double)wall_ns / count;
    for (int i = 0; i < 2; i++) {
        double *estimate = estimates[i];
        if (*estimate <= 0 || item_ns > *estimate * SLOWER_AT_ONCE)
            *estimate = item_ns;
        else
            *estimate += (item_ns - *estimate) * ESTIMATE_SHARE;
    }
    aimp__histogram_add(&sched->runs, wall_ns / count, count);
    slot->done += count;
    slot->busy_ns += wall_ns;
    slot->is_blocked = false;
    sched->stats.done += count;
}

/* The worker will not touch the cell again. */
static void end_cell(struct sched *sched, struct unit *unit)
{
    aimp__sched_detach(sched, unit, false);
    aimp__sched_drop(sched, unit);
}

static int end_husk(struct sched_slot *slot, uint32_t cell, uint32_t generation, uint32_t count,
                    bool end)
{
    if (slot->cell_generation[cell] != generation || count > 0 || !end)
        return AIMP_ECORRUPT;
    slot->cell_unit[cell] = CELL_FREE;
    slot->free_cells[slot->free_cell_count++] = cell;
    slot->husks--;
    return AIMP_OK;
}

int aimp__sched_result(struct sched *sched, uint32_t index, uint32_t cell, uint32_t generation,
                       uint32_t first, uint32_t count, uint64_t wall_ns, bool end, uint32_t *owner,
                       uint64_t *item_index)
{
    struct sched_slot *slot = &sched->slots[index];
    *owner = 0;
    if (!slot->cell_unit || cell >= sched->config.cells || slot->cell_unit[cell] == CELL_FREE)
        return AIMP_ECORRUPT;
    sched->is_dirty = true;
    if (slot->cell_unit[cell] == CELL_HUSK)
        return end_husk(slot, cell, generation, count, end);
    struct unit *unit = aimp__slab_at(&sched->slab, slot->cell_unit[cell]);
    if (unit->cell_generation != generation)
        return AIMP_ECORRUPT;
    if (end && count != unit->unfinished)
        return AIMP_ECORRUPT; /* it claims to be through with items that it never answered */
    if (count > 0) {
        int rc = aimp__unit_finish(unit, first, count);
        if (rc != AIMP_OK)
            return rc;
        slot->outstanding -= count;
        learn(sched, slot, count, wall_ns);
        *owner = unit->owner;
        *item_index = unit->base + first;
    }
    if (end)
        end_cell(sched, unit);
    return AIMP_OK;
}

/* ---- cancel ---- */

/* What does not heed its cancellation ends with its worker. */
static void arm_kill(struct sched *sched, struct unit *unit)
{
    unit->kill_at_ns = sched->ops.now_ns(sched->ctx) + sched->config.grace_ms * UINT64_C(1000000);
    sched->timed += unit->timeout_ms == 0;
    if (!sched->timeout_at_ns || unit->kill_at_ns < sched->timeout_at_ns)
        sched->timeout_at_ns = unit->kill_at_ns;
}

static void cancel_running(struct sched *sched, struct unit *unit)
{
    struct sched_claim claim;
    uint32_t next = unit->last;
    if (sched->ops.read_claim(sched->ctx, unit->slot, unit->cell, &claim) == AIMP_OK &&
        claim.next < next)
        next = claim.next;
    for (uint32_t item = unit->prefix; item < next; item++)
        if (!aimp__unit_is_finished(unit, item))
            sched->ops.send_cancel(sched->ctx, unit->slot, unit->cell, unit->cell_generation, item);
}

static uint32_t cancel_unit(struct sched *sched, struct unit *unit)
{
    uint32_t taken = unit->last - unit->first;
    if (unit->state == UNIT_QUEUED) {
        aimp__fifo_remove(aimp__sched_fifo(sched, unit), &sched->slab, unit);
        aimp__sched_tell(sched, unit, SCHED_CANCELLED, unit->first, unit->last, 0);
        aimp__sched_drop(sched, unit);
        return taken;
    }
    if (unit->is_cancelled)
        return 0;
    unit->is_cancelled = true;
    uint32_t left = unit->unfinished;
    taken = aimp__sched_take_back(sched, unit, UINT32_MAX);
    if (taken < left) {
        arm_kill(sched, unit);
        cancel_running(sched, unit);
    }
    return taken;
}

uint32_t aimp__sched_cancel(struct sched *sched, sched_unit handle)
{
    uint32_t number = (uint32_t)handle;
    if (number == UNIT_NONE || (number - 1) >> 10 >= sched->slab.block_count)
        return 0;
    struct unit *unit = aimp__slab_at(&sched->slab, number);
    if (unit->state == UNIT_FREE || unit->generation != handle >> 32)
        return 0;
    sched->is_dirty = true;
    return cancel_unit(sched, unit);
}

uint32_t aimp__sched_cancel_group(struct sched *sched, uint32_t group)
{
    uint32_t taken = 0, next;
    if (group == 0)
        return 0;
    for (uint32_t number = sched->buckets[group % GROUP_BUCKETS]; number; number = next) {
        struct unit *unit = aimp__slab_at(&sched->slab, number);
        next = unit->group_next;
        if (unit->group == group)
            taken += cancel_unit(sched, unit);
    }
    sched->is_dirty = true;
    return taken;
}

/* ---- a worker's end ---- */

static uint32_t loss_kind(const struct unit *unit)
{
    if (unit->is_overdue)
        return SCHED_TIMED_OUT;
    return unit->is_cancelled ? SCHED_CANCELLED : SCHED_DIED;
}

/* Queues [first, last) again as a unit of its own. False: no memory. */
static bool run_again(struct sched *sched, struct unit *unit, uint32_t first, uint32_t last,
                      uint32_t retries)
{
    struct unit *part = aimp__sched_split(sched, unit, first, last);
    if (!part)
        return false;
    part->retries = retries;
    aimp__sched_requeue(sched, part);
    return true;
}

static void lose_started(struct sched *sched, struct unit *unit, uint32_t item, uint32_t death)
{
    uint32_t kind = loss_kind(unit);
    if (kind == SCHED_DIED && unit->retries > 0 &&
        run_again(sched, unit, item, item + 1, unit->retries - 1)) {
        sched->stats.retried++;
        return;
    }
    sched->slots[unit->slot].lost++;
    aimp__sched_tell(sched, unit, kind, item, item + 1, death);
}

static void lose_unstarted(struct sched *sched, struct unit *unit, uint32_t first, uint32_t death)
{
    if (first >= unit->last)
        return;
    if (unit->is_cancelled)
        aimp__sched_tell(sched, unit, SCHED_CANCELLED, first, unit->last, death);
    else if (!run_again(sched, unit, first, unit->last, unit->retries))
        aimp__sched_tell(sched, unit, SCHED_DIED, first, unit->last, death);
}

/* The first item that the worker had not begun. */
static uint32_t first_unstarted(struct sched *sched, const struct unit *unit)
{
    struct sched_claim claim;
    if (sched->ops.read_claim(sched->ctx, unit->slot, unit->cell, &claim) != AIMP_OK)
        return unit->last;
    uint32_t started = claim.running + 1; /* running may be first - 1, also below 0 */
    if (started < unit->first || started > unit->last || started > claim.next)
        started = claim.next < unit->first || claim.next > unit->last ? unit->last : claim.next;
    return started < unit->prefix ? unit->prefix : started;
}

/* A unit of one item that is to run again stays the same unit: its handle can still cancel it. */
static bool keep_unit(struct sched *sched, struct unit *unit, bool is_started)
{
    if (unit->last - unit->first != 1 || unit->unfinished != 1 || unit->is_cancelled)
        return false;
    if (is_started && (unit->is_overdue || unit->retries == 0))
        return false;
    if (!aimp__fifo_reserve(aimp__sched_fifo(sched, unit), unit->priority))
        return false;
    unit->retries -= is_started;
    unit->is_overdue = false;
    sched->stats.retried += is_started;
    aimp__sched_detach(sched, unit, false);
    aimp__sched_requeue(sched, unit);
    return true;
}

static void lose_unit(struct sched *sched, struct unit *unit, uint32_t death)
{
    uint32_t unstarted = first_unstarted(sched, unit);
    if (keep_unit(sched, unit, unstarted > unit->first))
        return;
    for (uint32_t item = unstarted; item < unit->last; item++)
        if (aimp__unit_is_finished(unit, item))
            unstarted = item + 1; /* it answered for more than it said it had begun */
    lose_unstarted(sched, unit, unstarted, death);
    for (uint32_t item = unstarted; item-- > unit->prefix;)
        if (!aimp__unit_is_finished(unit, item))
            lose_started(sched, unit, item, death);
    aimp__sched_detach(sched, unit, false);
    aimp__sched_drop(sched, unit);
}

static void reset_cells(struct sched_slot *slot, uint32_t cells)
{
    if (!slot->cell_unit)
        return;
    for (uint32_t cell = 0; cell < cells; cell++) {
        if (slot->cell_unit[cell] == CELL_HUSK)
            slot->free_cells[slot->free_cell_count++] = cell;
        slot->cell_unit[cell] = CELL_FREE;
    }
    slot->husks = 0;
}

/* Newest unit first, each from its end, so that what is queued in front keeps its order. */
void aimp__sched_worker_gone(struct sched *sched, uint32_t index, uint32_t death)
{
    struct sched_slot *slot = &sched->slots[index];
    while (slot->tail)
        lose_unit(sched, aimp__slab_at(&sched->slab, slot->tail), death);
    reset_cells(slot, sched->config.cells);
    slot->state = SLOT_ABSENT;
    slot->outstanding = 0;
    slot->spent = 0;
    slot->item_ns = 0;
    sched->is_dirty = true;
}
