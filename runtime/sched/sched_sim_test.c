/* Properties of the scheduler in simulated time: what is fair, what is fast enough, and
 * that nothing is lost or done twice, whatever happens. */
/* SPDX-License-Identifier: MIT */
#include "sched/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT_NS (1000 * SIM_S)

static const struct sim_config two_workers = {
    .sched = {.max_slots = 2, .queues = 1, .concurrency = 16, .cells = 256, .grace_ms = 1000},
    .workers = 2,
    .latency_ns = 5 * SIM_US,
    .spawn_ns = SIM_MS,
};

static struct sim_config with_workers(uint32_t workers)
{
    struct sim_config config = two_workers;
    config.workers = config.sched.max_slots = workers;
    return config;
}

static uint32_t below(uint64_t *random, uint32_t bound)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 33) % bound;
}

static uint64_t between(uint64_t *random, uint64_t low, uint64_t high)
{
    return low + below(random, (uint32_t)(high - low + 1));
}

static struct sched_spec spec_of(uint32_t count)
{
    return (struct sched_spec){.count = count, .queue = 1, .pin = SCHED_NO_PIN};
}

static void set_up_workers(struct sim *sim)
{
    aimp__sim_run_until(sim, aimp__sim_now_ns(sim) + SIM_MS);
}

/* ---- sharing ---- */

static void share_eight(uint64_t low_ns, uint64_t high_ns, uint64_t seed)
{
    struct sim *sim = aimp__sim_new(&two_workers);
    for (int i = 0; i < 8; i++)
        aimp__sim_submit_cpu(sim, between(&seed, low_ns, high_ns));
    uint64_t took_ns = aimp__sim_run(sim, LIMIT_NS);
    assert_int_equal(aimp__sim_starts(sim, 0), 4);
    assert_int_equal(aimp__sim_starts(sim, 1), 4);
    assert_true(took_ns <= 4 * high_ns + SIM_MS);
    aimp__sim_free(sim);
}

static void test_eight_blocking_tasks_run_four_and_four(void **state)
{
    (void)state;
    for (uint64_t ns = 100 * SIM_US; ns <= SIM_S; ns *= 10)
        share_eight(ns, ns, 1);
}

/* Within a tenth of each other: nobody is through with four before the other has begun its last. */
static void test_eight_unequal_tasks_run_four_and_four(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++)
        share_eight(95 * SIM_MS, 105 * SIM_MS, seed);
}

/* One takes as long as the other seven together: those must not wait behind it. */
static void test_short_tasks_do_not_wait_behind_a_long_one(void **state)
{
    (void)state;
    for (uint32_t place = 0; place < 8; place++) {
        struct sim *sim = aimp__sim_new(&two_workers);
        for (uint32_t i = 0; i < 8; i++)
            aimp__sim_submit_cpu(sim, i == place ? 70 * SIM_MS : 10 * SIM_MS);
        assert_in_range(aimp__sim_run(sim, LIMIT_NS), 70 * SIM_MS, (70 + 45) * SIM_MS);
        for (uint32_t owner = 1; place == 0 && owner <= 8; owner++)
            assert_int_equal(aimp__sim_record(sim, owner, 0)->slot,
                             owner == 1 ? aimp__sim_record(sim, 1, 0)->slot
                                        : 1 - aimp__sim_record(sim, 1, 0)->slot);
        aimp__sim_free(sim);
    }
}

static void check_makespan(uint32_t workers, uint32_t tasks, uint64_t low_ns, uint64_t high_ns,
                           uint64_t seed)
{
    struct sim_config config = with_workers(workers);
    struct sim *sim = aimp__sim_new(&config);
    uint64_t total_ns = 0;
    for (uint32_t i = 0; i < tasks; i++) {
        uint64_t cpu_ns = between(&seed, low_ns, high_ns);
        if (below(&seed, 10) == 0)
            cpu_ns = high_ns;
        aimp__sim_submit_cpu(sim, cpu_ns);
        total_ns += cpu_ns;
    }
    uint64_t ideal_ns = total_ns / workers;
    assert_in_range(aimp__sim_run(sim, LIMIT_NS), ideal_ns, ideal_ns + ideal_ns / 10);
    aimp__sim_free(sim);
}

static void test_mixed_durations_end_within_a_tenth_of_the_ideal(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        check_makespan(2, 100, SIM_MS, 20 * SIM_MS, seed);
        check_makespan(4, 400, SIM_MS, 20 * SIM_MS, seed);
        check_makespan(8, 400, 100 * SIM_US, 10 * SIM_MS, seed);
        check_makespan(3, 3000, SIM_US, 500 * SIM_US, seed);
    }
}

/* The workers have learned that tasks are fast, and hold many when slow ones come. */
static void test_slow_tasks_after_fast_ones_are_shared(void **state)
{
    (void)state;
    struct sim *sim = aimp__sim_new(&two_workers);
    for (int i = 0; i < 5000; i++)
        aimp__sim_submit_cpu(sim, 2 * SIM_US);
    aimp__sim_run(sim, LIMIT_NS);
    for (int i = 0; i < 200; i++)
        aimp__sim_submit_cpu(sim, 10 * SIM_MS);
    assert_in_range(aimp__sim_run(sim, LIMIT_NS), SIM_S, SIM_S + SIM_S / 10);
    aimp__sim_free(sim);
}

static void test_items_of_one_unit_are_shared(void **state)
{
    (void)state;
    enum { ITEMS = 400 };
    static struct sim_item items[ITEMS];
    struct sim *sim = aimp__sim_new(&two_workers);
    for (int i = 0; i < ITEMS; i++)
        items[i].cpu_ns = SIM_MS;
    aimp__sim_submit(sim, spec_of(ITEMS), items);
    assert_in_range(aimp__sim_run(sim, LIMIT_NS), 200 * SIM_MS, 220 * SIM_MS);
    aimp__sim_free(sim);
}

static void test_waiting_tasks_overlap(void **state)
{
    (void)state;
    struct sim *sim = aimp__sim_new(&two_workers);
    const struct sim_item item = {SIM_US, 10 * SIM_MS, SIM_US};
    for (int i = 0; i < 3200; i++)
        aimp__sim_submit(sim, spec_of(1), &item);
    /* 32 at a time */
    assert_in_range(aimp__sim_run(sim, LIMIT_NS), SIM_S, SIM_S + SIM_S / 10);
    aimp__sim_free(sim);
}

static void test_blocked_worker_gets_nothing_new(void **state)
{
    (void)state;
    struct sim *sim = aimp__sim_new(&two_workers);
    set_up_workers(sim);
    aimp__sim_submit_cpu(sim, 10 * SIM_S);
    aimp__sim_run_until(sim, aimp__sim_now_ns(sim) + 20 * SIM_MS);
    uint64_t begin_ns = aimp__sim_now_ns(sim);
    for (int i = 0; i < 500; i++)
        aimp__sim_submit_cpu(sim, SIM_MS);
    aimp__sim_run_until(sim, begin_ns + 550 * SIM_MS);
    assert_int_equal(aimp__sim_unsettled(sim), 1);
    aimp__sim_run(sim, LIMIT_NS);
    aimp__sim_free(sim);
}

/* ---- order ---- */

static void test_one_worker_runs_in_order(void **state)
{
    (void)state;
    enum { TASKS = 500 };
    struct sim_config config = with_workers(1);
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t random = seed;
        int32_t priority[TASKS + 1];
        struct sim *sim = aimp__sim_new(&config);
        for (uint32_t owner = 1; owner <= TASKS; owner++) {
            struct sched_spec spec = spec_of(1);
            priority[owner] = spec.priority = (int32_t)below(&random, 3) - 1;
            struct sim_item item = {.cpu_ns = between(&random, 1, 3000 * SIM_US)};
            aimp__sim_submit(sim, spec, &item);
        }
        aimp__sim_run(sim, LIMIT_NS);
        uint64_t order = 0;
        for (int32_t level = 1; level >= -1; level--)
            for (uint32_t owner = 1; owner <= TASKS; owner++)
                if (priority[owner] == level)
                    assert_int_equal(aimp__sim_record(sim, owner, 0)->order, order++);
        aimp__sim_free(sim);
    }
}

/* ---- faults ---- */

static void test_stopped_worker_keeps_only_what_it_claimed(void **state)
{
    (void)state;
    struct sim *sim = aimp__sim_new(&two_workers);
    for (int i = 0; i < 100; i++)
        aimp__sim_submit_cpu(sim, 2 * SIM_MS);
    aimp__sim_run_until(sim, aimp__sim_now_ns(sim) + 5 * SIM_MS);
    aimp__sim_stop(sim, 0);
    aimp__sim_run_until(sim, aimp__sim_now_ns(sim) + 300 * SIM_MS);
    assert_int_equal(aimp__sim_unsettled(sim), 1);
    aimp__sim_go_on(sim, 0);
    aimp__sim_run(sim, LIMIT_NS);
    aimp__sim_free(sim);
}

static void test_quota_is_exact(void **state)
{
    (void)state;
    static struct sim_item items[40];
    for (uint32_t quota = 1; quota <= 17; quota += 4) {
        struct sim_config config = two_workers;
        config.sched.quota = quota;
        struct sim *sim = aimp__sim_new(&config);
        for (int i = 0; i < 40; i++)
            items[i].cpu_ns = 3 * SIM_US;
        for (uint32_t i = 0; i < 200; i++)
            aimp__sim_submit(sim, spec_of(1 + i % 40), items);
        aimp__sim_run(sim, LIMIT_NS); /* workers are retired with exactly that many starts */
        aimp__sim_free(sim);
    }
}

static void test_overdue_task_costs_its_worker(void **state)
{
    (void)state;
    struct sim *sim = aimp__sim_new(&two_workers);
    struct sched_spec spec = spec_of(1);
    spec.timeout_ms = 100;
    uint32_t loops = aimp__sim_submit(sim, spec, &(struct sim_item){.cpu_ns = 3600 * SIM_S});
    uint32_t sleeps = aimp__sim_submit(sim, spec, &(struct sim_item){.wait_ns = 3600 * SIM_S});
    uint32_t ends = aimp__sim_submit(sim, spec, &(struct sim_item){.cpu_ns = 99 * SIM_MS});
    assert_in_range(aimp__sim_run(sim, LIMIT_NS), 1100 * SIM_MS, 1300 * SIM_MS);
    assert_int_equal(aimp__sim_kills(sim), 1);
    assert_int_equal(aimp__sim_record(sim, loops, 0)->kind, SCHED_TIMED_OUT);
    assert_int_equal(aimp__sim_record(sim, sleeps, 0)->kind, -1);
    assert_int_equal(aimp__sim_record(sim, ends, 0)->kind, -1);
    aimp__sim_free(sim);
}

/* The time that a task waits behind others is not its own. */
static void test_timeout_counts_from_the_start(void **state)
{
    (void)state;
    struct sim_config config = with_workers(1);
    struct sim *sim = aimp__sim_new(&config);
    struct sched_spec spec = spec_of(1);
    spec.timeout_ms = 100;
    for (int i = 0; i < 100; i++)
        aimp__sim_submit(sim, spec, &(struct sim_item){.cpu_ns = 500 * SIM_MS});
    aimp__sim_run(sim, LIMIT_NS);
    assert_int_equal(aimp__sim_kills(sim), 0);
    aimp__sim_free(sim);
}

static void test_cancel_frees_the_rest(void **state)
{
    (void)state;
    static struct sim_item items[1000];
    struct sim *sim = aimp__sim_new(&two_workers);
    for (int i = 0; i < 1000; i++)
        items[i].wait_ns = SIM_S;
    struct sched_spec spec = spec_of(1000);
    spec.group = 7;
    uint32_t owner = aimp__sim_submit(sim, spec, items);
    aimp__sim_run_until(sim, aimp__sim_now_ns(sim) + 10 * SIM_MS);
    uint32_t taken = aimp__sched_cancel_group(aimp__sim_sched(sim), 7);
    assert_in_range(taken, 1000 - 32, 999);
    assert_true(aimp__sim_run(sim, LIMIT_NS) < SIM_MS);
    uint32_t cancelled = 0;
    for (uint32_t i = 0; i < 1000; i++)
        cancelled += aimp__sim_record(sim, owner, i)->kind == SCHED_CANCELLED;
    assert_int_equal(cancelled, taken);
    aimp__sim_free(sim);
}

/* ---- everything at once ---- */

static struct sim_config random_config(uint64_t *random)
{
    uint32_t workers = 1 + below(random, 6);
    return (struct sim_config){
        .sched =
            {
                .max_slots = workers + below(random, 2),
                .queues = 1 + below(random, workers),
                .concurrency = 1 + below(random, 16),
                .quota = below(random, 3) ? 0 : 1 + below(random, 30),
                .cells = 1 + below(random, 64),
                .grace_ms = 5,
            },
        .workers = workers,
        .ring_calls = below(random, 2) ? 0 : 1 + below(random, 10),
        .latency_ns = below(random, 2) ? 0 : between(random, 1, 300 * SIM_US),
        .spawn_ns = between(random, 0, SIM_MS),
    };
}

static struct sim_item random_item(uint64_t *random)
{
    struct sim_item item = {.cpu_ns = between(random, 0, 20 * SIM_US)};
    if (below(random, 8) == 0)
        item.cpu_ns = between(random, SIM_MS, 30 * SIM_MS);
    if (below(random, 4) == 0)
        item = (struct sim_item){item.cpu_ns, between(random, 1, 10 * SIM_MS),
                                 between(random, 0, 50 * SIM_US)};
    return item;
}

static void submit_random(struct sim *sim, const struct sim_config *config, uint64_t *random)
{
    struct sim_item items[50];
    struct sched_spec spec = spec_of(below(random, 3) ? 1 : 1 + below(random, 50));
    for (uint32_t i = 0; i < spec.count; i++)
        items[i] = random_item(random);
    spec.base = below(random, 1000);
    spec.group = below(random, 6);
    spec.priority = (int32_t)below(random, 3);
    spec.retries = below(random, 3);
    spec.queue = 1 + below(random, config->sched.queues);
    if (below(random, 5) == 0)
        spec.pin = (int32_t)below(random, config->workers);
    if (spec.count == 1 && below(random, 5) == 0)
        spec.timeout_ms = 1 + below(random, 10);
    aimp__sim_submit(sim, spec, items);
}

static void do_random(struct sim *sim, const struct sim_config *config, uint64_t *random)
{
    uint32_t slot = below(random, config->workers);
    switch (below(random, 40)) {
    case 0:
        aimp__sim_kill(sim, slot);
        break;
    case 1:
        aimp__sim_stop(sim, slot);
        break;
    case 2:
    case 3:
        aimp__sim_go_on(sim, slot);
        break;
    case 4:
        aimp__sched_cancel_group(aimp__sim_sched(sim), 1 + below(random, 5));
        break;
    case 5:
        aimp__sched_cancel(aimp__sim_sched(sim), aimp__sim_unit(sim, 1));
        break;
    case 6:
        aimp__sim_drain(sim, slot);
        break;
    case 7:
    case 8:
    case 9:
        aimp__sim_run_until(sim, aimp__sim_now_ns(sim) + between(random, 1, 5 * SIM_MS));
        break;
    default:
        submit_random(sim, config, random);
    }
}

static void run_schedule(uint64_t seed)
{
    uint64_t random = seed;
    struct sim_config config = random_config(&random);
    struct sim *sim = aimp__sim_new(&config);
    submit_random(sim, &config, &random);
    for (uint32_t i = 0; i < 400; i++)
        do_random(sim, &config, &random);
    for (uint32_t slot = 0; slot < config.workers; slot++)
        aimp__sim_go_on(sim, slot);
    aimp__sim_run(sim, LIMIT_NS);
    aimp__sim_free(sim);
}

static uint64_t seed_under_test; /* 0: none failed */

/* AIMP_SIM_SEED=n runs only that schedule. */
static void test_random_schedules_settle_everything_once(void **state)
{
    (void)state;
    const char *only = getenv("AIMP_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only ? first : 1000;
    for (seed_under_test = first; seed_under_test <= last; seed_under_test++)
        run_schedule(seed_under_test);
    seed_under_test = 0;
}

static int tell_seed(void **state)
{
    (void)state;
    if (seed_under_test)
        print_error("AIMP_SIM_SEED=%llu\n", (unsigned long long)seed_under_test);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eight_blocking_tasks_run_four_and_four),
        cmocka_unit_test(test_eight_unequal_tasks_run_four_and_four),
        cmocka_unit_test(test_short_tasks_do_not_wait_behind_a_long_one),
        cmocka_unit_test(test_mixed_durations_end_within_a_tenth_of_the_ideal),
        cmocka_unit_test(test_slow_tasks_after_fast_ones_are_shared),
        cmocka_unit_test(test_items_of_one_unit_are_shared),
        cmocka_unit_test(test_waiting_tasks_overlap),
        cmocka_unit_test(test_blocked_worker_gets_nothing_new),
        cmocka_unit_test(test_one_worker_runs_in_order),
        cmocka_unit_test(test_stopped_worker_keeps_only_what_it_claimed),
        cmocka_unit_test(test_quota_is_exact),
        cmocka_unit_test(test_overdue_task_costs_its_worker),
        cmocka_unit_test(test_timeout_counts_from_the_start),
        cmocka_unit_test(test_cancel_frees_the_rest),
        cmocka_unit_test_teardown(test_random_schedules_settle_everything_once, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
