/* The contract is in sleeper.h. */
/* SPDX-License-Identifier: MIT */
#include "ipc/sleeper.h"

#include "base/failpoint.h"
#include "os/wake.h"

static bool has_reached(uint64_t index, uint64_t at)
{
    return (int64_t)(index - at) >= 0;
}

void aimp__sleeper_want(struct sleeper *sleeper, uint32_t what, uint64_t at)
{
    sleeper->wants |= what;
    if (what == SLEEP_FOR_RING)
        sleeper->ring_at = at;
    else
        sleeper->arena_at = at;
    sleeper->is_told = false;
}

static bool is_met(const struct sleeper *sleeper, uint64_t ring_tail, uint64_t arena_tail)
{
    return ((sleeper->wants & SLEEP_FOR_RING) && has_reached(ring_tail, sleeper->ring_at)) ||
           ((sleeper->wants & SLEEP_FOR_ARENA) && has_reached(arena_tail, sleeper->arena_at));
}

bool aimp__sleeper_has_room(const struct sleeper *sleeper, const struct flow_shared *out)
{
    if (sleeper->is_told || !sleeper->wants)
        return sleeper->is_told;
    return is_met(sleeper, atomic_load_explicit(&out->tail, memory_order_acquire),
                  atomic_load_explicit(&out->arena_tail, memory_order_acquire));
}

void aimp__sleeper_announce(struct sleeper *sleeper)
{
    struct sleep_shared *mine = sleeper->mine;
    atomic_store_explicit(&mine->ring_at, sleeper->ring_at, memory_order_relaxed);
    AIMP_FAILPOINT("sleep.ring_at");
    atomic_store_explicit(&mine->arena_at, sleeper->arena_at, memory_order_relaxed);
    AIMP_FAILPOINT("sleep.announce");
    atomic_exchange(&mine->state, SLEEP_FOR_INPUT | sleeper->wants);
    sleeper->is_asleep = true;
    AIMP_FAILPOINT("sleep.announced");
}

/* Also a read-modify-write: a plain store would cut the chain between a peer
 * that looked before it and the announcement after it. */
void aimp__sleeper_withdraw(struct sleeper *sleeper)
{
    if (!sleeper->is_asleep)
        return;
    sleeper->is_asleep = false;
    atomic_exchange(&sleeper->mine->state, SLEEP_NOT);
    AIMP_FAILPOINT("sleep.withdrawn");
}

static bool is_due(const struct sleeper *sleeper, uint32_t state, uint64_t ring_tail,
                   uint64_t arena_tail)
{
    struct sleep_shared *peer = sleeper->peer;
    if (sleeper->has_sent)
        return state != SLEEP_NOT;
    if ((state & SLEEP_FOR_RING) &&
        has_reached(ring_tail, atomic_load_explicit(&peer->ring_at, memory_order_relaxed)))
        return true;
    return (state & SLEEP_FOR_ARENA) &&
           has_reached(arena_tail, atomic_load_explicit(&peer->arena_at, memory_order_relaxed));
}

void aimp__sleeper_wake_peer(struct sleeper *sleeper, uint64_t ring_tail, uint64_t arena_tail)
{
    if (!sleeper->has_sent && !sleeper->has_freed)
        return;
    AIMP_FAILPOINT("wake.look");
    uint32_t state = atomic_fetch_or(&sleeper->peer->state, 0);
    if (__builtin_expect(is_due(sleeper, state, ring_tail, arena_tail), 0)) {
        AIMP_FAILPOINT("wake.clear");
        state = atomic_exchange(&sleeper->peer->state, SLEEP_NOT);
        AIMP_FAILPOINT("wake.ring");
        if (state != SLEEP_NOT && sleeper->peer_wake_fd >= 0)
            aimp__wake_ring(sleeper->peer_wake_fd);
    }
    sleeper->has_sent = sleeper->has_freed = false;
}
