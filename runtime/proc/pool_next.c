/* What comes back from workers, and waiting for it; see pool.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/pool_private.h"

#include <math.h>

/* Frames read from one worker before the next one gets its turn. */
#define BURST 64

/* A worker may write any bits into a double; as a Lua value, a NaN of another shape than LuaJIT's
 * own would be a forged pointer. */
static int clean_numbers(const struct frame *frame, const void *payload)
{
    if (frame->len != (uint64_t)frame->count * sizeof(double))
        return AIMP_ECORRUPT;
    double *numbers = (double *)payload; /* the channel's private copy, ours to write */
    for (uint32_t i = 0; i < frame->count; i++)
        if (numbers[i] != numbers[i])
            numbers[i] = NAN;
    return AIMP_OK;
}

static int take_result(struct aimp_pool *pool, uint32_t slot, const struct frame *frame,
                       const void *payload, struct aimp_event *event)
{
    if ((frame->tag & 0xff) == AIMP_TAG_NUMBERS && clean_numbers(frame, payload) != AIMP_OK)
        return AIMP_ECORRUPT;
    int rc = aimp__sched_result(pool->sched, slot, frame->cell, frame->generation, frame->first,
                                frame->count, frame->aux, frame->flags & FRAME_END, &event->owner,
                                &event->index);
    if (rc != AIMP_OK)
        return rc;
    event->kind = AIMP_EVENT_RESULT;
    return frame->count > 0 && event->owner != 0;
}

/* One frame to one event. return: 1 an event; 0 nothing to tell; AIMP_ECORRUPT */
static int take_frame(struct aimp_pool *pool, uint32_t slot, const struct frame *frame,
                      const void *payload, struct aimp_event *event)
{
    event->slot = slot;
    event->count = frame->count;
    event->tag = frame->tag;
    event->flags = frame->flags;
    event->wall_ns = frame->aux;
    event->data = payload;
    event->len = frame->len;
    if (frame->kind == FRAME_RESULT)
        return take_result(pool, slot, frame, payload, event);
    event->kind = AIMP_EVENT_FRAME;
    event->frame_kind = frame->kind;
    event->key = frame->fn;
    event->index = frame->first;
    event->cell = frame->cell;
    event->generation = frame->generation;
    return 1;
}

static int next_of_slot(struct aimp_pool *pool, uint32_t index, struct aimp_event *event)
{
    struct slot *slot = &pool->slots[index];
    struct frame frame;
    const void *payload;
    while (aimp__slot_is_live(slot)) {
        int rc = aimp__channel_receive(slot->channel, &frame, &payload, NULL);
        if (rc == 0)
            return 0;
        if (rc > 0)
            rc = take_frame(pool, index, &frame, payload, event);
        if (rc == 1)
            return 1;
        if (rc < 0) {
            event->code = rc;
            aimp__slot_break(slot);
        }
    }
    return 0;
}

static bool tell_broken(struct aimp_pool *pool, uint32_t index, struct aimp_event *event)
{
    struct slot *slot = &pool->slots[index];
    if (!slot->is_broken || slot->is_told)
        return false;
    slot->is_told = true;
    event->kind = AIMP_EVENT_BROKEN;
    event->slot = index;
    return true;
}

static bool next_outcome(struct aimp_pool *pool, struct aimp_event *event)
{
    struct sched_outcome outcome;
    if (!aimp__sched_next_outcome(pool->sched, &outcome))
        return false;
    event->kind = AIMP_EVENT_OUTCOME;
    event->owner = outcome.owner;
    event->index = outcome.first;
    event->count = outcome.count;
    event->outcome = outcome.kind;
    event->slot = outcome.slot;
    event->death = outcome.death;
    return true;
}

/* Leaves the slot: its worker may wait for the room that was made. */
static void next_slot(struct aimp_pool *pool)
{
    struct slot *slot = &pool->slots[pool->cursor];
    if (pool->burst && aimp__slot_is_live(slot))
        aimp__channel_wake_peer(slot->channel);
    pool->burst = 0;
    if (++pool->cursor >= pool->open_slots)
        pool->cursor = 0;
}

static bool next_of_workers(struct aimp_pool *pool, struct aimp_event *event)
{
    for (uint32_t tried = 0; tried <= pool->open_slots; tried++) {
        if (pool->burst < BURST && next_of_slot(pool, pool->cursor, event)) {
            pool->burst++;
            return true;
        }
        if (tell_broken(pool, pool->cursor, event))
            return true;
        next_slot(pool);
    }
    return false;
}

int aimp_pool_next(struct aimp_pool *pool, struct aimp_event *event)
{
    if (pool->open_slots && next_of_workers(pool, event))
        return 1;
    return next_outcome(pool, event);
}

/* ---- waiting ---- */

int aimp_pool_has_input(const struct aimp_pool *pool)
{
    for (uint32_t i = 0; i < pool->open_slots; i++)
        if (aimp__slot_is_live(&pool->slots[i]) && aimp__channel_has_input(pool->slots[i].channel))
            return 1;
    return 0;
}

void aimp_pool_sleep_end(struct aimp_pool *pool)
{
    for (uint32_t i = 0; i < pool->open_slots; i++)
        if (pool->slots[i].channel)
            aimp__channel_sleep_end(pool->slots[i].channel);
}

int aimp_pool_sleep_begin(struct aimp_pool *pool)
{
    for (uint32_t i = 0; i < pool->open_slots; i++) {
        if (!aimp__slot_is_live(&pool->slots[i]))
            continue;
        if (!aimp__channel_sleep_begin(pool->slots[i].channel)) {
            aimp_pool_sleep_end(pool);
            return 0;
        }
    }
    return 1;
}

static bool spin_has_input(void *pool)
{
    return aimp_pool_has_input(pool);
}

int aimp_pool_spin(struct aimp_pool *pool)
{
    return aimp__spinner_wait(&pool->spinner, spin_has_input, pool);
}
