/* The parent's side of the simulation; the contract is in sim.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/sim.h"

#include "sched/sim_worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct owner {
    struct sched_spec spec;
    struct sim_record *records; /* owned */
    sched_unit unit;
    uint32_t released;
};

struct sim {
    struct sim_config config;
    struct sched *sched;
    struct sim_worker *workers;
    struct owner *owners; /* by owner - 1 */
    uint32_t owner_count, owner_capacity;
    uint64_t now_ns, starts;
    uint32_t unsettled, unreleased, kills, deaths;
    bool is_running; /* inside aimp__sched_run */
};

static struct owner *owner_at(const struct sim *sim, uint32_t owner)
{
    assert_in_range(owner, 1, sim->owner_count);
    return &sim->owners[owner - 1];
}

/* ---- the scheduler's hands ---- */

static uint64_t ops_now_ns(void *ctx)
{
    return ((const struct sim *)ctx)->now_ns;
}

static int ops_send_call(void *ctx, uint32_t slot, const struct sched_call *call)
{
    struct sim *sim = ctx;
    const struct owner *owner = owner_at(sim, call->fn);
    assert_true(sim->is_running);
    /* that a worker died is known only when it is reaped; until then it takes everything */
    assert_true(sim->workers[slot].is_alive || !sim->workers[slot].is_reaped);
    assert_false(sim->workers[slot].is_draining);
    assert_int_equal(call->needs, call->fn);
    assert_in_range(call->count, 1, owner->spec.count);
    assert_true(call->first + call->count <= owner->spec.count);
    assert_true(owner->spec.pin < 0 || (uint32_t)owner->spec.pin == slot);
    if (owner->spec.pin < 0)
        assert_int_equal(slot % sim->config.sched.queues + 1, owner->spec.queue);
    return aimp__sim_worker_call(&sim->workers[slot], call);
}

static int ops_send_cancel(void *ctx, uint32_t slot, uint32_t cell, uint32_t generation,
                           uint32_t item)
{
    struct sim *sim = ctx;
    aimp__sim_worker_cancel(&sim->workers[slot], cell, generation, item, sim->now_ns);
    return AIMP_OK;
}

static int ops_read_claim(void *ctx, uint32_t slot, uint32_t index, struct sched_claim *out)
{
    const struct sim *sim = ctx;
    const struct sim_cell *cell = &sim->workers[slot].cells[index];
    *out = (struct sched_claim){cell->next, cell->end, cell->running, cell->claim_ns};
    return AIMP_OK;
}

static uint32_t ops_take_back(void *ctx, uint32_t slot, uint32_t index, uint32_t max)
{
    struct sim *sim = ctx;
    struct sim_cell *cell = &sim->workers[slot].cells[index];
    uint32_t count = cell->end - cell->next;
    count = count < max ? count : max;
    cell->end -= count;
    return count;
}

static void ops_kill(void *ctx, uint32_t slot)
{
    struct sim *sim = ctx;
    sim->kills++;
    aimp__sim_kill(sim, slot);
}

static void ops_released(void *ctx, uint64_t needs)
{
    struct sim *sim = ctx;
    struct owner *owner = owner_at(sim, (uint32_t)needs);
    assert_int_equal(owner->released++, 0);
    sim->unreleased--;
}

static const struct sched_ops operations = {
    .now_ns = ops_now_ns,
    .send_call = ops_send_call,
    .send_cancel = ops_send_cancel,
    .read_claim = ops_read_claim,
    .take_back = ops_take_back,
    .kill = ops_kill,
    .released = ops_released,
};

/* ---- records ---- */

static void on_start(void *ctx, uint32_t slot, uint32_t number, uint32_t item)
{
    struct sim *sim = ctx;
    const struct owner *owner = owner_at(sim, number);
    struct sim_record *record = &owner->records[item];
    uint32_t quota = sim->config.sched.quota;
    assert_int_equal(record->settled, 0);
    assert_in_range(++record->starts, 1, 1 + owner->spec.retries);
    assert_true(quota == 0 || sim->workers[slot].starts <= quota);
    record->slot = slot;
    record->start_ns = sim->now_ns;
    record->order = sim->starts++;
}

static void settle(struct sim *sim, uint32_t number, uint64_t index, uint32_t count, int kind)
{
    const struct owner *owner = owner_at(sim, number);
    assert_in_range(count, 1, owner->spec.count);
    assert_in_range(index, owner->spec.base, owner->spec.base + owner->spec.count - count);
    for (uint64_t item = index - owner->spec.base; count-- > 0; item++) {
        struct sim_record *record = &owner->records[item];
        assert_int_equal(record->settled++, 0);
        record->kind = kind;
        record->end_ns = sim->now_ns;
        sim->unsettled--;
    }
}

/* Only what has begun is lost with its worker, and only when its retries are used up. */
static void check_lost(const struct sim *sim, const struct sched_outcome *outcome)
{
    const struct owner *owner = owner_at(sim, outcome->owner);
    const struct sim_record *record = &owner->records[outcome->first - owner->spec.base];
    assert_int_equal(outcome->count, 1);
    if (outcome->kind == SCHED_DIED)
        assert_int_equal(record->starts, 1 + owner->spec.retries);
    assert_in_range(record->starts, 1, 1 + owner->spec.retries);
    assert_int_equal(record->slot, outcome->slot);
}

static bool read_outcomes(struct sim *sim)
{
    struct sched_outcome outcome;
    bool any = false;
    for (; aimp__sched_next_outcome(sim->sched, &outcome); any = true) {
        settle(sim, outcome.owner, outcome.first, outcome.count, (int)outcome.kind);
        if (outcome.kind != SCHED_CANCELLED)
            check_lost(sim, &outcome);
    }
    return any;
}

/* ---- what workers sent ---- */

static void read_frame(struct sim *sim, uint32_t slot, const struct sim_frame *frame)
{
    uint32_t owner;
    uint64_t index;
    int rc = aimp__sched_result(sim->sched, slot, frame->cell, frame->generation, frame->first,
                                frame->count, frame->wall_ns, frame->is_end, &owner, &index);
    assert_int_equal(rc, AIMP_OK);
    if (frame->count > 0 && owner != 0)
        settle(sim, owner, index, frame->count, -1);
}

static bool read_frames(struct sim *sim, struct sim_worker *worker, uint64_t until_ns)
{
    bool any = false;
    while (worker->frames && worker->frames->at_ns <= until_ns) {
        struct sim_frame *frame = worker->frames;
        worker->frames = frame->next;
        read_frame(sim, worker->index, frame);
        free(frame);
        any = true;
    }
    return any;
}

static bool reap_or_replace(struct sim *sim, struct sim_worker *worker)
{
    if (worker->change_at_ns > sim->now_ns)
        return false;
    if (!worker->is_reaped) {
        read_frames(sim, worker, SIM_NEVER);
        aimp__sched_worker_gone(sim->sched, worker->index, ++sim->deaths);
        worker->is_reaped = true;
        worker->change_at_ns = sim->now_ns + sim->config.spawn_ns;
    } else {
        aimp__sim_worker_start(worker);
        aimp__sched_worker_ready(sim->sched, worker->index);
        worker->change_at_ns = SIM_NEVER;
    }
    return true;
}

/* One whose quota is used up, or that is drained, and that holds nothing, makes room for the
 * next. */
static bool retire(struct sim *sim, struct sim_worker *worker)
{
    bool is_spent = aimp__sched_worker_is_spent(sim->sched, worker->index);
    if (!worker->is_alive || !(is_spent || worker->is_draining) ||
        !aimp__sched_worker_is_idle(sim->sched, worker->index))
        return false;
    assert_true(!is_spent || worker->starts == sim->config.sched.quota);
    aimp__sim_kill(sim, worker->index);
    return true;
}

/* ---- the loop ---- */

static bool run_sched(struct sim *sim)
{
    uint64_t tick_ns = aimp__sched_next_tick_ns(sim->sched);
    uint32_t kills = sim->kills;
    if (tick_ns && tick_ns <= sim->now_ns) {
        aimp__sched_tick(sim->sched);
        tick_ns = aimp__sched_next_tick_ns(sim->sched);
        assert_true(tick_ns == 0 || tick_ns > sim->now_ns); /* a timer that is always due */
    }
    uint32_t sent = 0;
    if (aimp__sched_is_pending(sim->sched)) {
        sim->is_running = true;
        sent = aimp__sched_run(sim->sched);
        sim->is_running = false;
    }
    return sent > 0 || sim->kills > kills;
}

static bool work_at_this_time(struct sim *sim)
{
    bool any = false;
    for (uint32_t i = 0; i < sim->config.workers; i++) {
        struct sim_worker *worker = &sim->workers[i];
        any |= aimp__sim_worker_step(worker, sim->now_ns);
        any |= read_frames(sim, worker, sim->now_ns);
        any |= reap_or_replace(sim, worker);
        any |= retire(sim, worker);
    }
    any |= read_outcomes(sim);
    any |= run_sched(sim);
    any |= read_outcomes(sim);
    return any;
}

static uint64_t next_ns(const struct sim *sim)
{
    uint64_t next = aimp__sched_next_tick_ns(sim->sched);
    if (next == 0)
        next = SIM_NEVER;
    for (uint32_t i = 0; i < sim->config.workers; i++) {
        uint64_t worker_ns = aimp__sim_worker_next_ns(&sim->workers[i]);
        next = worker_ns < next ? worker_ns : next;
    }
    return next;
}

void aimp__sim_run_until(struct sim *sim, uint64_t at_ns)
{
    for (;;) {
        while (work_at_this_time(sim))
            ;
        uint64_t next = next_ns(sim);
        if (next > at_ns)
            break;
        assert_true(next > sim->now_ns);
        sim->now_ns = next;
    }
    sim->now_ns = at_ns;
}

uint64_t aimp__sim_run(struct sim *sim, uint64_t limit_ns)
{
    uint64_t begin_ns = sim->now_ns, settled_ns = begin_ns;
    for (;;) {
        while (work_at_this_time(sim))
            ;
        if (sim->unsettled > 0)
            settled_ns = SIM_NEVER;
        else if (settled_ns == SIM_NEVER)
            settled_ns = sim->now_ns;
        if (sim->unsettled == 0 && sim->unreleased == 0)
            break;
        uint64_t next = next_ns(sim);
        if (next == SIM_NEVER || next - begin_ns > limit_ns)
            fail_msg("%u of the items hang at %.6f s", sim->unsettled, (double)sim->now_ns / 1e9);
        assert_true(next > sim->now_ns);
        sim->now_ns = next;
    }
    return (settled_ns == SIM_NEVER ? sim->now_ns : settled_ns) - begin_ns;
}

/* ---- its life ---- */

struct sim *aimp__sim_new(const struct sim_config *config)
{
    struct sim *sim = calloc(1, sizeof *sim);
    assert_non_null(sim);
    sim->config = *config;
    sim->now_ns = SIM_S; /* 0 means never to the scheduler */
    sim->workers = calloc(config->sched.max_slots, sizeof *sim->workers);
    assert_non_null(sim->workers);
    assert_int_equal(aimp__sched_new(&sim->sched, &config->sched, &operations, sim, NULL), 0);
    for (uint32_t i = 0; i < config->sched.max_slots; i++) {
        aimp__sim_worker_init(&sim->workers[i], i, &sim->config);
        sim->workers[i].on_start = on_start;
        sim->workers[i].ctx = sim;
        if (i < config->workers)
            sim->workers[i].change_at_ns = sim->now_ns;
    }
    return sim;
}

static void check_nothing_is_left(const struct sim *sim)
{
    struct sched_stats stats;
    aimp__sched_stats(sim->sched, &stats);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(stats.outstanding, 0);
    for (uint32_t i = 0; i < sim->owner_count; i++)
        assert_int_equal(sim->owners[i].released, 1);
}

void aimp__sim_free(struct sim *sim)
{
    if (sim->unsettled == 0 && sim->unreleased == 0)
        check_nothing_is_left(sim);
    aimp__sched_free(sim->sched);
    for (uint32_t i = 0; i < sim->config.sched.max_slots; i++)
        aimp__sim_worker_fini(&sim->workers[i]);
    for (uint32_t i = 0; i < sim->owner_count; i++)
        free(sim->owners[i].records);
    free(sim->workers);
    free(sim->owners);
    free(sim);
}

static struct owner *new_owner(struct sim *sim)
{
    if (sim->owner_count == sim->owner_capacity) {
        sim->owner_capacity = sim->owner_capacity ? sim->owner_capacity * 2 : 64;
        sim->owners = realloc(sim->owners, sim->owner_capacity * sizeof *sim->owners);
        assert_non_null(sim->owners);
    }
    struct owner *owner = &sim->owners[sim->owner_count++];
    *owner = (struct owner){.records = NULL};
    return owner;
}

uint32_t aimp__sim_submit(struct sim *sim, struct sched_spec spec, const struct sim_item *items)
{
    struct owner *owner = new_owner(sim);
    spec.owner = spec.fn = sim->owner_count;
    spec.needs = sim->owner_count;
    owner->spec = spec;
    owner->records = calloc(spec.count, sizeof *owner->records);
    assert_non_null(owner->records);
    sim->unsettled += spec.count;
    sim->unreleased++;
    assert_int_equal(aimp__sched_submit(sim->sched, &spec, items, spec.count * sizeof *items,
                                        &owner->unit, NULL),
                     AIMP_OK);
    return sim->owner_count;
}

uint32_t aimp__sim_submit_cpu(struct sim *sim, uint64_t cpu_ns)
{
    struct sched_spec spec = {.count = 1, .queue = 1, .pin = SCHED_NO_PIN};
    return aimp__sim_submit(sim, spec, &(struct sim_item){.cpu_ns = cpu_ns});
}

/* ---- faults and questions ---- */

void aimp__sim_kill(struct sim *sim, uint32_t slot)
{
    struct sim_worker *worker = &sim->workers[slot];
    if (!worker->is_alive)
        return;
    aimp__sim_worker_die(worker);
    worker->change_at_ns = sim->now_ns + sim->config.latency_ns;
}

void aimp__sim_stop(struct sim *sim, uint32_t slot)
{
    struct sim_worker *worker = &sim->workers[slot];
    if (!worker->is_alive || worker->is_stopped)
        return;
    worker->is_stopped = true;
    worker->stopped_ns = sim->now_ns;
}

void aimp__sim_go_on(struct sim *sim, uint32_t slot)
{
    struct sim_worker *worker = &sim->workers[slot];
    if (!worker->is_stopped)
        return;
    worker->is_stopped = false;
    worker->busy_until_ns += sim->now_ns - worker->stopped_ns;
}

void aimp__sim_drain(struct sim *sim, uint32_t slot)
{
    if (!sim->workers[slot].is_alive)
        return;
    sim->workers[slot].is_draining = true;
    aimp__sched_worker_drain(sim->sched, slot);
}

sched_unit aimp__sim_unit(const struct sim *sim, uint32_t owner)
{
    return owner_at(sim, owner)->unit;
}

const struct sim_record *aimp__sim_record(const struct sim *sim, uint32_t owner, uint32_t item)
{
    return &owner_at(sim, owner)->records[item];
}

struct sched *aimp__sim_sched(struct sim *sim)
{
    return sim->sched;
}

uint64_t aimp__sim_now_ns(const struct sim *sim)
{
    return sim->now_ns;
}

uint32_t aimp__sim_unsettled(const struct sim *sim)
{
    return sim->unsettled;
}

uint32_t aimp__sim_starts(const struct sim *sim, uint32_t slot)
{
    return sim->workers[slot].starts;
}

uint32_t aimp__sim_kills(const struct sim *sim)
{
    return sim->kills;
}
