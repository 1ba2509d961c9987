/* Offers: items that a worker claims one by one although no unit of the scheduler's has
 * them; the contract is in pool.h. Used for what shared queues have given to a worker. */
/* SPDX-License-Identifier: MIT */
#include "proc/pool_private.h"

#include <stdlib.h>

static struct slot_offers *offers_of(struct slot *slot)
{
    if (!slot->offers)
        slot->offers = calloc(1, sizeof *slot->offers);
    return slot->offers;
}

/* return: a free place, or OFFERS */
static uint32_t free_place(const struct slot_offers *offers)
{
    for (uint32_t tried = 0; tried < OFFERS; tried++) {
        uint32_t place = (offers->hint + tried) % OFFERS;
        if (!offers->is_open[place])
            return place;
    }
    return OFFERS;
}

int aimp_pool_offer(struct aimp_pool *pool, uint32_t slot_index, uint32_t items,
                    struct frame *frame, const void *data)
{
    struct slot *slot = &pool->slots[slot_index];
    if (!aimp__slot_is_live(slot))
        return AIMP_ECLOSED;
    struct slot_offers *offers = offers_of(slot);
    uint32_t place = offers ? free_place(offers) : OFFERS;
    if (place == OFFERS)
        return AIMP_EFULL;
    offers->is_open[place] = true;
    offers->hint = (uint16_t)((place + 1) % OFFERS);
    frame->cell = pool->offer_base + place;
    frame->generation = ++offers->generation[place];
    aimp__cell_open(slot->channel, frame->cell, frame->generation, 0, items);
    return aimp__slot_post(slot, frame, data);
}

static bool is_offer(const struct aimp_pool *pool, const struct slot *slot, uint32_t cell)
{
    return slot->channel && slot->offers && cell >= pool->offer_base &&
           cell - pool->offer_base < OFFERS && slot->offers->is_open[cell - pool->offer_base];
}

uint32_t aimp_pool_offer_take_back(struct aimp_pool *pool, uint32_t slot_index, uint32_t cell,
                                   uint32_t max)
{
    struct slot *slot = &pool->slots[slot_index];
    return is_offer(pool, slot, cell) ? aimp__cell_take_back(slot->channel, cell, max) : 0;
}

uint32_t aimp_pool_offer_left(struct aimp_pool *pool, uint32_t slot_index, uint32_t cell)
{
    struct slot *slot = &pool->slots[slot_index];
    struct cell_state state;
    if (!is_offer(pool, slot, cell) || aimp__cell_read(slot->channel, cell, &state) != AIMP_OK)
        return 0;
    return state.end - state.next;
}

int aimp_pool_offer_close(struct aimp_pool *pool, uint32_t slot_index, uint32_t cell,
                          uint32_t generation)
{
    struct slot *slot = &pool->slots[slot_index];
    if (!is_offer(pool, slot, cell) ||
        slot->offers->generation[cell - pool->offer_base] != generation)
        return AIMP_EINVAL;
    slot->offers->is_open[cell - pool->offer_base] = false;
    return AIMP_OK;
}
