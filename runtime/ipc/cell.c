/* Claim cells; the contract is in channel.h.
 *
 * `range` is the only word that two processes change, each by CAS: the worker
 * moves next up, the parent moves end down, neither past the other, so each
 * item has exactly one owner. `generation` guards against a frame that outlived its
 * use of the cell; the parent opens a cell anew only after the worker's last word
 * about it, so it never changes under a claim. */
/* SPDX-License-Identifier: MIT */
#include "base/failpoint.h"
#include "ipc/channel_state.h"
#include "os/clock.h"

static uint64_t pack(uint32_t next, uint32_t end)
{
    return (uint64_t)end << 32 | next;
}

static uint32_t next_of(uint64_t range)
{
    return (uint32_t)range;
}

static uint32_t end_of(uint64_t range)
{
    return (uint32_t)(range >> 32);
}

void aimp__cell_open(struct channel *channel, uint32_t cell, uint32_t generation, uint32_t first,
                     uint32_t count)
{
    assert(channel->own && cell < channel->cell_count && count <= UINT32_MAX - first);
    struct cell_shared *shared = &channel->cells[cell];
    channel->own[cell] = (struct cell_own){.first = first, .end = first + count, .next = first};
    atomic_store_explicit(&shared->claim_ns, 0, memory_order_relaxed);
    AIMP_FAILPOINT("cell.cleared");
    atomic_store_explicit(&shared->running, first - 1, memory_order_relaxed);
    AIMP_FAILPOINT("cell.open");
    atomic_store_explicit(&shared->range, pack(first, first + count), memory_order_relaxed);
    AIMP_FAILPOINT("cell.range");
    atomic_store_explicit(&shared->generation, generation, memory_order_release);
    AIMP_FAILPOINT("cell.opened");
}

uint32_t aimp__cell_claim(struct channel *channel, uint32_t cell, uint32_t generation, uint32_t max,
                          uint32_t *item)
{
    if (cell >= channel->cell_count)
        return 0;
    struct cell_shared *shared = &channel->cells[cell];
    if (atomic_load_explicit(&shared->generation, memory_order_acquire) != generation)
        return 0;
    uint64_t range = atomic_load_explicit(&shared->range, memory_order_acquire);
    uint32_t count;
    do {
        uint32_t next = next_of(range);
        uint32_t left = end_of(range) > next ? end_of(range) - next : 0;
        count = left < max ? left : max;
        if (count == 0)
            return 0;
        *item = next;
        AIMP_FAILPOINT("cell.claim");
    } while (!atomic_compare_exchange_weak_explicit(&shared->range, &range,
                                                    pack(*item + count, end_of(range)),
                                                    memory_order_acq_rel, memory_order_acquire));
    AIMP_FAILPOINT("cell.claimed");
    atomic_store_explicit(&shared->claim_ns, aimp__clock_ns(), memory_order_relaxed);
    AIMP_FAILPOINT("cell.stamped");
    return count;
}

void aimp__cell_progress(struct channel *channel, uint32_t cell, uint32_t item)
{
    if (cell >= channel->cell_count)
        return;
    AIMP_FAILPOINT("cell.progress");
    atomic_store_explicit(&channel->cells[cell].running, item, memory_order_release);
    AIMP_FAILPOINT("cell.progressed");
}

/* Only the parent changes end, and next only grows. */
static bool is_plausible(const struct cell_own *own, uint64_t range)
{
    return end_of(range) == own->end && next_of(range) >= own->next && next_of(range) <= own->end;
}

uint32_t aimp__cell_take_back(struct channel *channel, uint32_t cell, uint32_t max)
{
    assert(channel->own && cell < channel->cell_count);
    struct cell_shared *shared = &channel->cells[cell];
    struct cell_own *own = &channel->own[cell];
    uint64_t range = atomic_load_explicit(&shared->range, memory_order_acquire);
    uint32_t count;
    do {
        if (!is_plausible(own, range)) {
            channel->is_corrupt = true;
            return 0;
        }
        count = own->end - next_of(range);
        count = count < max ? count : max;
        if (count == 0)
            return 0;
        AIMP_FAILPOINT("cell.take_back");
    } while (!atomic_compare_exchange_weak_explicit(&shared->range, &range,
                                                    pack(next_of(range), own->end - count),
                                                    memory_order_acq_rel, memory_order_acquire));
    AIMP_FAILPOINT("cell.taken_back");
    own->next = next_of(range);
    own->end -= count;
    return count;
}

/* running is read first: an item is claimed before it is started, so the range
 * that is read later includes it. */
int aimp__cell_read(struct channel *channel, uint32_t cell, struct cell_state *out)
{
    assert(channel->own && cell < channel->cell_count);
    struct cell_shared *shared = &channel->cells[cell];
    struct cell_own *own = &channel->own[cell];
    if (channel->is_corrupt)
        return AIMP_ECORRUPT;
    uint32_t running = atomic_load_explicit(&shared->running, memory_order_acquire);
    uint64_t range = atomic_load_explicit(&shared->range, memory_order_acquire);
    uint32_t next = next_of(range);
    if (!is_plausible(own, range) || running + 1 - own->first > next - own->first)
        return aimp__channel_corrupt(channel, NULL, "a cell makes no sense");
    own->next = next;
    out->next = next;
    out->end = own->end;
    out->running = running;
    out->claim_ns = atomic_load_explicit(&shared->claim_ns, memory_order_relaxed);
    return 0;
}
