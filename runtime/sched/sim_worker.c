/* The contract is in sim.h and sim_worker.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/sim_worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHEAP_NS  (20 * SIM_US)
#define CLAIM_MAX 64u
#define ROW_NS    SIM_MS /* a row of results that took this long goes out */

static void *made(size_t size)
{
    void *memory = calloc(1, size);
    assert_non_null(memory);
    return memory;
}

void aimp__sim_worker_init(struct sim_worker *worker, uint32_t index,
                           const struct sim_config *config)
{
    *worker = (struct sim_worker){.index = index, .config = config, .change_at_ns = SIM_NEVER};
    worker->is_reaped = true;
    worker->cells = made(config->sched.cells * sizeof *worker->cells);
    worker->waiting = made(config->sched.concurrency * sizeof *worker->waiting);
}

static void free_call(struct sim_call *call)
{
    free(call->items);
    free(call);
}

void aimp__sim_worker_die(struct sim_worker *worker)
{
    worker->is_alive = worker->is_stopped = worker->is_draining = worker->is_reaped = false;
    while (worker->calls) {
        struct sim_call *call = worker->calls;
        worker->calls = call->next;
        free_call(call);
    }
    worker->on_cpu.call = worker->row_call = NULL;
    worker->waiting_count = 0;
    worker->row.count = 0;
}

void aimp__sim_worker_fini(struct sim_worker *worker)
{
    aimp__sim_worker_die(worker);
    while (worker->frames) {
        struct sim_frame *frame = worker->frames;
        worker->frames = frame->next;
        free(frame);
    }
    free(worker->cells);
    free(worker->waiting);
}

/* The next process of a slot gets new shared memory. */
void aimp__sim_worker_start(struct sim_worker *worker)
{
    memset(worker->cells, 0, worker->config->sched.cells * sizeof *worker->cells);
    worker->is_alive = true;
    worker->claim_size = 1;
    worker->starts = 0;
}

/* ---- what it is told ---- */

static uint32_t unclaimed_calls(const struct sim_worker *worker)
{
    uint32_t count = 0;
    for (const struct sim_call *call = worker->calls; call; call = call->next)
        count += call->limit == call->call.first;
    return count;
}

static void append_call(struct sim_worker *worker, const struct sched_call *call)
{
    struct sim_call *copy = made(sizeof *copy);
    copy->call = *call;
    copy->items = made(call->len);
    memcpy(copy->items, call->payload, call->len);
    copy->claimed = copy->limit = call->first;
    struct sim_call **to = &worker->calls;
    while (*to)
        to = &(*to)->next;
    *to = copy;
}

int aimp__sim_worker_call(struct sim_worker *worker, const struct sched_call *call)
{
    uint32_t room = worker->config->ring_calls;
    if (room && unclaimed_calls(worker) >= room)
        return AIMP_EFULL;
    for (const struct sim_call *other = worker->calls; other; other = other->next)
        assert_int_not_equal(other->call.cell, call->cell);
    if (worker->is_alive)
        append_call(worker, call);
    worker->cells[call->cell] = (struct sim_cell){.generation = call->generation,
                                                  .next = call->first,
                                                  .end = call->first + call->count,
                                                  .running = call->first - 1};
    return AIMP_OK;
}

/* Ends a wait; what computes does not hear of it, what has not started does nothing. */
void aimp__sim_worker_cancel(struct sim_worker *worker, uint32_t cell, uint32_t generation,
                             uint32_t item, uint64_t now_ns)
{
    for (struct sim_call *call = worker->calls; call; call = call->next)
        if (call->call.cell == cell && call->call.generation == generation && item >= call->claimed)
            call->items[item] = (struct sim_item){0};
    for (uint32_t i = 0; i < worker->waiting_count; i++) {
        struct sim_running *waiting = &worker->waiting[i];
        if (waiting->call->call.cell != cell || waiting->call->call.generation != generation ||
            waiting->item != item)
            continue;
        waiting->wake_ns = now_ns;
        waiting->call->items[item].after_ns = 0;
    }
}

/* ---- what it tells ---- */

static void flush(struct sim_worker *worker, uint64_t now_ns)
{
    if (worker->row.count == 0 && !worker->row.is_end)
        return;
    struct sim_frame *frame = made(sizeof *frame);
    *frame = worker->row;
    frame->at_ns = now_ns + worker->config->latency_ns;
    struct sim_frame **to = &worker->frames;
    while (*to)
        to = &(*to)->next;
    *to = frame;
    worker->row = (struct sim_frame){0};
    worker->row_call = NULL;
}

static void remove_call(struct sim_worker *worker, struct sim_call *call)
{
    struct sim_call **place = &worker->calls;
    while (*place != call)
        place = &(*place)->next;
    *place = call->next;
    free_call(call);
}

static bool is_through(const struct sim_worker *worker, const struct sim_call *call)
{
    const struct sim_cell *cell = &worker->cells[call->call.cell];
    return call->unfinished == 0 && cell->next == cell->end;
}

/* The last word about a call, with the row of results if that is its. */
static void end_call(struct sim_worker *worker, struct sim_call *call, uint64_t now_ns)
{
    if (worker->row_call != call) {
        flush(worker, now_ns);
        worker->row.cell = call->call.cell;
        worker->row.generation = call->call.generation;
        worker->row.first = call->call.first;
    }
    worker->row.is_end = true;
    flush(worker, now_ns);
    remove_call(worker, call);
}

static void finish(struct sim_worker *worker, const struct sim_running *running, uint64_t wall_ns,
                   uint64_t now_ns)
{
    struct sim_call *call = running->call;
    struct sim_frame *row = &worker->row;
    if (worker->row_call != call || row->first + row->count != running->item) {
        flush(worker, now_ns);
        row->cell = call->call.cell;
        row->generation = call->call.generation;
        row->first = running->item;
        worker->row_call = call;
    }
    row->count++;
    row->wall_ns += wall_ns;
    call->unfinished--;
    if (is_through(worker, call))
        end_call(worker, call, now_ns);
    else if (row->wall_ns >= ROW_NS)
        flush(worker, now_ns);
}

/* ---- what it does ---- */

static void compute(struct sim_worker *worker, const struct sim_running *running, bool is_after,
                    uint64_t now_ns)
{
    const struct sim_item *item = &running->call->items[running->item];
    worker->on_cpu = *running;
    worker->is_after = is_after;
    worker->busy_until_ns = now_ns + (is_after ? item->after_ns : item->cpu_ns);
}

static void wait_for_wake(struct sim_worker *worker, struct sim_running running, uint64_t now_ns)
{
    running.wake_ns = now_ns + running.call->items[running.item].wait_ns;
    uint32_t timeout_ms = running.call->call.timeout_ms;
    uint64_t deadline_ns = running.start_ns + timeout_ms * SIM_MS;
    if (timeout_ms && deadline_ns < running.wake_ns)
        running.wake_ns = deadline_ns > now_ns ? deadline_ns : now_ns;
    assert_true(worker->waiting_count < worker->config->sched.concurrency);
    worker->waiting[worker->waiting_count++] = running;
    flush(worker, now_ns);
}

static void leave_cpu(struct sim_worker *worker, uint64_t now_ns)
{
    struct sim_running running = worker->on_cpu;
    const struct sim_item *item = &running.call->items[running.item];
    worker->on_cpu.call = NULL;
    if (!worker->is_after && item->wait_ns > 0) {
        wait_for_wake(worker, running, now_ns);
        return;
    }
    worker->claim_size =
        item->cpu_ns < CHEAP_NS && worker->claim_size * 4 <= CLAIM_MAX ? worker->claim_size * 4 : 1;
    finish(worker, &running, worker->is_after ? now_ns - running.start_ns : item->cpu_ns, now_ns);
}

static bool resume(struct sim_worker *worker, uint64_t now_ns)
{
    for (uint32_t i = 0; i < worker->waiting_count; i++) {
        struct sim_running running = worker->waiting[i];
        if (running.wake_ns > now_ns)
            continue;
        worker->waiting_count--;
        memmove(&worker->waiting[i], &worker->waiting[i + 1],
                (worker->waiting_count - i) * sizeof running);
        compute(worker, &running, true, now_ns);
        return true;
    }
    return false;
}

static void claim(struct sim_worker *worker, struct sim_call *call, uint64_t now_ns)
{
    struct sim_cell *cell = &worker->cells[call->call.cell];
    uint32_t count = cell->end - cell->next;
    if (count > worker->claim_size)
        count = worker->claim_size;
    if (count == 0)
        return;
    call->claimed = cell->next;
    cell->next += count;
    cell->claim_ns = now_ns;
    call->limit = cell->next;
    call->unfinished += count;
}

static bool begin(struct sim_worker *worker, struct sim_call *call, uint64_t now_ns)
{
    if (call->claimed == call->limit)
        claim(worker, call, now_ns);
    if (call->claimed == call->limit)
        return false;
    struct sim_running running = {.call = call, .item = call->claimed++, .start_ns = now_ns};
    worker->cells[call->call.cell].running = running.item;
    worker->starts++;
    worker->on_start(worker->ctx, worker->index, call->call.fn, running.item);
    compute(worker, &running, false, now_ns);
    return true;
}

static bool begin_next(struct sim_worker *worker, uint64_t now_ns)
{
    struct sim_call *next;
    if (worker->waiting_count == worker->config->sched.concurrency)
        return false;
    for (struct sim_call *call = worker->calls; call; call = next) {
        next = call->next;
        if (begin(worker, call, now_ns))
            return true;
        if (is_through(worker, call))
            end_call(worker, call, now_ns); /* all of it was taken back */
    }
    return false;
}

static bool do_one(struct sim_worker *worker, uint64_t now_ns)
{
    if (worker->on_cpu.call) {
        if (worker->busy_until_ns > now_ns)
            return false;
        leave_cpu(worker, now_ns);
        return true;
    }
    if (resume(worker, now_ns) || begin_next(worker, now_ns))
        return true;
    flush(worker, now_ns);
    return false;
}

bool aimp__sim_worker_step(struct sim_worker *worker, uint64_t now_ns)
{
    bool any = false;
    while (worker->is_alive && !worker->is_stopped && do_one(worker, now_ns))
        any = true;
    return any;
}

uint64_t aimp__sim_worker_next_ns(const struct sim_worker *worker)
{
    uint64_t next_ns = worker->frames ? worker->frames->at_ns : SIM_NEVER;
    if (worker->change_at_ns < next_ns)
        next_ns = worker->change_at_ns;
    if (!worker->is_alive || worker->is_stopped)
        return next_ns;
    if (worker->on_cpu.call)
        return worker->busy_until_ns < next_ns ? worker->busy_until_ns : next_ns;
    for (uint32_t i = 0; i < worker->waiting_count; i++)
        if (worker->waiting[i].wake_ns < next_ns)
            next_ns = worker->waiting[i].wake_ns;
    return next_ns;
}
