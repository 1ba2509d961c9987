/* What sched.h promises of cells, results and figures, and when memory is short. */
/* SPDX-License-Identifier: MIT */
#include "sched/alloc.h"
#include "sched/sched_fake.h"

static int setup(void **state)
{
    (void)state;
    aimp__fake_new(&fake_config, 2);
    return 0;
}

/* ---- cells ---- */

static void test_cells_bound_the_outstanding_units(void **state)
{
    (void)state;
    aimp__fake_teardown(NULL);
    struct sched_config config = fake_config;
    config.cells = 3;
    aimp__fake_new(&config, 1);
    aimp__fake_submit_many(1, 10);
    assert_int_equal(aimp__fake_run(), 3);
    uint32_t used = 0;
    for (uint32_t i = 0; i < 3; i++)
        used |= 1u << fake.calls[i].call.cell;
    assert_int_equal(used, 7);
    aimp__fake_complete(&fake.calls[1], FAKE_MS);
    assert_int_equal(aimp__fake_run(), 1);
    assert_int_equal(fake.calls[3].call.cell, fake.calls[1].call.cell);
    assert_int_not_equal(fake.calls[3].call.generation, fake.calls[1].call.generation);
}

/* All results of a unit are there, but the worker may still look at the cell. */
static void test_cell_is_not_reused_before_the_last_word(void **state)
{
    (void)state;
    aimp__fake_teardown(NULL);
    struct sched_config config = fake_config;
    config.cells = 1;
    aimp__fake_new(&config, 1);
    aimp__fake_submit_items(1, 2);
    aimp__fake_submit_items(2, 1);
    aimp__fake_run();
    aimp__fake_claim(&fake.calls[0], 2, 0);
    assert_int_equal(aimp__fake_result(&fake.calls[0], 0, 2, false), AIMP_OK);
    assert_int_equal(aimp__fake_run(), 0);
    assert_false(aimp__sched_worker_is_idle(fake.sched, 0));
    assert_int_equal(aimp__fake_result(&fake.calls[0], 0, 0, true), AIMP_OK);
    assert_true(aimp__sched_worker_is_idle(fake.sched, 0));
    assert_int_equal(aimp__fake_run(), 1);
}

/* ---- results ---- */

static void test_results_tell_owner_and_index(void **state)
{
    (void)state;
    struct sched_spec spec = aimp__fake_spec(9, 10);
    uint32_t owner;
    uint64_t index;
    spec.base = 5000000000u;
    aimp__fake_submit(&spec);
    aimp__fake_run();
    const struct fake_call *call = aimp__fake_last_call();
    aimp__fake_claim(call, FAKE_ALL, 0);
    assert_int_equal(aimp__sched_result(fake.sched, call->slot, call->call.cell,
                                        call->call.generation, 4, 3, 1, false, &owner, &index),
                     AIMP_OK);
    assert_int_equal(owner, 9);
    assert_int_equal(index, 5000000004u);
}

static void test_items_may_finish_in_any_order(void **state)
{
    (void)state;
    aimp__fake_submit_items(1, 200);
    aimp__fake_run();
    const struct fake_call *call = aimp__fake_last_call();
    aimp__fake_claim(call, FAKE_ALL, 0);
    for (uint32_t i = 0; i < 200; i += 2)
        assert_int_equal(aimp__fake_result(call, 199 - i, 1, false), AIMP_OK);
    for (uint32_t i = 0; i < 200; i += 2) {
        assert_int_equal(aimp__fake_held(call->slot), 100 - i / 2);
        assert_int_equal(aimp__fake_result(call, i, 1, i == 198), AIMP_OK);
    }
    assert_true(aimp__sched_worker_is_idle(fake.sched, call->slot));
}

static int result(uint32_t slot, uint32_t cell, uint32_t generation, uint32_t first, uint32_t count,
                  bool end)
{
    uint32_t owner = 1;
    uint64_t index = 1;
    int rc = aimp__sched_result(fake.sched, slot, cell, generation, first, count, 1, end, &owner,
                                &index);
    assert_int_equal(owner, 0);
    return rc;
}

static void test_impossible_results_change_nothing(void **state)
{
    (void)state;
    aimp__fake_submit_items(1, 10);
    aimp__fake_run();
    const struct fake_call *call = aimp__fake_last_call();
    uint32_t slot = call->slot, cell = call->call.cell, generation = call->call.generation;
    aimp__fake_claim(call, FAKE_ALL, 0);
    assert_int_equal(aimp__fake_result(call, 2, 2, false), AIMP_OK);
    assert_int_equal(result(1 - slot, cell, generation, 0, 1, false), AIMP_ECORRUPT);
    assert_int_equal(result(3, cell, generation, 0, 1, false), AIMP_ECORRUPT);
    assert_int_equal(result(slot, cell + 1, generation, 0, 1, false), AIMP_ECORRUPT);
    assert_int_equal(result(slot, UINT32_MAX, generation, 0, 1, false), AIMP_ECORRUPT);
    assert_int_equal(result(slot, cell, generation + 1, 0, 1, false), AIMP_ECORRUPT);
    assert_int_equal(result(slot, cell, generation, 2, 1, false), AIMP_ECORRUPT);
    assert_int_equal(result(slot, cell, generation, 0, 4, false), AIMP_ECORRUPT);
    assert_int_equal(result(slot, cell, generation, 9, 2, false), AIMP_ECORRUPT);
    assert_int_equal(result(slot, cell, generation, 10, 1, false), AIMP_ECORRUPT);
    assert_int_equal(result(slot, cell, generation, 9, UINT32_MAX, false), AIMP_ECORRUPT);
    assert_int_equal(result(slot, cell, generation, 0, 0, true), AIMP_ECORRUPT);
    assert_int_equal(result(slot, cell, generation, 0, 2, true), AIMP_ECORRUPT);
    assert_int_equal(aimp__fake_held(slot), 8);
    assert_int_equal(aimp__fake_result(call, 0, 2, false), AIMP_OK);
    assert_int_equal(aimp__fake_result(call, 4, 6, true), AIMP_OK);
    assert_int_equal(result(slot, cell, generation, 0, 0, true), AIMP_ECORRUPT);
}

/* ---- figures ---- */

static void test_figures(void **state)
{
    (void)state;
    struct sched_stats stats;
    struct sched_slot_stats slot;
    aimp__fake_submit_items(1, 10);
    aimp__fake_run();
    aimp__fake_submit_items(2, 7);
    const struct fake_call *call = aimp__fake_last_call();
    aimp__fake_claim(call, 4, 0);
    aimp__fake_result(call, 0, 3, false);
    aimp__sched_stats(fake.sched, &stats);
    assert_int_equal(stats.waiting, 7);
    assert_int_equal(stats.outstanding, 7);
    assert_int_equal(stats.done, 3);
    aimp__sched_slot_stats(fake.sched, call->slot, &slot);
    assert_int_equal(slot.done, 3);
    assert_int_equal(slot.running, 1);
    assert_int_equal(slot.queued, 6);
    assert_int_equal(slot.busy_ns, 3 * FAKE_MS);
}

static void test_needs_are_released_once_after_the_last_item(void **state)
{
    (void)state;
    struct sched_spec spec = aimp__fake_spec(1, 4);
    spec.needs = 33;
    aimp__fake_submit(&spec);
    aimp__fake_run();
    struct fake_call first = *aimp__fake_call_of(1);
    aimp__fake_claim(&first, 2, 0);
    aimp__sched_worker_drain(fake.sched,
                             first.slot); /* the other two are a unit of their own now */
    assert_int_equal(aimp__fake_result(&first, 0, 2, true), AIMP_OK);
    assert_int_equal(fake.released_count, 0);
    assert_int_equal(aimp__fake_run(), 1);
    aimp__fake_complete(aimp__fake_last_call(), FAKE_MS);
    aimp__fake_submit_items(2, 1); /* needs nothing, releases nothing */
    aimp__fake_run();
    aimp__fake_complete(aimp__fake_last_call(), FAKE_MS);
    assert_int_equal(fake.released_count, 1);
    assert_int_equal(fake.released[0], 33);
}

#ifdef AIMP_FAILPOINTS
/* Enough units that every kind of growth comes by; each allocation fails once. */
static void test_out_of_memory_changes_nothing(void **state)
{
    (void)state;
    struct sched_stats stats;
    unsigned failures = 0;
    for (uint32_t owner = 1; owner <= 1100; owner++) {
        struct sched_spec spec = aimp__fake_spec(owner, 1);
        spec.priority = (int32_t)owner % 7;
        spec.group = owner % 5;
        for (unsigned long n = 1;; n++, failures++) {
            sched_unit unit = 77;
            struct aimp_error err = {0};
            aimp__sched_fail_alloc_at(n);
            int rc = aimp__sched_submit(fake.sched, &spec, "payload", 8, &unit, &err);
            bool is_through = aimp__sched_fail_alloc_is_armed();
            aimp__sched_fail_alloc_at(0);
            aimp__sched_stats(fake.sched, &stats);
            assert_int_equal(rc, is_through ? AIMP_OK : AIMP_ENOMEM);
            assert_int_equal(stats.waiting, is_through ? owner : owner - 1);
            if (is_through)
                break;
            assert_int_equal(unit, 77);
            assert_int_equal(err.code, AIMP_ENOMEM);
        }
    }
    assert_in_range(failures, 1100 + 6, 2000);
    assert_int_equal(aimp__sched_cancel_group(fake.sched, 3), 220);
}

static void test_new_without_memory(void **state)
{
    (void)state;
    const struct sched_ops none = {0};
    aimp__fake_teardown(NULL);
    for (unsigned long n = 1; n <= 3; n++) {
        struct sched *sched = NULL;
        struct aimp_error err = {0};
        aimp__sched_fail_alloc_at(n);
        assert_int_equal(aimp__sched_new(&sched, &fake_config, &none, NULL, &err), AIMP_ENOMEM);
        assert_null(sched);
        assert_int_equal(err.code, AIMP_ENOMEM);
        assert_int_equal(aimp__sched_alloc_count(), 0);
    }
}
#endif

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, aimp__fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_cells_bound_the_outstanding_units),
        CASE(test_cell_is_not_reused_before_the_last_word),
        CASE(test_results_tell_owner_and_index),
        CASE(test_items_may_finish_in_any_order),
        CASE(test_impossible_results_change_nothing),
        CASE(test_figures),
        CASE(test_needs_are_released_once_after_the_last_item),
#ifdef AIMP_FAILPOINTS
        CASE(test_out_of_memory_changes_nothing),
        CASE(test_new_without_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
