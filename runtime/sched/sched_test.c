/* What sched.h promises of submitting and dispatching. */
/* SPDX-License-Identifier: MIT */
#include "sched/sched_fake.h"

static int setup(void **state)
{
    (void)state;
    aimp__fake_new(&fake_config, 2);
    return 0;
}

/* ---- new and submit ---- */

static void test_config_is_checked(void **state)
{
    (void)state;
    static const struct sched_config bad[] = {
        {.max_slots = 0, .queues = 1, .concurrency = 1, .cells = 1},
        {.max_slots = 2, .queues = 0, .concurrency = 1, .cells = 1},
        {.max_slots = 2, .queues = 3, .concurrency = 1, .cells = 1},
        {.max_slots = 2, .queues = 1, .concurrency = 0, .cells = 1},
        {.max_slots = 2, .queues = 1, .concurrency = 1, .cells = 0},
    };
    const struct sched_ops none = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sched *sched = NULL;
        struct aimp_error err = {0};
        assert_int_equal(aimp__sched_new(&sched, &bad[i], &none, NULL, &err), AIMP_EINVAL);
        assert_null(sched);
        assert_int_equal(err.code, AIMP_EINVAL);
        assert_true(err.text[0] != '\0');
    }
}

static void check_refused(struct sched_spec spec)
{
    struct aimp_error err = {0};
    sched_unit unit = 77;
    assert_int_equal(aimp__sched_submit(fake.sched, &spec, "", 0, &unit, &err), AIMP_EINVAL);
    assert_int_equal(unit, 77);
    assert_true(err.text[0] != '\0');
}

static void test_spec_is_checked(void **state)
{
    (void)state;
    struct sched_spec spec = aimp__fake_spec(0, 1);
    check_refused(spec);
    check_refused(aimp__fake_spec(1, 0));
    spec = aimp__fake_spec(1, 1);
    spec.queue = 0;
    check_refused(spec);
    spec.queue = 2;
    check_refused(spec);
    spec.pin = FAKE_SLOTS;
    check_refused(spec);
    spec = aimp__fake_spec(1, 2);
    spec.timeout_ms = 1;
    check_refused(spec);
    assert_int_equal(aimp__fake_run(), 0);
}

static void test_nothing_is_sent_before_run(void **state)
{
    (void)state;
    aimp__fake_run();
    assert_false(aimp__sched_is_pending(fake.sched));
    aimp__fake_submit_items(1, 1);
    assert_true(aimp__sched_is_pending(fake.sched));
    assert_int_equal(fake.call_count, 0);
    assert_int_equal(aimp__fake_run(), 1);
    assert_false(aimp__sched_is_pending(fake.sched));
    aimp__fake_submit_items(2, 1);
    aimp__fake_complete(aimp__fake_last_call(), FAKE_MS);
    assert_int_equal(fake.call_count, 1);
}

static void test_call_carries_what_was_submitted(void **state)
{
    (void)state;
    struct sched_spec spec = aimp__fake_spec(3, 10);
    char payload[] = "bytes";
    sched_unit unit;
    spec.tag = 44;
    spec.needs = 55;
    spec.base = 1000;
    assert_int_equal(aimp__sched_submit(fake.sched, &spec, payload, 6, &unit, NULL), AIMP_OK);
    payload[0] = 'x'; /* it was copied */
    aimp__fake_run();
    const struct fake_call *sent = aimp__fake_last_call();
    assert_int_equal(sent->call.fn, 3);
    assert_int_equal(sent->call.tag, 44);
    assert_int_equal(sent->call.needs, 55);
    assert_int_equal(sent->call.first, 0);
    assert_int_equal(sent->call.count, 10);
    assert_int_equal(sent->call.timeout_ms, 0);
    assert_int_equal(sent->call.len, 6);
    assert_string_equal(sent->text, "bytes");
}

/* ---- who gets it ---- */

static void test_least_loaded_worker_gets_it(void **state)
{
    (void)state;
    aimp__fake_submit_items(1, 5);
    aimp__fake_run();
    uint32_t loaded = aimp__fake_last_call()->slot;
    for (uint32_t owner = 2; owner <= 5; owner++) {
        aimp__fake_submit_items(owner, 1);
        aimp__fake_run();
        assert_int_not_equal(aimp__fake_last_call()->slot, loaded);
    }
}

static void test_equals_take_turns(void **state)
{
    (void)state;
    uint32_t previous = FAKE_SLOTS;
    for (uint32_t owner = 1; owner <= 6; owner++) {
        aimp__fake_submit_items(owner, 1);
        aimp__fake_run();
        assert_int_not_equal(aimp__fake_last_call()->slot, previous);
        previous = aimp__fake_last_call()->slot;
        aimp__fake_complete(aimp__fake_last_call(), 10 * FAKE_MS);
    }
}

static void test_slots_serve_their_queue(void **state)
{
    (void)state;
    aimp__fake_teardown(NULL);
    struct sched_config config = fake_config;
    config.queues = 3;
    aimp__fake_new(&config, FAKE_SLOTS);
    for (uint32_t owner = 1; owner <= 30; owner++) {
        struct sched_spec spec = aimp__fake_spec(owner, 1);
        spec.queue = owner % 3 + 1;
        aimp__fake_submit(&spec);
    }
    assert_int_equal(aimp__fake_run(), 30);
    for (uint32_t i = 0; i < 30; i++)
        assert_int_equal(fake.calls[i].slot % 3, fake.calls[i].call.fn % 3);
    assert_int_equal(aimp__fake_held(0), 5); /* slots 0 and 3 share queue 1 */
    assert_int_equal(aimp__fake_held(1), 10);
}

static void test_pinned_units_go_to_their_slot(void **state)
{
    (void)state;
    struct sched_spec spec = aimp__fake_spec(1, 1);
    spec.queue = 0;
    spec.pin = 2; /* no worker there yet */
    aimp__fake_submit(&spec);
    assert_int_equal(aimp__fake_run(), 0);
    aimp__sched_worker_ready(fake.sched, 2);
    assert_true(aimp__sched_is_pending(fake.sched));
    assert_int_equal(aimp__fake_run(), 1);
    assert_int_equal(aimp__fake_last_call()->slot, 2);
}

static void test_first_in_first_out_within_a_priority(void **state)
{
    (void)state;
    static const int32_t priorities[] = {0, 5, -5, 0, 5, -5, 7};
    static const uint32_t expected[] = {7, 2, 5, 1, 4, 3, 6};
    for (uint32_t i = 0; i < 7; i++) {
        struct sched_spec spec = aimp__fake_spec(i + 1, 1);
        spec.priority = priorities[i];
        aimp__fake_submit(&spec);
    }
    assert_int_equal(aimp__fake_run(), 7);
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(fake.calls[i].call.fn, expected[i]);
}

/* ---- how much ---- */

static void test_slow_or_unknown_tasks_are_not_prefetched(void **state)
{
    (void)state;
    aimp__fake_submit_many(1, 100);
    assert_int_equal(aimp__fake_run(), 32);
    assert_int_equal(aimp__fake_held(0), 16);
    assert_int_equal(aimp__fake_held(1), 16);
    for (uint32_t owner = 1; owner <= 32; owner++) {
        aimp__fake_complete(aimp__fake_call_of(owner), 2 * FAKE_MS);
        assert_int_equal(aimp__fake_run(), 1); /* one for one */
    }
}

static void test_fast_tasks_are_prefetched(void **state)
{
    (void)state;
    aimp__fake_submit_many(1, 3000);
    aimp__fake_run();
    aimp__fake_complete(aimp__fake_call_of(1), FAKE_MS / 20);
    aimp__fake_run();
    uint32_t held = aimp__fake_held(fake.calls[0].slot);
    assert_in_range(held, 16 + 10, 16 + 20);
}

static void test_full_ring_keeps_the_order(void **state)
{
    (void)state;
    fake.send_rc[0] = AIMP_EFULL;
    aimp__fake_submit_many(1, 4);
    assert_int_equal(aimp__fake_run(), 4); /* the other takes them */
    fake.send_rc[1] = AIMP_EFULL;
    aimp__fake_submit_many(5, 2);
    assert_int_equal(aimp__fake_run(), 0);
    assert_true(aimp__sched_is_pending(fake.sched));
    fake.send_rc[0] = AIMP_OK;
    assert_int_equal(aimp__fake_run(), 2);
    assert_int_equal(fake.calls[4].call.fn, 5); /* and nothing was overtaken */
    assert_int_equal(fake.calls[5].call.fn, 6);
}

static void test_broken_worker_gets_nothing_more(void **state)
{
    (void)state;
    fake.send_rc[0] = fake.send_rc[1] = AIMP_ECORRUPT;
    aimp__fake_submit_many(1, 4);
    assert_int_equal(aimp__fake_run(), 0);
    fake.send_rc[0] = fake.send_rc[1] = AIMP_OK;
    assert_int_equal(aimp__fake_run(), 0);
    aimp__sched_worker_gone(fake.sched, 0, 1);
    assert_int_equal(aimp__fake_run(), 0);
    aimp__sched_worker_ready(fake.sched, 0);
    assert_int_equal(aimp__fake_run(), 4);
    aimp__fake_no_outcome();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, aimp__fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_config_is_checked),
        CASE(test_spec_is_checked),
        CASE(test_nothing_is_sent_before_run),
        CASE(test_call_carries_what_was_submitted),
        CASE(test_least_loaded_worker_gets_it),
        CASE(test_equals_take_turns),
        CASE(test_slots_serve_their_queue),
        CASE(test_pinned_units_go_to_their_slot),
        CASE(test_first_in_first_out_within_a_priority),
        CASE(test_slow_or_unknown_tasks_are_not_prefetched),
        CASE(test_fast_tasks_are_prefetched),
        CASE(test_full_ring_keeps_the_order),
        CASE(test_broken_worker_gets_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
