/* Claim cells: one owner for each item, whoever comes first. */
/* SPDX-License-Identifier: MIT */
#include "ipc/layout.h"
#include "ipc/test_pair.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define CELLS 4u

static void setup(struct pair *pair)
{
    pair_open(pair, 4 * KIB, 4 * KIB, CELLS);
}

static void expect_state(struct pair *pair, uint32_t cell, uint32_t next, uint32_t end,
                         uint32_t running)
{
    struct cell_state state;
    assert_int_equal(aimp__cell_read(pair->end[0], cell, &state), 0);
    assert_int_equal(state.next, next);
    assert_int_equal(state.end, end);
    assert_int_equal(state.running, running);
}

static void test_claims_go_up_and_take_backs_down(void **state)
{
    (void)state;
    struct pair pair;
    uint32_t item;
    setup(&pair);
    aimp__cell_open(pair.end[0], 2, 77, 100, 10);
    expect_state(&pair, 2, 100, 110, 99);
    assert_int_equal(aimp__cell_claim(pair.end[1], 2, 77, 3, &item), 3);
    assert_int_equal(item, 100);
    expect_state(&pair, 2, 103, 110, 99);
    aimp__cell_progress(pair.end[1], 2, 101);
    expect_state(&pair, 2, 103, 110, 101);
    assert_int_equal(aimp__cell_take_back(pair.end[0], 2, 4), 4);
    expect_state(&pair, 2, 103, 106, 101);
    assert_int_equal(aimp__cell_claim(pair.end[1], 2, 77, UINT32_MAX, &item), 3);
    assert_int_equal(item, 103);
    assert_int_equal(aimp__cell_claim(pair.end[1], 2, 77, 1, &item), 0);
    assert_int_equal(aimp__cell_take_back(pair.end[0], 2, UINT32_MAX), 0);
    pair_close(&pair);
}

static void test_only_the_cell_of_this_use_is_claimed(void **state)
{
    (void)state;
    struct pair pair;
    uint32_t item;
    setup(&pair);
    aimp__cell_open(pair.end[0], 0, 5, 0, 1);
    expect_state(&pair, 0, 0, 1, UINT32_MAX); /* the first item is 0: none ran */
    assert_int_equal(aimp__cell_claim(pair.end[1], 0, 4, 1, &item), 0);
    assert_int_equal(aimp__cell_claim(pair.end[1], CELLS, 5, 1, &item), 0);
    assert_int_equal(aimp__cell_claim(pair.end[1], UINT32_MAX, 5, 1, &item), 0);
    assert_int_equal(aimp__cell_claim(pair.end[1], 0, 5, 0, &item), 0);
    aimp__cell_progress(pair.end[1], CELLS, 0); /* nothing happens */
    assert_int_equal(aimp__cell_claim(pair.end[1], 0, 5, 1, &item), 1);
    pair_close(&pair);
}

static void test_the_claim_is_timed(void **state)
{
    (void)state;
    struct pair pair;
    struct cell_state cell;
    uint32_t item;
    setup(&pair);
    aimp__cell_open(pair.end[0], 1, 1, UINT32_MAX - 8, 8); /* up to the last number */
    assert_int_equal(aimp__cell_read(pair.end[0], 1, &cell), 0);
    assert_int_equal(cell.claim_ns, 0);
    assert_int_equal(aimp__cell_claim(pair.end[1], 1, 1, 8, &item), 8);
    assert_int_equal(aimp__cell_read(pair.end[0], 1, &cell), 0);
    assert_true(cell.claim_ns > 0);
    assert_int_equal(cell.end, UINT32_MAX);
    pair_close(&pair);
}

static uint64_t range(uint32_t next, uint32_t end)
{
    return (uint64_t)end << 32 | next;
}

/* What a worker that scribbles could leave: [10, 20), claimed up to 15, 12 runs. */
static void test_scribbled_cells_are_corrupt(void **state)
{
    (void)state;
    const struct {
        uint64_t range;
        uint32_t running;
    } bad[] = {
        {range(9, 20), 12},  {range(14, 20), 12},         {range(21, 20), 12},
        {range(15, 21), 12}, {range(15, 19), 12},         {range(0, 0), 12},
        {UINT64_MAX, 12},    {range(15, 20), 15},         {range(15, 20), 8},
        {range(15, 20), 0},  {range(15, 20), UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pair pair;
        struct cell_state cell;
        uint32_t item;
        setup(&pair);
        aimp__cell_open(pair.end[0], 3, 1, 10, 10);
        aimp__cell_claim(pair.end[1], 3, 1, 5, &item);
        aimp__cell_progress(pair.end[1], 3, 12);
        expect_state(&pair, 3, 15, 20, 12);
        struct channel_shared *shared = mmap(NULL, 4 * KIB, PROT_READ | PROT_WRITE, MAP_SHARED,
                                             aimp__channel_memfd(pair.end[0]), 0);
        shared->cells[3].range = bad[i].range;
        shared->cells[3].running = bad[i].running;
        munmap(shared, 4 * KIB);
        if (i % 2 == 0 && bad[i].range != range(15, 20)) {
            assert_int_equal(aimp__cell_take_back(pair.end[0], 3, 1), 0);
            assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 0, 0, NULL), AIMP_ECORRUPT);
        }
        assert_int_equal(aimp__cell_read(pair.end[0], 3, &cell), AIMP_ECORRUPT);
        assert_int_equal(aimp__cell_read(pair.end[0], 0, &cell), AIMP_ECORRUPT); /* for ever */
        assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 0, 0, NULL), AIMP_ECORRUPT);
        pair_close(&pair);
    }
}

/* ---- races ---- */

#define ROUNDS 300u
#define ITEMS  10000u

/* Shared by the two sides, also across processes. Each round uses the next cell; the
 * claims of one side and the take-backs of the other are marked item by item. */
struct race {
    _Atomic uint32_t open;    /* rounds opened */
    _Atomic uint32_t claimed; /* rounds of which the worker has some */
    _Atomic uint32_t taken;   /* rounds of which the parent has some back */
    _Atomic uint32_t drained; /* rounds that the worker finds empty */
    _Atomic uint32_t claims, take_backs;
    _Atomic uint8_t owners[ITEMS];
    struct channel *worker;
};

static void await(const _Atomic uint32_t *word, uint32_t round)
{
    while (*word < round)
        sched_yield();
}

/* Each side gets one handful before it goes on, so that both are at it at once. */
static void claim_all(struct race *race, uint32_t round)
{
    uint32_t item;
    uint32_t count;
    uint32_t max = 1 + round % 7;
    while ((count = aimp__cell_claim(race->worker, round % CELLS, round, max, &item)) > 0) {
        for (uint32_t i = 0; i < count; i++)
            race->owners[item + i]++;
        aimp__cell_progress(race->worker, round % CELLS, item + count - 1);
        race->claims += count;
        race->claimed = round;
        await(&race->taken, round);
    }
}

static void *claimer(void *arg)
{
    struct race *race = arg;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        await(&race->open, round);
        claim_all(race, round);
        race->drained = round;
    }
    return NULL;
}

static void take_back_all(struct race *race, struct channel *parent, uint32_t round)
{
    uint32_t end = ITEMS;
    uint32_t count;
    struct cell_state cell;
    await(&race->claimed, round);
    while ((count = aimp__cell_take_back(parent, round % CELLS, 1 + round % 5)) > 0) {
        for (uint32_t i = 0; i < count; i++)
            race->owners[--end]++;
        race->take_backs += count;
        race->taken = round;
        assert_int_equal(aimp__cell_read(parent, round % CELLS, &cell), 0);
        assert_int_equal(cell.end, end);
    }
}

static void run_parent(struct race *race, struct channel *parent)
{
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        memset((void *)race->owners, 0, sizeof race->owners);
        aimp__cell_open(parent, round % CELLS, round, 0, ITEMS);
        race->open = round;
        take_back_all(race, parent, round);
        await(&race->drained, round);
        for (uint32_t i = 0; i < ITEMS; i++)
            assert_int_equal(race->owners[i], 1);
    }
    assert_int_equal(race->claims + race->take_backs, ROUNDS * ITEMS);
    assert_true(race->claims >= ROUNDS && race->take_backs >= ROUNDS);
}

static void test_threads_race(void **state)
{
    (void)state;
    struct pair pair;
    pthread_t thread;
    struct race *race = calloc(1, sizeof *race);
    setup(&pair);
    race->worker = pair.end[1];
    assert_int_equal(pthread_create(&thread, NULL, claimer, race), 0);
    run_parent(race, pair.end[0]);
    pthread_join(thread, NULL);
    free(race);
    pair_close(&pair);
}

static void test_processes_race(void **state)
{
    (void)state;
    struct pair pair;
    struct race *race =
        mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pair_create(&pair, 4 * KIB, 4 * KIB, CELLS);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pair_attach(&pair);
        race->worker = pair.end[1];
        claimer(race);
        _exit(0);
    }
    run_parent(race, pair.end[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    munmap(race, sizeof *race);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims_go_up_and_take_backs_down),
        cmocka_unit_test(test_only_the_cell_of_this_use_is_claimed),
        cmocka_unit_test(test_the_claim_is_timed),
        cmocka_unit_test(test_scribbled_cells_are_corrupt),
        cmocka_unit_test(test_threads_race),
        cmocka_unit_test(test_processes_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
