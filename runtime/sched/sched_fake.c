/* The contract is in sched_fake.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/sched_fake.h"

#include "sched/alloc.h"

struct fake fake;

const struct sched_config fake_config = {
    .max_slots = FAKE_SLOTS,
    .queues = 1,
    .concurrency = 16,
    .cells = FAKE_CELLS,
    .grace_ms = 1000,
};

/* ---- the scheduler's hands ---- */

static uint64_t now_ns(void *ctx)
{
    return ((struct fake *)ctx)->now_ns;
}

static int send_call(void *ctx, uint32_t slot, const struct sched_call *call)
{
    (void)ctx;
    if (fake.send_rc[slot] != AIMP_OK)
        return fake.send_rc[slot];
    assert_in_range(fake.call_count, 0, sizeof fake.calls / sizeof fake.calls[0] - 1);
    struct fake_call *note = &fake.calls[fake.call_count++];
    note->slot = slot;
    note->call = *call;
    memset(note->text, 0, sizeof note->text);
    memcpy(note->text, call->payload, call->len < sizeof note->text ? call->len : 0);
    fake.claims[slot][call->cell] = (struct sched_claim){
        .next = call->first, .end = call->first + call->count, .running = call->first - 1};
    return AIMP_OK;
}

static int send_cancel(void *ctx, uint32_t slot, uint32_t cell, uint32_t generation, uint32_t item)
{
    (void)ctx;
    assert_in_range(fake.cancel_count, 0, sizeof fake.cancels / sizeof fake.cancels[0] - 1);
    fake.cancels[fake.cancel_count++] = (struct fake_cancel){slot, cell, generation, item};
    return AIMP_OK;
}

static int read_claim(void *ctx, uint32_t slot, uint32_t cell, struct sched_claim *out)
{
    (void)ctx;
    *out = fake.claims[slot][cell];
    return AIMP_OK;
}

static uint32_t take_back(void *ctx, uint32_t slot, uint32_t cell, uint32_t max)
{
    (void)ctx;
    struct sched_claim *claim = &fake.claims[slot][cell];
    uint32_t count = claim->end - claim->next;
    count = count < max ? count : max;
    claim->end -= count;
    return count;
}

static void kill(void *ctx, uint32_t slot)
{
    (void)ctx;
    fake.kills[slot]++;
}

static void released(void *ctx, uint64_t needs)
{
    (void)ctx;
    assert_in_range(fake.released_count, 0, sizeof fake.released / sizeof fake.released[0] - 1);
    fake.released[fake.released_count++] = needs;
}

static const struct sched_ops operations = {
    .now_ns = now_ns,
    .send_call = send_call,
    .send_cancel = send_cancel,
    .read_claim = read_claim,
    .take_back = take_back,
    .kill = kill,
    .released = released,
};

/* ---- life ---- */

void aimp__fake_new(const struct sched_config *config, uint32_t workers)
{
    memset(&fake, 0, sizeof fake);
    fake.now_ns = 1000 * FAKE_MS;
    assert_int_equal(aimp__sched_new(&fake.sched, config, &operations, &fake, NULL), AIMP_OK);
    for (uint32_t slot = 0; slot < workers; slot++)
        aimp__sched_worker_ready(fake.sched, slot);
}

int aimp__fake_teardown(void **state)
{
    (void)state;
    aimp__sched_free(fake.sched);
    fake.sched = NULL;
#ifdef AIMP_FAILPOINTS
    return aimp__sched_alloc_count() == 0 ? 0 : -1;
#else
    return 0;
#endif
}

/* ---- work ---- */

struct sched_spec aimp__fake_spec(uint32_t owner, uint32_t count)
{
    return (struct sched_spec){
        .owner = owner, .fn = owner, .count = count, .queue = 1, .pin = SCHED_NO_PIN};
}

sched_unit aimp__fake_submit(const struct sched_spec *spec)
{
    sched_unit unit = 0;
    struct aimp_error err;
    assert_int_equal(aimp__sched_submit(fake.sched, spec, "payload", 8, &unit, &err), AIMP_OK);
    assert_int_not_equal(unit, 0);
    return unit;
}

sched_unit aimp__fake_submit_items(uint32_t owner, uint32_t count)
{
    struct sched_spec spec = aimp__fake_spec(owner, count);
    return aimp__fake_submit(&spec);
}

void aimp__fake_submit_many(uint32_t first_owner, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        aimp__fake_submit_items(first_owner + i, 1);
}

uint32_t aimp__fake_run(void)
{
    uint32_t before = fake.call_count;
    uint32_t sent = aimp__sched_run(fake.sched);
    assert_int_equal(sent, fake.call_count - before);
    return sent;
}

struct fake_call *aimp__fake_last_call(void)
{
    assert_int_not_equal(fake.call_count, 0);
    return &fake.calls[fake.call_count - 1];
}

struct fake_call *aimp__fake_call_of(uint32_t owner)
{
    for (uint32_t i = fake.call_count; i-- > 0;)
        if (fake.calls[i].call.fn == owner)
            return &fake.calls[i];
    fail_msg("%u was not sent", owner);
    return NULL;
}

/* ---- workers ---- */

void aimp__fake_claim(const struct fake_call *call, uint32_t count, uint32_t unstarted)
{
    struct sched_claim *claim = &fake.claims[call->slot][call->call.cell];
    uint32_t left = claim->end - claim->next;
    claim->next += count < left ? count : left;
    claim->running = claim->next - 1 - unstarted;
    claim->claim_ns = fake.now_ns;
}

int aimp__fake_result(const struct fake_call *call, uint32_t first, uint32_t count, bool end)
{
    uint32_t owner = 12345;
    uint64_t index = 12345;
    int rc = aimp__sched_result(fake.sched, call->slot, call->call.cell, call->call.generation,
                                first, count, count * FAKE_MS, end, &owner, &index);
    if (rc == AIMP_OK && count > 0) {
        assert_int_equal(owner, call->call.fn);
        assert_int_equal(index, first);
    }
    return rc;
}

void aimp__fake_complete(const struct fake_call *call, uint64_t item_ns)
{
    uint32_t owner;
    uint64_t index;
    aimp__fake_claim(call, FAKE_ALL, 0);
    assert_int_equal(aimp__sched_result(fake.sched, call->slot, call->call.cell,
                                        call->call.generation, call->call.first, call->call.count,
                                        item_ns * call->call.count, true, &owner, &index),
                     AIMP_OK);
    assert_int_equal(owner, call->call.fn);
}

/* ---- what came of it ---- */

uint32_t aimp__fake_held(uint32_t slot)
{
    struct sched_slot_stats stats;
    aimp__sched_slot_stats(fake.sched, slot, &stats);
    return stats.running + stats.queued;
}

void aimp__fake_no_outcome(void)
{
    struct sched_outcome outcome;
    assert_false(aimp__sched_next_outcome(fake.sched, &outcome));
}

void aimp__fake_outcome(uint32_t kind, uint32_t owner, uint64_t first, uint32_t count)
{
    struct sched_outcome outcome;
    assert_true(aimp__sched_next_outcome(fake.sched, &outcome));
    assert_int_equal(outcome.kind, kind);
    assert_int_equal(outcome.owner, owner);
    assert_int_equal(outcome.first, first);
    assert_int_equal(outcome.count, count);
}
