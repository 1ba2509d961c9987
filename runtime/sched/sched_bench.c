/* What the scheduler alone costs, without rings and without Lua.
 *
 * Method: four workers that do at once what they are told: a call that is sent is
 * noted, claimed and answered by the next round of results. Units have 16 bytes of payload;
 * each figure is the best of five runs, as other work on the machine only adds.
 *   single       submit 64 units of one item, run, 64 results: ns per unit
 *   chunk        the same with units of 1000 items: ns per unit
 *   queued_10k   submit so many single items, then run and answer until all are
 *   queued_10m   done: ns per unit for all of it. The best of one for 10 million.
 *   cancel       submit 10,000 units of a group, cancel the group: ns per unit
 *   define       a definition that replaces one of 100,000 and is held by a unit until 1,000
 *                more came; one of 100 workers in turn reads the 100 that it missed: ns per
 *                definition, read by all
 * Usage: sched_bench [--json] */
/* SPDX-License-Identifier: MIT */
#include "sched/deflog.h"
#include "sched/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS        5
#define BATCH       64
#define WORKERS     4
#define CELLS       4096
#define ITEM_NS     1000
#define PAYLOAD     "sixteen bytes..."
#define TEN_MILLION 10000000u

struct note {
    uint32_t slot, cell, generation, first, count;
};

static struct sched *sched;
static struct note notes[WORKERS * CELLS];
static uint32_t note_count;

static void check(bool is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "sched_bench: %s failed\n", what);
    exit(1);
}

static uint64_t clock_ns(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- workers ---- */

static int send_call(void *ctx, uint32_t slot, const struct sched_call *call)
{
    (void)ctx;
    if (note_count == sizeof notes / sizeof notes[0])
        return AIMP_EFULL;
    notes[note_count++] =
        (struct note){slot, call->cell, call->generation, call->first, call->count};
    return AIMP_OK;
}

static int send_cancel(void *ctx, uint32_t slot, uint32_t cell, uint32_t generation, uint32_t item)
{
    (void)ctx, (void)slot, (void)cell, (void)generation, (void)item;
    return AIMP_OK;
}

/* Everything that was sent is claimed. */
static int read_claim(void *ctx, uint32_t slot, uint32_t cell, struct sched_claim *out)
{
    (void)ctx, (void)slot, (void)cell;
    *out = (struct sched_claim){.next = UINT32_MAX, .end = UINT32_MAX};
    return AIMP_OK;
}

static uint32_t take_back(void *ctx, uint32_t slot, uint32_t cell, uint32_t max)
{
    (void)ctx, (void)slot, (void)cell, (void)max;
    return 0;
}

static void kill_worker(void *ctx, uint32_t slot)
{
    (void)ctx, (void)slot;
}

static uint32_t answer(void)
{
    uint32_t answered = note_count, owner;
    uint64_t index;
    for (uint32_t i = 0; i < note_count; i++) {
        const struct note *note = &notes[i];
        check(aimp__sched_result(sched, note->slot, note->cell, note->generation, note->first,
                                 note->count, (uint64_t)note->count * ITEM_NS, true, &owner,
                                 &index) == AIMP_OK,
              "result");
    }
    note_count = 0;
    return answered;
}

/* ---- what is measured ---- */

static void submit(uint32_t owner, uint32_t count, uint32_t group)
{
    struct sched_spec spec = {.owner = owner,
                              .count = count,
                              .group = group,
                              .queue = 1,
                              .pin = SCHED_NO_PIN,
                              .needs = 1};
    sched_unit unit;
    check(aimp__sched_submit(sched, &spec, PAYLOAD, sizeof PAYLOAD, &unit, NULL) == AIMP_OK,
          "submit");
}

static void run_until_done(uint32_t units)
{
    while (units > 0) {
        aimp__sched_run(sched);
        units -= answer();
    }
}

static void batches(uint32_t units, uint32_t count)
{
    for (uint32_t i = 0; i < units; i += BATCH) {
        for (uint32_t j = 0; j < BATCH; j++)
            submit(i + j + 1, count, 0);
        run_until_done(BATCH);
    }
}

static void single(uint32_t units)
{
    batches(units, 1);
}

static void chunk(uint32_t units)
{
    batches(units, 1000);
}

static void queued(uint32_t units)
{
    for (uint32_t i = 0; i < units; i++)
        submit(i + 1, 1, 0);
    run_until_done(units);
}

static void cancel(uint32_t units)
{
    struct sched_outcome outcome;
    for (uint32_t i = 0; i < units; i++)
        submit(i + 1, 1, 7);
    check(aimp__sched_cancel_group(sched, 7) == units, "cancel");
    while (aimp__sched_next_outcome(sched, &outcome))
        units--;
    check(units == 0, "cancel");
}

static void catch_up(const struct deflog *log, uint64_t *cursor, uint64_t needed)
{
    struct deflog_entry entry;
    while (aimp__deflog_next(log, *cursor, needed, &entry))
        *cursor = entry.position;
    *cursor = needed;
}

static void define(uint32_t count)
{
    enum { KEYS = 100000, CURSORS = 100, HELD = 1000 };
    static uint64_t cursors[CURSORS], held[HELD];
    static struct deflog *log;
    if (!log) {
        log = aimp__deflog_new();
        check(log != NULL, "deflog");
        for (uint32_t key = 0; key < KEYS; key++)
            aimp__deflog_define(log, key, PAYLOAD, sizeof PAYLOAD);
        for (int i = 0; i < CURSORS; i++)
            catch_up(log, &cursors[i], KEYS);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t position = aimp__deflog_define(log, i * 7919u % KEYS, PAYLOAD, sizeof PAYLOAD);
        aimp__deflog_release(log, held[i % HELD]); /* position 0 at first: nothing */
        aimp__deflog_hold(log, position);
        held[i % HELD] = position;
        catch_up(log, &cursors[i % CURSORS], position);
    }
}

/* ---- figures ---- */

static const struct figure {
    const char *name;
    void (*work)(uint32_t units);
    uint32_t units, runs;
} figures[] = {
    {"single", single, 1u << 20, RUNS},       {"chunk", chunk, 1u << 20, RUNS},
    {"queued_10k", queued, 10000, RUNS * 20}, {"queued_10m", queued, TEN_MILLION, 1},
    {"cancel", cancel, 10000, RUNS * 20},     {"define", define, 1u << 20, RUNS},
};

static void make_pool(void)
{
    static const struct sched_ops ops = {
        .now_ns = clock_ns,
        .send_call = send_call,
        .send_cancel = send_cancel,
        .read_claim = read_claim,
        .take_back = take_back,
        .kill = kill_worker,
    };
    static const struct sched_config config = {
        .max_slots = WORKERS, .queues = 1, .concurrency = 16, .cells = CELLS, .grace_ms = 1000};
    check(aimp__sched_new(&sched, &config, &ops, NULL, NULL) == AIMP_OK, "new");
    for (uint32_t slot = 0; slot < WORKERS; slot++)
        aimp__sched_worker_ready(sched, slot);
}

static double measure(const struct figure *figure)
{
    double best = 0;
    make_pool();
    for (uint32_t run = 0; run < figure->runs; run++) {
        uint64_t begin_ns = clock_ns(NULL);
        figure->work(figure->units);
        double unit_ns = (double)(clock_ns(NULL) - begin_ns) / figure->units;
        if (run == 0 || unit_ns < best)
            best = unit_ns;
    }
    aimp__sched_free(sched);
    return best;
}

int main(int argc, char **argv)
{
    bool is_json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !is_json) {
        fprintf(stderr, "usage: sched_bench [--json]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        double unit_ns = measure(&figures[i]);
        if (is_json)
            printf("%s\"%s_ns\": %.1f", i ? ", " : "{", figures[i].name, unit_ns);
        else
            printf("%-12s %8.1f ns\n", figures[i].name, unit_ns);
    }
    if (is_json)
        puts("}");
    return 0;
}
