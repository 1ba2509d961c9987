/* What sched.h promises of deadlines, of work that moves between workers, and when memory is short.
 */
/* SPDX-License-Identifier: MIT */
#include "sched/alloc.h"
#include "sched/sched_fake.h"

static int setup(void **state)
{
    (void)state;
    aimp__fake_new(&fake_config, 1);
    return 0;
}

static void set_up_with(const struct sched_config *config, uint32_t workers)
{
    aimp__fake_teardown(NULL);
    aimp__fake_new(config, workers);
}

static void pass_ms(uint32_t ms)
{
    fake.now_ns += ms * FAKE_MS;
    aimp__sched_tick(fake.sched);
}

/* ---- time ---- */

static sched_unit submit_timed(uint32_t owner, uint32_t timeout_ms, uint32_t retries)
{
    struct sched_spec spec = aimp__fake_spec(owner, 1);
    spec.timeout_ms = timeout_ms;
    spec.retries = retries;
    return aimp__fake_submit(&spec);
}

static void test_overdue_task_kills_its_worker_after_the_grace_time(void **state)
{
    (void)state;
    submit_timed(1, 500, 3);
    aimp__fake_submit_items(2, 1);
    aimp__fake_run();
    assert_int_equal(aimp__fake_call_of(1)->call.timeout_ms, 500);
    pass_ms(3000); /* it waits in the worker: that is not its own time */
    assert_int_equal(fake.kills[0], 0);
    aimp__fake_claim(aimp__fake_call_of(1), 1, 0);
    aimp__fake_claim(aimp__fake_call_of(2), 1, 0);
    pass_ms(1400);
    assert_int_equal(fake.kills[0], 0);
    assert_int_not_equal(aimp__sched_next_tick_ns(fake.sched), 0);
    pass_ms(200);
    pass_ms(1500); /* the deadline is known exactly only after a look */
    assert_int_equal(fake.kills[0], 1);
    aimp__sched_worker_gone(fake.sched, 0, 1);
    aimp__fake_outcome(SCHED_DIED, 2, 0, 1);
    aimp__fake_outcome(SCHED_TIMED_OUT, 1, 0, 1);
    aimp__fake_no_outcome();
}

static void test_deadline_is_announced(void **state)
{
    (void)state;
    assert_int_equal(aimp__sched_next_tick_ns(fake.sched), 0);
    submit_timed(1, 500, 0);
    uint64_t sent_ns = fake.now_ns;
    aimp__fake_run();
    aimp__fake_claim(aimp__fake_last_call(), 1, 0);
    while (fake.kills[0] == 0) {
        uint64_t tick_ns = aimp__sched_next_tick_ns(fake.sched);
        assert_in_range(tick_ns, fake.now_ns + 1, sent_ns + 1500 * FAKE_MS);
        fake.now_ns = tick_ns;
        aimp__sched_tick(fake.sched);
        aimp__fake_run();
    }
    assert_int_equal(fake.now_ns, sent_ns + 1500 * FAKE_MS);
}

static void test_answered_task_has_no_deadline(void **state)
{
    (void)state;
    submit_timed(1, 500, 0);
    aimp__fake_run();
    aimp__fake_complete(aimp__fake_last_call(), 400 * FAKE_MS);
    for (int i = 0; i < 10; i++)
        pass_ms(1000);
    assert_int_equal(fake.kills[0], 0);
    assert_int_equal(aimp__sched_next_tick_ns(fake.sched), 0);
}

/* ---- balance ---- */

static void test_idle_worker_takes_half(void **state)
{
    (void)state;
    aimp__fake_submit_items(1, 100);
    aimp__fake_run();
    struct fake_call call = *aimp__fake_last_call();
    aimp__fake_claim(&call, 20, 0);
    aimp__sched_worker_ready(fake.sched, 1);
    fake.now_ns += FAKE_MS;
    assert_int_equal(aimp__fake_run(), 1);
    assert_int_equal(aimp__fake_last_call()->slot, 1);
    assert_int_equal(aimp__fake_last_call()->call.first, 60);
    assert_int_equal(aimp__fake_last_call()->call.count, 40);
    struct sched_stats stats;
    aimp__sched_stats(fake.sched, &stats);
    assert_int_equal(stats.moved, 40);
}

/* One that lets a unit lie is blocked; the other has room, though it is not idle. */
static void test_blocked_worker_gets_nothing_new(void **state)
{
    (void)state;
    set_up_with(&fake_config, 2);
    aimp__fake_submit_many(1, 4);
    aimp__fake_run();
    uint32_t blocked = fake.calls[0].slot;
    for (uint32_t i = 0; i < 4; i++)
        if (fake.calls[i].slot != blocked || i == 0)
            aimp__fake_claim(&fake.calls[i], 1, 0);
    for (int i = 0; i < 20; i++) {
        pass_ms(1);
        aimp__fake_run();
    }
    assert_int_equal(aimp__fake_held(blocked), 1); /* the one that it claimed */
    aimp__fake_submit_items(10, 1);
    aimp__fake_run();
    assert_int_equal(aimp__fake_last_call()->slot, 1 - blocked);
}

static void test_pinned_units_are_not_moved(void **state)
{
    (void)state;
    set_up_with(&fake_config, 2);
    struct sched_spec spec = aimp__fake_spec(1, 50);
    spec.pin = 0;
    aimp__fake_submit(&spec);
    for (int i = 0; i < 20; i++) {
        aimp__fake_run();
        pass_ms(5);
    }
    assert_int_equal(fake.call_count, 1);
    aimp__sched_worker_drain(fake.sched, 0);
    aimp__fake_run();
    assert_int_equal(fake.call_count, 1);
}

/* ---- without memory ---- */

#ifdef AIMP_FAILPOINTS

/* What is settled by outcomes, and by another worker that runs what was queued again. */
static uint32_t settle_rest(void)
{
    struct sched_outcome outcome;
    uint32_t settled = 0;
    while (aimp__sched_next_outcome(fake.sched, &outcome))
        settled += outcome.count;
    uint32_t i = fake.call_count;
    aimp__sched_worker_ready(fake.sched, 1);
    aimp__fake_run();
    for (; i < fake.call_count; i++) {
        settled += fake.calls[i].call.count;
        aimp__fake_complete(&fake.calls[i], FAKE_MS);
    }
    return settled;
}

/* A unit at a worker, partly answered and partly claimed, in a slab that is full: to queue its
 * rest again needs memory. */
static void set_up_full_slab(void)
{
    set_up_with(&fake_config, 1);
    aimp__sched_cancel(fake.sched, aimp__fake_submit_items(9, 1)); /* makes room for outcomes */
    aimp__fake_outcome(SCHED_CANCELLED, 9, 0, 1);
    struct sched_spec spec = aimp__fake_spec(2, 1);
    spec.pin = 3;
    for (uint32_t i = 0; i < 1023; i++)
        aimp__fake_submit(&spec);
    spec = aimp__fake_spec(1, 10);
    spec.retries = 1;
    aimp__fake_submit(&spec);
    aimp__fake_run();
    aimp__fake_claim(aimp__fake_last_call(), 6, 2);
    aimp__fake_result(aimp__fake_last_call(), 0, 2, false);
}

static void lose_worker(void)
{
    aimp__sched_worker_gone(fake.sched, 0, 1);
}

static void lose_unclaimed(void)
{
    aimp__sched_worker_drain(fake.sched, 0);
}

/* The nth allocation of `event` fails; so many items are settled all the same. False: it
 * made fewer allocations than n. */
static bool fail_at(unsigned long n, void (*event)(void), uint32_t expected)
{
    set_up_full_slab();
    aimp__sched_fail_alloc_at(n);
    event();
    bool is_through = aimp__sched_fail_alloc_is_armed();
    aimp__sched_fail_alloc_at(0);
    assert_int_equal(settle_rest(), expected);
    return !is_through;
}

static void test_nothing_is_lost_without_memory(void **state)
{
    (void)state;
    unsigned long n = 0;
    while (fail_at(++n, lose_worker, 8))
        ;
    assert_int_equal(n, 3); /* two allocations: the slab's table and a block */
    for (n = 0; fail_at(++n, lose_unclaimed, 4);)
        ;
    assert_int_equal(n, 3);
}
#endif

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, aimp__fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_overdue_task_kills_its_worker_after_the_grace_time),
        CASE(test_deadline_is_announced),
        CASE(test_answered_task_has_no_deadline),
        CASE(test_idle_worker_takes_half),
        CASE(test_blocked_worker_gets_nothing_new),
        CASE(test_pinned_units_are_not_moved),
#ifdef AIMP_FAILPOINTS
        CASE(test_nothing_is_lost_without_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
