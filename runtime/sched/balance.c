/* Taking back what a worker has not claimed, and the clock: moving work to idle workers,
 * noticing blocked ones, enforcing deadlines.
 *
 * A worker that is idle takes half of what the fullest other worker of its queue has not
 * claimed, once that has waited for YOUNG_NS: moving costs the parent a few microseconds, so
 * microsecond tasks are left alone. A worker that merely has free capacity takes only from one
 * that is blocked, that is, has let a unit lie for BLOCKED_NS. */
/* SPDX-License-Identifier: MIT */
#include "sched/state.h"

#define YOUNG_NS   200000u
#define BLOCKED_NS 5000000u
#define RETRY_NS   1000000u /* while somebody is idle */

/* ---- taking back ---- */

/* Items [last, last + count) of the unit are the parent's again. */
static void reclaim_tail(struct sched *sched, struct unit *unit, uint32_t last, uint32_t end)
{
    if (unit->is_cancelled) {
        aimp__sched_tell(sched, unit, SCHED_CANCELLED, last, end, 0);
        return;
    }
    struct unit *part = aimp__sched_split(sched, unit, last, end);
    if (part)
        aimp__sched_requeue(sched, part);
    else
        aimp__sched_tell(sched, unit, SCHED_DIED, last, end, 0); /* no memory: lost, but told */
}

/* The whole unit is the parent's again; the worker will report its cell as empty. */
static void reclaim_whole(struct sched *sched, struct unit *unit)
{
    aimp__sched_detach(sched, unit, true);
    if (unit->is_cancelled) {
        aimp__sched_tell(sched, unit, SCHED_CANCELLED, unit->first, unit->last, 0);
        aimp__sched_drop(sched, unit);
        return;
    }
    if (aimp__fifo_reserve(aimp__sched_fifo(sched, unit), unit->priority)) {
        aimp__sched_requeue(sched, unit);
        return;
    }
    aimp__sched_tell(sched, unit, SCHED_DIED, unit->first, unit->last, 0);
    aimp__sched_drop(sched, unit);
}

/* Whether one of the last `count` items has a result: the worker never claimed it. */
static bool is_forged(const struct unit *unit, uint32_t count)
{
    if (count > unit->last - unit->prefix)
        return true;
    for (uint32_t item = unit->last - count; unit->finished && item < unit->last; item++)
        if (aimp__unit_is_finished(unit, item))
            return true;
    return false;
}

uint32_t aimp__sched_take_back(struct sched *sched, struct unit *unit, uint32_t max)
{
    struct sched_slot *slot = &sched->slots[unit->slot];
    uint32_t count = sched->ops.take_back(sched->ctx, unit->slot, unit->cell, max);
    if (count == 0)
        return 0;
    if (is_forged(unit, count)) { /* its worker's end settles the rest */
        slot->state = SLOT_BROKEN;
        sched->ops.kill(sched->ctx, slot->index);
        return 0;
    }
    uint32_t end = unit->last, last = end - count;
    slot->spent -= count;
    if (count == end - unit->first) {
        slot->outstanding -= unit->unfinished;
        reclaim_whole(sched, unit);
        return count;
    }
    slot->outstanding -= aimp__unit_cut(unit, last);
    reclaim_tail(sched, unit, last, end);
    return count;
}

/* ---- balance ---- */

static uint32_t unclaimed_of(const struct sched *sched, const struct unit *unit)
{
    struct sched_claim claim;
    if (unit->pin >= 0 || unit->is_cancelled ||
        sched->ops.read_claim(sched->ctx, unit->slot, unit->cell, &claim) != AIMP_OK)
        return 0;
    uint32_t next = claim.next < unit->first ? unit->first : claim.next;
    return next < unit->last ? unit->last - next : 0;
}

/* Unclaimed items of a slot that were sent at least `age_ns` ago. */
static uint32_t unclaimed_in(struct sched *sched, struct sched_slot *slot, uint64_t now_ns,
                             uint64_t age_ns)
{
    uint32_t count = 0;
    bool any = false;
    for (uint32_t number = slot->tail; number;) {
        const struct unit *unit = aimp__slab_at(&sched->slab, number);
        uint32_t unclaimed = unclaimed_of(sched, unit);
        any |= unclaimed > 0;
        if (now_ns - unit->sent_ns >= age_ns)
            count += unclaimed;
        number = unit->previous;
    }
    slot->is_claimed = !any;
    return count;
}

/* Takes `wanted` items from the newest units of a slot. */
static uint32_t take_from(struct sched *sched, struct sched_slot *slot, uint32_t wanted)
{
    uint32_t taken = 0, previous;
    for (uint32_t number = slot->tail; number && taken < wanted; number = previous) {
        struct unit *unit = aimp__slab_at(&sched->slab, number);
        previous = unit->previous;
        if (unit->pin < 0)
            taken += aimp__sched_take_back(sched, unit, wanted - taken);
    }
    sched->stats.moved += taken;
    return taken;
}

static struct sched_slot *fullest(struct sched *sched, const struct sched_slot *taker,
                                  uint64_t now_ns, uint64_t age_ns, uint32_t *unclaimed)
{
    struct sched_slot *best = NULL;
    uint32_t step = sched->config.queues;
    *unclaimed = 0;
    for (uint32_t i = taker->index % step; i < sched->used_slots; i += step) {
        struct sched_slot *slot = &sched->slots[i];
        if (slot == taker || slot->outstanding == 0 || slot->is_claimed)
            continue;
        uint32_t count = unclaimed_in(sched, slot, now_ns, age_ns);
        if (count > *unclaimed) {
            *unclaimed = count;
            best = slot;
        }
    }
    return best;
}

static bool has_unclaimed(const struct sched *sched)
{
    for (uint32_t i = 0; i < sched->used_slots; i++)
        if (sched->slots[i].outstanding > 0 && !sched->slots[i].is_claimed)
            return true;
    return false;
}

/* A spent or draining worker takes nothing; one with work in its queue will get that. */
static uint32_t free_capacity(const struct sched *sched, const struct sched_slot *slot)
{
    uint32_t queue = aimp__sched_queue_of(sched, slot->index);
    bool is_spent = sched->config.quota > 0 && slot->spent >= sched->config.quota;
    if (slot->state != SLOT_READY || slot->is_blocked || slot->is_full || is_spent)
        return 0;
    if (sched->queues[queue - 1].items > 0 || slot->outstanding >= sched->config.concurrency)
        return 0;
    return sched->config.concurrency - slot->outstanding;
}

static uint32_t relieve(struct sched *sched, struct sched_slot *taker, uint64_t now_ns)
{
    uint32_t capacity = free_capacity(sched, taker), unclaimed;
    if (capacity == 0)
        return 0;
    bool is_idle = taker->outstanding == 0;
    struct sched_slot *from =
        fullest(sched, taker, now_ns, is_idle ? YOUNG_NS : BLOCKED_NS, &unclaimed);
    if (!from)
        return 0;
    uint32_t wanted = unclaimed / 2 ? unclaimed / 2 : 1;
    if (!is_idle && wanted > capacity)
        wanted = capacity;
    return take_from(sched, from, wanted);
}

static bool has_idle(const struct sched *sched)
{
    for (uint32_t i = 0; i < sched->used_slots; i++)
        if (sched->slots[i].state == SLOT_READY && sched->slots[i].outstanding == 0)
            return true;
    return false;
}

/* Looking at all that is unclaimed costs a cache miss a unit, so it is done now and then. */
bool aimp__sched_balance(struct sched *sched)
{
    uint32_t moved = 0;
    if (sched->used_slots < 2 || !has_unclaimed(sched))
        return false;
    uint64_t now_ns = sched->ops.now_ns(sched->ctx);
    if (now_ns - sched->balanced_ns < YOUNG_NS)
        return false;
    sched->balanced_ns = now_ns;
    for (uint32_t i = 0; i < sched->used_slots; i++)
        moved += relieve(sched, &sched->slots[i], now_ns);
    if (has_idle(sched) && has_unclaimed(sched) && sched->balance_at_ns > now_ns + RETRY_NS)
        sched->balance_at_ns = now_ns + RETRY_NS;
    return moved > 0;
}

/* ---- the clock ---- */

#define KILLED UINT64_MAX /* kill_at_ns when it has been done */

static void notice_blocked(struct sched *sched, uint64_t now_ns)
{
    for (uint32_t i = 0; i < sched->used_slots; i++) {
        struct sched_slot *slot = &sched->slots[i];
        if (slot->outstanding > 0 && !slot->is_claimed)
            slot->is_blocked = unclaimed_in(sched, slot, now_ns, BLOCKED_NS) > 0;
    }
}

/* When the unit must have ended, by what its cell says and by what the parent knows. */
static uint64_t deadline_of(const struct sched *sched, const struct unit *unit, uint64_t now_ns)
{
    struct sched_claim claim;
    uint64_t limit_ns = ((uint64_t)unit->timeout_ms + sched->config.grace_ms) * 1000000u;
    int rc = sched->ops.read_claim(sched->ctx, unit->slot, unit->cell, &claim);
    if (rc == AIMP_OK && claim.next <= unit->first)
        return now_ns + limit_ns; /* not claimed yet: it cannot be late before that */
    uint64_t start_ns = rc == AIMP_OK ? claim.claim_ns : unit->sent_ns;
    if (start_ns < unit->sent_ns || start_ns > now_ns)
        start_ns = unit->sent_ns;
    return start_ns + limit_ns;
}

/* The unit's worker must die at `at_ns`. True: that is now. */
static bool is_due(struct sched *sched, uint64_t at_ns, uint64_t now_ns)
{
    if (at_ns <= now_ns)
        return true;
    if (!sched->timeout_at_ns || at_ns < sched->timeout_at_ns)
        sched->timeout_at_ns = at_ns;
    return false;
}

static void enforce_deadline(struct sched *sched, struct unit *unit, uint64_t now_ns)
{
    if (unit->timeout_ms && !unit->is_overdue &&
        is_due(sched, deadline_of(sched, unit, now_ns), now_ns)) {
        unit->is_overdue = true;
        sched->ops.kill(sched->ctx, unit->slot);
    }
    if (unit->kill_at_ns && unit->kill_at_ns != KILLED && is_due(sched, unit->kill_at_ns, now_ns)) {
        unit->kill_at_ns = KILLED;
        sched->ops.kill(sched->ctx, unit->slot);
    }
}

static void enforce_deadlines(struct sched *sched, uint64_t now_ns)
{
    sched->timeout_at_ns = 0;
    for (uint32_t i = 0; sched->timed && i < sched->used_slots; i++) {
        for (uint32_t number = sched->slots[i].head; number;) {
            struct unit *unit = aimp__slab_at(&sched->slab, number);
            number = unit->next;
            enforce_deadline(sched, unit, now_ns);
        }
    }
}

void aimp__sched_tick(struct sched *sched)
{
    uint64_t now_ns = sched->ops.now_ns(sched->ctx);
    if (sched->timeout_at_ns && now_ns >= sched->timeout_at_ns)
        enforce_deadlines(sched, now_ns);
    if (sched->balance_at_ns && now_ns >= sched->balance_at_ns) {
        notice_blocked(sched, now_ns);
        sched->balance_at_ns = has_unclaimed(sched) ? now_ns + BLOCKED_NS : 0;
        sched->is_dirty = true; /* the next run balances */
    }
}

uint64_t aimp__sched_next_tick_ns(const struct sched *sched)
{
    uint64_t balance = sched->balance_at_ns, timeout = sched->timeout_at_ns;
    if (!balance || !timeout)
        return balance ? balance : timeout;
    return balance < timeout ? balance : timeout;
}
