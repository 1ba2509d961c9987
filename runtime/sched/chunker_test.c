/* Chunk sizes follow the measured time of items. */
/* SPDX-License-Identifier: MIT */
#include "sched/chunker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MAX       4096
#define ENDLESS   UINT64_MAX
#define WORKERS   2
#define TARGET_NS UINT64_C(1000000)
#define BIG       1000000

static uint32_t next(const struct chunker *chunker)
{
    return aimp__chunker_next(chunker, ENDLESS, WORKERS);
}

/* One unit of the size that the chunker asks for, of items that take item_ns each. */
static void run_unit(struct chunker *chunker, uint64_t item_ns)
{
    uint32_t size = next(chunker);
    aimp__chunker_observe(chunker, size, size * item_ns);
}

static void run_units(struct chunker *chunker, uint64_t item_ns, int units)
{
    while (units-- > 0)
        run_unit(chunker, item_ns);
}

static void test_first_unit_has_one_item(void **state)
{
    (void)state;
    struct chunker chunker;
    aimp__chunker_init(&chunker, MAX);
    assert_int_equal(next(&chunker), 1);
    assert_int_equal(aimp__chunker_next(&chunker, BIG, WORKERS), 1);
}

static void test_grows_at_most_fourfold(void **state)
{
    (void)state;
    struct chunker chunker;
    aimp__chunker_init(&chunker, MAX);
    for (uint32_t expected = 1; expected <= MAX; expected *= 4) {
        assert_int_equal(next(&chunker), expected);
        run_unit(&chunker, 10);
    }
    assert_int_equal(next(&chunker), MAX);
}

static void test_growth_is_by_measured_units_not_by_reports(void **state)
{
    (void)state;
    struct chunker chunker;
    aimp__chunker_init(&chunker, MAX);
    for (int i = 0; i < 100; i++)
        aimp__chunker_observe(&chunker, 1, 10);
    assert_int_equal(next(&chunker), 4);
}

static void test_settles_at_a_millisecond(void **state)
{
    (void)state;
    const uint64_t item_ns[] = {500, 1000, 7000, 50000, 300000, 900000};
    for (size_t i = 0; i < sizeof item_ns / sizeof item_ns[0]; i++) {
        struct chunker chunker;
        aimp__chunker_init(&chunker, MAX);
        run_units(&chunker, item_ns[i], 20);
        uint64_t unit_ns = next(&chunker) * item_ns[i];
        assert_in_range(unit_ns, TARGET_NS / 2, TARGET_NS);
    }
}

static void test_slow_items_go_one_by_one(void **state)
{
    (void)state;
    struct chunker chunker;
    aimp__chunker_init(&chunker, MAX);
    run_units(&chunker, 2 * TARGET_NS, 20);
    assert_int_equal(next(&chunker), 1);
}

static void test_shrinks_at_once(void **state)
{
    (void)state;
    struct chunker chunker;
    aimp__chunker_init(&chunker, MAX);
    run_units(&chunker, 1000, 20);
    assert_in_range(next(&chunker), 900, 1000);
    run_unit(&chunker, 100000);
    assert_int_equal(next(&chunker), 10);
}

static void test_grows_again_after_one_slow_unit(void **state)
{
    (void)state;
    struct chunker chunker;
    aimp__chunker_init(&chunker, MAX);
    run_units(&chunker, 1000, 20);
    run_unit(&chunker, 100000);
    run_units(&chunker, 1000, 20);
    assert_in_range(next(&chunker), 900, 1000);
}

static void test_leaves_work_for_the_others(void **state)
{
    (void)state;
    struct chunker chunker;
    aimp__chunker_init(&chunker, MAX);
    run_units(&chunker, 10, 20);
    assert_int_equal(aimp__chunker_next(&chunker, 800, 2), 100);
    assert_int_equal(aimp__chunker_next(&chunker, 800, 4), 50);
    assert_int_equal(aimp__chunker_next(&chunker, 7, 4), 1);
    assert_int_equal(aimp__chunker_next(&chunker, 0, 4), 1);
    assert_int_equal(aimp__chunker_next(&chunker, 800, 0), 200);
    assert_int_equal(aimp__chunker_next(&chunker, ENDLESS - 1, UINT32_MAX), MAX);
}

static void test_no_measurement_from_nothing(void **state)
{
    (void)state;
    struct chunker chunker;
    aimp__chunker_init(&chunker, MAX);
    aimp__chunker_observe(&chunker, 0, 12345);
    assert_int_equal(next(&chunker), 1);
    aimp__chunker_observe(&chunker, 1, 0);
    assert_int_equal(next(&chunker), 4);
}

static void test_extreme_figures(void **state)
{
    (void)state;
    struct chunker chunker;
    aimp__chunker_init(&chunker, 0);
    run_units(&chunker, 1, 5);
    assert_int_equal(next(&chunker), 1);
    aimp__chunker_init(&chunker, UINT32_MAX);
    run_units(&chunker, 0, 40);
    assert_int_equal(next(&chunker), UINT32_MAX);
    aimp__chunker_observe(&chunker, 1, UINT64_MAX);
    assert_int_equal(next(&chunker), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_unit_has_one_item),
        cmocka_unit_test(test_grows_at_most_fourfold),
        cmocka_unit_test(test_growth_is_by_measured_units_not_by_reports),
        cmocka_unit_test(test_settles_at_a_millisecond),
        cmocka_unit_test(test_slow_items_go_one_by_one),
        cmocka_unit_test(test_shrinks_at_once),
        cmocka_unit_test(test_grows_again_after_one_slow_unit),
        cmocka_unit_test(test_leaves_work_for_the_others),
        cmocka_unit_test(test_no_measurement_from_nothing),
        cmocka_unit_test(test_extreme_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
