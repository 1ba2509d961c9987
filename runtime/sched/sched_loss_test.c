/* What sched.h promises of cancel and of workers that go, stop or are used up. */
/* SPDX-License-Identifier: MIT */
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

/* ---- cancel ---- */

static void test_queued_unit_is_cancelled_at_once(void **state)
{
    (void)state;
    struct sched_spec spec = aimp__fake_spec(1, 5);
    spec.base = 100;
    sched_unit unit = aimp__fake_submit(&spec);
    assert_int_equal(aimp__sched_cancel(fake.sched, unit), 5);
    aimp__fake_outcome(SCHED_CANCELLED, 1, 100, 5);
    aimp__fake_no_outcome();
    assert_int_equal(aimp__sched_cancel(fake.sched, unit), 0);
    assert_int_equal(aimp__fake_run(), 0);
    assert_int_equal(fake.cancel_count, 0);
}

static void test_stale_handles_cancel_nothing(void **state)
{
    (void)state;
    sched_unit unit = aimp__fake_submit_items(1, 1);
    aimp__fake_run();
    aimp__fake_complete(aimp__fake_last_call(), FAKE_MS);
    aimp__fake_submit_items(2, 1); /* in its place */
    assert_int_equal(aimp__sched_cancel(fake.sched, unit), 0);
    assert_int_equal(aimp__sched_cancel(fake.sched, 0), 0);
    assert_int_equal(aimp__sched_cancel(fake.sched, 0x100000fffu), 0);
    assert_int_equal(aimp__sched_cancel(fake.sched, UINT64_MAX), 0);
    aimp__fake_no_outcome();
}

static void test_running_items_are_told_and_settle_by_their_results(void **state)
{
    (void)state;
    sched_unit unit = aimp__fake_submit_items(1, 10);
    aimp__fake_run();
    struct fake_call *call = aimp__fake_last_call();
    aimp__fake_claim(call, 4, 0);
    aimp__fake_result(call, 1, 1, false);
    assert_int_equal(aimp__sched_cancel(fake.sched, unit), 6);
    aimp__fake_outcome(SCHED_CANCELLED, 1, 4, 6);
    aimp__fake_no_outcome();
    static const uint32_t running[] = {0, 2, 3};
    assert_int_equal(fake.cancel_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fake.cancels[i].item, running[i]);
        assert_int_equal(fake.cancels[i].cell, call->call.cell);
        assert_int_equal(fake.cancels[i].generation, call->call.generation);
    }
    assert_int_equal(aimp__sched_cancel(fake.sched, unit), 0); /* once is enough */
    assert_int_equal(fake.cancel_count, 3);
    assert_int_equal(aimp__fake_result(call, 0, 1, false), AIMP_OK);
    assert_int_equal(aimp__fake_result(call, 2, 2, true), AIMP_OK);
    assert_true(aimp__sched_worker_is_idle(fake.sched, 0));
}

static void test_unclaimed_unit_leaves_its_cell_to_the_worker(void **state)
{
    (void)state;
    sched_unit unit = aimp__fake_submit_items(1, 2);
    aimp__fake_run();
    struct fake_call *call = aimp__fake_last_call();
    assert_int_equal(aimp__sched_cancel(fake.sched, unit), 2);
    aimp__fake_outcome(SCHED_CANCELLED, 1, 0, 2);
    assert_int_equal(fake.cancel_count, 0);
    assert_false(aimp__sched_worker_is_idle(fake.sched, 0));
    assert_int_equal(aimp__fake_result(call, 0, 1, false), AIMP_ECORRUPT);
    assert_int_equal(aimp__fake_result(call, 0, 0, true), AIMP_OK);
    assert_true(aimp__sched_worker_is_idle(fake.sched, 0));
}

static void test_group_is_cancelled_wherever_its_units_are(void **state)
{
    (void)state;
    struct sched_spec spec = aimp__fake_spec(1, 20);
    spec.group = 3;
    aimp__fake_submit(&spec);
    aimp__fake_run();
    aimp__fake_claim(aimp__fake_last_call(), 1, 0);
    spec.owner = spec.fn = 2;
    aimp__fake_submit(&spec);
    spec.group = 3 + 1024; /* another one, wherever they are kept */
    spec.owner = spec.fn = 3;
    aimp__fake_submit(&spec);
    assert_int_equal(aimp__sched_cancel_group(fake.sched, 0), 0);
    assert_int_equal(aimp__sched_cancel_group(fake.sched, 3), 39);
    assert_int_equal(fake.cancel_count, 1);
    assert_int_equal(aimp__sched_cancel_group(fake.sched, 3), 0);
    assert_int_equal(aimp__sched_cancel_group(fake.sched, 3 + 1024), 20);
}

/* ---- deaths ---- */

static void test_death_splits_a_unit_in_three(void **state)
{
    (void)state;
    struct sched_outcome outcome;
    aimp__fake_submit_items(1, 10);
    aimp__fake_run();
    struct fake_call *call = aimp__fake_last_call();
    aimp__fake_claim(call, 6, 2); /* 0..3 started, 4 and 5 claimed */
    aimp__fake_result(call, 0, 2, false);
    aimp__fake_result(call, 3, 1, false);
    aimp__sched_worker_gone(fake.sched, 0, 17);
    assert_true(aimp__sched_next_outcome(fake.sched, &outcome)); /* 2 was running */
    assert_int_equal(outcome.kind, SCHED_DIED);
    assert_int_equal(outcome.owner, 1);
    assert_int_equal(outcome.first, 2);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.slot, 0);
    assert_int_equal(outcome.death, 17);
    aimp__fake_no_outcome();
    assert_true(aimp__sched_worker_is_idle(fake.sched, 0));
    aimp__sched_worker_ready(fake.sched, 0);
    assert_int_equal(aimp__fake_run(), 1);
    assert_int_equal(aimp__fake_last_call()->call.first, 4);
    assert_int_equal(aimp__fake_last_call()->call.count, 6);
    aimp__fake_complete(aimp__fake_last_call(), FAKE_MS);
}

static void test_lost_work_keeps_its_order_in_front(void **state)
{
    (void)state;
    aimp__fake_submit_many(1, 20); /* 16 of them are sent */
    aimp__fake_run();
    for (uint32_t owner = 1; owner <= 3; owner++)
        aimp__fake_claim(aimp__fake_call_of(owner), 1, 0);
    aimp__fake_complete(aimp__fake_call_of(1), 5 * FAKE_MS);
    fake.call_count = 0;
    aimp__sched_worker_gone(fake.sched, 0, 1);
    aimp__fake_outcome(SCHED_DIED, 3, 0, 1);
    aimp__fake_outcome(SCHED_DIED, 2, 0, 1);
    aimp__fake_no_outcome();
    aimp__sched_worker_ready(fake.sched, 0);
    assert_int_equal(aimp__fake_run(), 16);
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(fake.calls[i].call.fn, 4 + i);
}

static void test_retries_are_for_deaths_only_and_run_out(void **state)
{
    (void)state;
    struct sched_spec spec = aimp__fake_spec(1, 1);
    spec.retries = 2;
    aimp__fake_submit(&spec);
    for (uint32_t death = 1; death <= 3; death++) {
        aimp__fake_no_outcome();
        assert_int_equal(aimp__fake_run(), 1);
        aimp__sched_worker_gone(fake.sched, 0, 100); /* never started: costs no retry */
        aimp__sched_worker_ready(fake.sched, 0);
        assert_int_equal(aimp__fake_run(), 1);
        aimp__fake_claim(aimp__fake_last_call(), 1, 0);
        aimp__sched_worker_gone(fake.sched, 0, death);
        aimp__sched_worker_ready(fake.sched, 0);
    }
    aimp__fake_outcome(SCHED_DIED, 1, 0, 1);
    assert_int_equal(aimp__fake_run(), 0);
}

static void test_cancelled_items_are_not_tried_again(void **state)
{
    (void)state;
    struct sched_spec spec = aimp__fake_spec(1, 1);
    spec.retries = 5;
    sched_unit unit = aimp__fake_submit(&spec);
    aimp__fake_run();
    aimp__fake_claim(aimp__fake_last_call(), 1, 0);
    aimp__sched_cancel(fake.sched, unit);
    aimp__sched_worker_gone(fake.sched, 0, 1);
    aimp__fake_outcome(SCHED_CANCELLED, 1, 0, 1);
    aimp__fake_no_outcome();
}

static void test_pinned_units_wait_for_the_slots_next_process(void **state)
{
    (void)state;
    set_up_with(&fake_config, 2);
    struct sched_spec spec = aimp__fake_spec(1, 1);
    spec.pin = 0;
    aimp__fake_submit(&spec);
    aimp__fake_run();
    aimp__sched_worker_gone(fake.sched, 0, 1);
    assert_int_equal(aimp__fake_run(), 0);
    aimp__sched_worker_ready(fake.sched, 0);
    assert_int_equal(aimp__fake_run(), 1);
    assert_int_equal(aimp__fake_last_call()->slot, 0);
}

static void test_removed_slot_gives_its_pinned_units_to_the_queue(void **state)
{
    (void)state;
    set_up_with(&fake_config, 2);
    struct sched_spec spec = aimp__fake_spec(1, 1);
    spec.pin = 3;
    aimp__fake_submit(&spec);
    assert_int_equal(aimp__fake_run(), 0);
    aimp__sched_worker_remove(fake.sched, 3);
    assert_int_equal(aimp__fake_run(), 1);
    assert_in_range(aimp__fake_last_call()->slot, 0, 1);
}

/* Nothing that the dead process left in its cells binds the next one. */
static void test_next_process_starts_clean(void **state)
{
    (void)state;
    struct sched_config config = fake_config;
    config.cells = 2;
    config.quota = 3;
    set_up_with(&config, 1);
    sched_unit unit = aimp__fake_submit_items(1, 1);
    aimp__fake_run();
    aimp__sched_cancel(fake.sched, unit);
    aimp__sched_worker_gone(fake.sched, 0, 1);
    aimp__sched_worker_ready(fake.sched, 0);
    aimp__fake_submit_many(2, 4);
    assert_int_equal(aimp__fake_run(), 2);
    aimp__fake_complete(aimp__fake_last_call(), FAKE_MS);
    assert_int_equal(aimp__fake_run(), 1);
}

/* A worker that answers what it never claimed: found out when that is taken back. */
static void forge(uint32_t first, uint32_t count)
{
    struct sched_outcome outcome;
    set_up_with(&fake_config, 1);
    aimp__fake_submit_items(1, 10);
    aimp__fake_run();
    aimp__fake_claim(aimp__fake_last_call(), 2, 0);
    assert_int_equal(aimp__fake_result(aimp__fake_last_call(), first, count, false), AIMP_OK);
    aimp__sched_worker_drain(fake.sched, 0);
    assert_int_equal(fake.kills[0], 1);
    aimp__fake_run();
    assert_int_equal(fake.call_count, 1);
    aimp__sched_worker_gone(fake.sched, 0, 1);
    aimp__sched_worker_ready(fake.sched, 0);
    uint32_t settled = count;
    while (aimp__sched_next_outcome(fake.sched, &outcome))
        settled += outcome.count;
    aimp__fake_run();
    for (uint32_t i = 1; i < fake.call_count; i++)
        settled += fake.calls[i].call.count;
    assert_int_equal(settled, 10);
}

static void test_forged_results_settle_nothing_twice(void **state)
{
    (void)state;
    forge(9, 1);
    forge(4, 2);
    forge(0, 5);
    forge(0, 10);
}

/* ---- drain and quota ---- */

static void test_draining_worker_gives_back_what_it_has_not_claimed(void **state)
{
    (void)state;
    set_up_with(&fake_config, 2);
    aimp__fake_submit_items(1, 6);
    aimp__fake_submit_items(2, 2);
    aimp__fake_run();
    struct fake_call call = *aimp__fake_call_of(1);
    aimp__fake_claim(&call, 2, 0);
    aimp__sched_worker_drain(fake.sched, call.slot);
    assert_int_equal(aimp__fake_run(), 1);
    assert_int_equal(aimp__fake_last_call()->slot, 1 - call.slot);
    assert_int_equal(aimp__fake_last_call()->call.first, 2);
    assert_int_equal(aimp__fake_last_call()->call.count, 4);
    assert_false(aimp__sched_worker_is_idle(fake.sched, call.slot));
    assert_int_equal(aimp__fake_result(&call, 0, 2, true), AIMP_OK);
    assert_true(aimp__sched_worker_is_idle(fake.sched, call.slot));
    aimp__fake_submit_many(3, 40);
    aimp__fake_run();
    assert_int_equal(aimp__fake_held(call.slot), 0);
    aimp__fake_no_outcome();
}

static void test_quota_cuts_units(void **state)
{
    (void)state;
    struct sched_config config = fake_config;
    config.quota = 4;
    set_up_with(&config, 1);
    aimp__fake_submit_items(1, 3);
    aimp__fake_submit_items(2, 6);
    aimp__fake_submit_items(3, 1);
    assert_int_equal(aimp__fake_run(), 2);
    assert_int_equal(aimp__fake_last_call()->call.count, 1);
    assert_true(aimp__sched_worker_is_spent(fake.sched, 0));
    assert_int_equal(aimp__fake_run(), 0);
    aimp__sched_worker_gone(fake.sched, 0, 1); /* it had claimed nothing */
    assert_false(aimp__sched_worker_is_spent(fake.sched, 0));
    aimp__sched_worker_ready(fake.sched, 0);
    fake.call_count = 0;
    aimp__fake_run();
    assert_int_equal(fake.calls[0].call.fn, 1);
    assert_int_equal(fake.calls[1].call.fn, 2);
    assert_int_equal(fake.calls[1].call.first, 0);
    aimp__fake_complete(&fake.calls[0], FAKE_MS);
    aimp__fake_complete(&fake.calls[1], FAKE_MS);
    aimp__sched_worker_gone(fake.sched, 0, 2);
    aimp__sched_worker_ready(fake.sched, 0);
    assert_int_equal(aimp__fake_run(), 1);
    assert_int_equal(aimp__fake_last_call()->call.first, 1);
    assert_int_equal(aimp__fake_last_call()->call.count, 4);
    aimp__fake_no_outcome();
}

static void test_what_is_taken_back_does_not_count(void **state)
{
    (void)state;
    struct sched_config config = fake_config;
    config.quota = 4;
    set_up_with(&config, 1);
    sched_unit unit = aimp__fake_submit_items(1, 4);
    aimp__fake_run();
    aimp__fake_claim(aimp__fake_last_call(), 1, 0);
    assert_int_equal(aimp__sched_cancel(fake.sched, unit), 3);
    assert_false(aimp__sched_worker_is_spent(fake.sched, 0));
    aimp__fake_submit_items(2, 5);
    assert_int_equal(aimp__fake_run(), 1);
    assert_int_equal(aimp__fake_last_call()->call.count, 3);
    assert_true(aimp__sched_worker_is_spent(fake.sched, 0));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, aimp__fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_queued_unit_is_cancelled_at_once),
        CASE(test_stale_handles_cancel_nothing),
        CASE(test_running_items_are_told_and_settle_by_their_results),
        CASE(test_unclaimed_unit_leaves_its_cell_to_the_worker),
        CASE(test_group_is_cancelled_wherever_its_units_are),
        CASE(test_death_splits_a_unit_in_three),
        CASE(test_lost_work_keeps_its_order_in_front),
        CASE(test_retries_are_for_deaths_only_and_run_out),
        CASE(test_cancelled_items_are_not_tried_again),
        CASE(test_pinned_units_wait_for_the_slots_next_process),
        CASE(test_removed_slot_gives_its_pinned_units_to_the_queue),
        CASE(test_next_process_starts_clean),
        CASE(test_forged_results_settle_nothing_twice),
        CASE(test_draining_worker_gives_back_what_it_has_not_claimed),
        CASE(test_quota_cuts_units),
        CASE(test_what_is_taken_back_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
