/* What the scheduler does to workers: struct sched_ops over the channels.
 *
 * A definition always precedes the first call that needs it on the same ring, so
 * the worker never waits for one. */
/* SPDX-License-Identifier: MIT */
#include "os/clock.h"
#include "proc/pool_private.h"

#include <signal.h>

static uint64_t ops_now_ns(void *ctx)
{
    (void)ctx;
    return aimp__clock_ns();
}

/* A channel that takes nothing any more, as when a task closed the worker's socket, is as good as a
 * corrupt one: its worker would wait for ever. */
static int checked(struct slot *slot, int rc)
{
    if (rc != AIMP_OK && rc != AIMP_EFULL)
        aimp__slot_break(slot);
    return rc;
}

int aimp__pool_send_definitions(struct aimp_pool *pool, struct slot *slot, uint64_t needs)
{
    struct deflog_entry entry;
    while (slot->known < needs) {
        if (!aimp__deflog_next(pool->deflog, slot->known, needs, &entry)) {
            slot->known = needs;
            return AIMP_OK;
        }
        if (entry.key == FORGETS_EPOCH_KEY) {
            slot->known = entry.position;
            continue;
        }
        struct frame frame = {
            .kind = entry.is_forget ? FRAME_FORGET : FRAME_DEFINE,
            .fn = entry.key,
            .len = entry.len,
        };
        int rc = aimp__channel_send(slot->channel, &frame, entry.data, NULL);
        if (rc != AIMP_OK)
            return checked(slot, rc);
        slot->known = entry.position;
        slot->is_dirty = true;
    }
    return AIMP_OK;
}

static int ops_send_call(void *ctx, uint32_t slot_index, const struct sched_call *call)
{
    struct aimp_pool *pool = ctx;
    struct slot *slot = &pool->slots[slot_index];
    if (!aimp__slot_is_live(slot))
        return AIMP_ECLOSED;
    if (!aimp__outbox_is_empty(&slot->outbox))
        return AIMP_EFULL;
    int rc = aimp__pool_send_definitions(pool, slot, call->needs);
    if (rc != AIMP_OK)
        return rc;
    struct frame frame = {
        .kind = FRAME_CALL,
        .cell = call->cell,
        .generation = call->generation,
        .first = call->first,
        .count = call->count,
        .fn = call->fn,
        .tag = call->tag,
        .aux = call->timeout_ms,
        .len = call->len,
    };
    /* the cell is opened first: the worker may claim as soon as it sees the frame */
    aimp__cell_open(slot->channel, call->cell, call->generation, call->first, call->count);
    rc = aimp__channel_send(slot->channel, &frame, call->payload, NULL);
    if (rc == AIMP_OK)
        slot->is_dirty = true;
    return checked(slot, rc);
}

static int ops_send_cancel(void *ctx, uint32_t slot_index, uint32_t cell, uint32_t generation,
                           uint32_t item)
{
    struct aimp_pool *pool = ctx;
    struct frame frame = {
        .kind = FRAME_CANCEL, .cell = cell, .generation = generation, .first = item, .count = 1};
    return aimp__slot_post(&pool->slots[slot_index], &frame, NULL);
}

static int ops_read_claim(void *ctx, uint32_t slot_index, uint32_t cell, struct sched_claim *out)
{
    struct aimp_pool *pool = ctx;
    struct slot *slot = &pool->slots[slot_index];
    struct cell_state state;
    if (!slot->channel)
        return AIMP_ECLOSED;
    int rc = aimp__cell_read(slot->channel, cell, &state);
    if (rc != AIMP_OK)
        return checked(slot, rc);
    *out = (struct sched_claim){
        .next = state.next, .end = state.end, .running = state.running, .claim_ns = state.claim_ns};
    return AIMP_OK;
}

static uint32_t ops_take_back(void *ctx, uint32_t slot_index, uint32_t cell, uint32_t max)
{
    struct aimp_pool *pool = ctx;
    struct slot *slot = &pool->slots[slot_index];
    return slot->channel ? aimp__cell_take_back(slot->channel, cell, max) : 0;
}

static void ops_kill(void *ctx, uint32_t slot_index)
{
    struct aimp_pool *pool = ctx;
    aimp__slot_signal(&pool->slots[slot_index], SIGKILL);
}

static void ops_released(void *ctx, uint64_t needs)
{
    struct aimp_pool *pool = ctx;
    aimp__deflog_release(pool->deflog, needs);
    aimp__forgets_release(&pool->forgets, needs);
}

const struct sched_ops aimp__pool_ops = {
    .now_ns = ops_now_ns,
    .send_call = ops_send_call,
    .send_cancel = ops_send_cancel,
    .read_claim = ops_read_claim,
    .take_back = ops_take_back,
    .kill = ops_kill,
    .released = ops_released,
};
