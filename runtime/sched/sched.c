/* A scheduler's life, submitting and figures; see sched.h. Sending is in dispatch.c, what
 * ends a unit in settle.c, moving work in balance.c. */
/* SPDX-License-Identifier: MIT */
#include "sched/sched.h"

#include "sched/alloc.h"
#include "sched/state.h"

#include <string.h>

static void *zeroed(size_t count, size_t size)
{
    void *memory = aimp__sched_alloc(count * size);
    if (memory)
        memset(memory, 0, count * size);
    return memory;
}

/* A slot's cells are made when its first worker comes: a pool may never use most of its slots. */
static int make_cells(struct sched_slot *slot, uint32_t cells)
{
    slot->cell_unit = zeroed(cells, sizeof *slot->cell_unit);
    slot->cell_generation = zeroed(cells, sizeof *slot->cell_generation);
    slot->free_cells = zeroed(cells, sizeof *slot->free_cells);
    if (!slot->cell_unit || !slot->cell_generation || !slot->free_cells)
        return AIMP_ENOMEM;
    for (uint32_t i = 0; i < cells; i++)
        slot->free_cells[i] = cells - 1 - i;
    slot->free_cell_count = cells;
    return AIMP_OK;
}

static void free_cells(struct sched_slot *slot)
{
    aimp__sched_free_memory(slot->cell_unit);
    aimp__sched_free_memory(slot->cell_generation);
    aimp__sched_free_memory(slot->free_cells);
    slot->cell_unit = slot->cell_generation = slot->free_cells = NULL;
}

static int check_config(const struct sched_config *config, struct aimp_error *err)
{
    if (config->max_slots == 0 || config->queues == 0 || config->queues > config->max_slots)
        return aimp__error_set(err, AIMP_EINVAL, "%u queues for %u workers", config->queues,
                               config->max_slots);
    if (config->concurrency == 0 || config->cells == 0 || config->cells > 65536)
        return aimp__error_set(err, AIMP_EINVAL, "concurrency %u with %u cells",
                               config->concurrency, config->cells);
    return AIMP_OK;
}

static int fill(struct sched *sched)
{
    const struct sched_config *config = &sched->config;
    sched->queues = zeroed(config->queues, sizeof *sched->queues);
    sched->slots = zeroed(config->max_slots, sizeof *sched->slots);
    if (!sched->queues || !sched->slots)
        return AIMP_ENOMEM;
    for (uint32_t i = 0; i < config->max_slots; i++)
        sched->slots[i].index = i;
    return AIMP_OK;
}

int aimp__sched_new(struct sched **out, const struct sched_config *config,
                    const struct sched_ops *ops, void *ctx, struct aimp_error *err)
{
    int rc = check_config(config, err);
    if (rc != AIMP_OK)
        return rc;
    struct sched *sched = zeroed(1, sizeof *sched);
    if (!sched)
        return aimp__error_set(err, AIMP_ENOMEM, "no memory for a scheduler");
    sched->config = *config;
    sched->ops = *ops;
    sched->ctx = ctx;
    if (fill(sched) != AIMP_OK) {
        aimp__sched_free(sched);
        return aimp__error_set(err, AIMP_ENOMEM, "no memory for a scheduler");
    }
    *out = sched;
    return AIMP_OK;
}

void aimp__sched_free(struct sched *sched)
{
    if (!sched)
        return;
    for (uint32_t i = 0; sched->slots && i < sched->config.max_slots; i++) {
        aimp__fifo_fini(&sched->slots[i].pinned);
        free_cells(&sched->slots[i]);
    }
    for (uint32_t i = 0; sched->queues && i < sched->config.queues; i++)
        aimp__fifo_fini(&sched->queues[i]);
    aimp__slab_fini(&sched->slab);
    aimp__sched_free_memory(sched->queues);
    aimp__sched_free_memory(sched->slots);
    aimp__sched_free_memory(sched->outcomes);
    aimp__sched_free_memory(sched);
}

/* ---- submitting ---- */

static int check_spec(const struct sched *sched, const struct sched_spec *spec,
                      struct aimp_error *err)
{
    if (spec->owner == 0)
        return aimp__error_set(err, AIMP_EINVAL, "owner 0");
    if (spec->count == 0)
        return aimp__error_set(err, AIMP_EINVAL, "a unit without items");
    if (spec->timeout_ms > 0 && spec->count != 1)
        return aimp__error_set(err, AIMP_EINVAL, "a timeout for %u items at once", spec->count);
    if (spec->pin >= 0 && (uint32_t)spec->pin >= sched->config.max_slots)
        return aimp__error_set(err, AIMP_EINVAL, "pinned to worker slot %d of %u", spec->pin,
                               sched->config.max_slots);
    if (spec->pin < 0 && (spec->queue == 0 || spec->queue > sched->config.queues))
        return aimp__error_set(err, AIMP_EINVAL, "queue %u of %u", spec->queue,
                               sched->config.queues);
    return AIMP_OK;
}

static void fill_unit(struct unit *unit, const struct sched_spec *spec)
{
    unit->owner = spec->owner;
    unit->group = spec->group;
    unit->fn = spec->fn;
    unit->tag = spec->tag;
    unit->queue = spec->queue;
    unit->pin = spec->pin < 0 ? SCHED_NO_PIN : spec->pin;
    unit->priority = spec->priority;
    unit->retries = spec->retries;
    unit->timeout_ms = spec->timeout_ms;
    unit->base = spec->base;
    aimp__unit_reset_items(unit, 0, spec->count);
}

static void link_group(struct sched *sched, struct unit *unit)
{
    uint32_t *head = &sched->buckets[unit->group % GROUP_BUCKETS];
    if (unit->group == 0)
        return;
    unit->group_next = *head;
    if (*head)
        aimp__slab_at(&sched->slab, *head)->group_previous = unit->number;
    *head = unit->number;
}

struct unit *aimp__sched_split(struct sched *sched, const struct unit *unit, uint32_t first,
                               uint32_t last)
{
    if (!aimp__fifo_reserve(aimp__sched_fifo(sched, unit), unit->priority))
        return NULL;
    struct unit *part = aimp__slab_take(&sched->slab);
    if (!part)
        return NULL;
    uint32_t number = part->number, generation = part->generation;
    *part = *unit;
    part->number = number;
    part->generation = generation;
    part->state = UNIT_QUEUED;
    part->finished = NULL;
    part->is_overdue = false;
    part->kill_at_ns = 0;
    part->next = part->previous = part->group_next = part->group_previous = UNIT_NONE;
    aimp__payload_hold(unit->payload);
    aimp__unit_reset_items(part, first, last);
    link_group(sched, part);
    return part;
}

/* The unit's memory and its place in the queue; nothing is changed on failure. */
static struct unit *take_unit(struct sched *sched, const struct sched_spec *spec)
{
    struct unit *unit = aimp__slab_take(&sched->slab);
    if (!unit)
        return NULL;
    fill_unit(unit, spec);
    if (!aimp__fifo_reserve(aimp__sched_fifo(sched, unit), unit->priority)) {
        aimp__slab_give(&sched->slab, unit);
        return NULL;
    }
    return unit;
}

int aimp__sched_submit(struct sched *sched, const struct sched_spec *spec, const void *payload,
                       size_t len, sched_unit *out, struct aimp_error *err)
{
    int rc = check_spec(sched, spec, err);
    if (rc != AIMP_OK)
        return rc;
    struct payload *bytes = aimp__payload_new(payload, len, spec->needs);
    if (!bytes)
        return aimp__error_set(err, AIMP_ENOMEM, "no memory to queue a task of %zu bytes", len);
    struct unit *unit = take_unit(sched, spec);
    if (!unit) {
        aimp__payload_release(bytes);
        return aimp__error_set(err, AIMP_ENOMEM, "no memory to queue a task");
    }
    unit->payload = bytes;
    unit->queued_ns = sched->ops.now_ns(sched->ctx);
    link_group(sched, unit);
    aimp__fifo_push_back(aimp__sched_fifo(sched, unit), &sched->slab, unit);
    sched->is_dirty = true;
    *out = (sched_unit)unit->generation << 32 | unit->number;
    return AIMP_OK;
}

bool aimp__sched_is_pending(const struct sched *sched)
{
    return sched->is_dirty;
}

/* ---- workers coming and going on purpose; deaths are in settle.c ---- */

void aimp__sched_worker_ready(struct sched *sched, uint32_t index)
{
    struct sched_slot *slot = &sched->slots[index];
    if (!slot->cell_unit && make_cells(slot, sched->config.cells) != AIMP_OK) {
        free_cells(slot);
        slot->state = SLOT_BROKEN; /* without cells it can run nothing */
        sched->ops.kill(sched->ctx, index);
        return;
    }
    if (index >= sched->used_slots)
        sched->used_slots = index + 1;
    slot->state = SLOT_READY;
    slot->spent = 0;
    slot->is_blocked = false;
    slot->is_claimed = true;
    sched->is_dirty = true;
}

void aimp__sched_worker_drain(struct sched *sched, uint32_t index)
{
    struct sched_slot *slot = &sched->slots[index];
    if (slot->state != SLOT_READY)
        return;
    slot->state = SLOT_DRAINING;
    uint32_t previous;
    for (uint32_t number = slot->tail; number; number = previous) {
        struct unit *unit = aimp__slab_at(&sched->slab, number);
        previous = unit->previous;
        if (unit->pin < 0)
            aimp__sched_take_back(sched, unit, UINT32_MAX);
    }
    sched->is_dirty = true;
}

bool aimp__sched_worker_is_idle(const struct sched *sched, uint32_t index)
{
    const struct sched_slot *slot = &sched->slots[index];
    return slot->units == 0 && slot->husks == 0;
}

bool aimp__sched_worker_is_spent(const struct sched *sched, uint32_t index)
{
    return sched->config.quota > 0 && sched->slots[index].spent >= sched->config.quota;
}

void aimp__sched_worker_remove(struct sched *sched, uint32_t index)
{
    struct fifo *pinned = &sched->slots[index].pinned;
    uint32_t own_queue = aimp__sched_queue_of(sched, index);
    struct unit *unit;
    for (uint32_t number = sched->slots[index].head; number; number = unit->next) {
        unit = aimp__slab_at(&sched->slab, number); /* where it goes should it come back */
        unit->queue = unit->pin < 0 ? unit->queue : own_queue;
        unit->pin = SCHED_NO_PIN;
    }
    while ((unit = aimp__fifo_peek(pinned, &sched->slab))) {
        if (!aimp__fifo_reserve(&sched->queues[own_queue - 1], unit->priority))
            return; /* they stay; the slot's next process runs them */
        aimp__fifo_remove(pinned, &sched->slab, unit);
        unit->pin = SCHED_NO_PIN;
        unit->queue = own_queue;
        aimp__fifo_push_back(&sched->queues[own_queue - 1], &sched->slab, unit);
    }
    sched->is_dirty = true;
}

/* ---- figures ---- */

/* Items of a sent unit that its worker has not claimed. */
static uint32_t unclaimed(const struct sched *sched, const struct unit *unit)
{
    struct sched_claim claim;
    if (sched->ops.read_claim(sched->ctx, unit->slot, unit->cell, &claim) != AIMP_OK)
        return 0;
    return claim.next < unit->last ? unit->last - claim.next : 0;
}

void aimp__sched_slot_stats(const struct sched *sched, uint32_t index, struct sched_slot_stats *out)
{
    const struct sched_slot *slot = &sched->slots[index];
    *out =
        (struct sched_slot_stats){.done = slot->done, .lost = slot->lost, .busy_ns = slot->busy_ns};
    for (uint32_t number = slot->head; number;) {
        const struct unit *unit = aimp__slab_at(&sched->slab, number);
        uint32_t waiting = unclaimed(sched, unit);
        if (waiting > unit->unfinished)
            waiting = unit->unfinished;
        out->queued += waiting;
        out->running += unit->unfinished - waiting;
        number = unit->next;
    }
}

void aimp__sched_stats(const struct sched *sched, struct sched_stats *out)
{
    static const double shares[3] = {0.5, 0.9, 0.99};
    *out = sched->stats;
    for (int i = 0; i < 3; i++) {
        out->wait_ns[i] = aimp__histogram_percentile(&sched->waits, shares[i]);
        out->run_ns[i] = aimp__histogram_percentile(&sched->runs, shares[i]);
    }
    out->waiting = out->outstanding = 0;
    for (uint32_t i = 0; i < sched->config.queues; i++)
        out->waiting += sched->queues[i].items;
    for (uint32_t i = 0; i < sched->config.max_slots; i++) {
        out->waiting += sched->slots[i].pinned.items;
        out->outstanding += sched->slots[i].outstanding;
    }
}
