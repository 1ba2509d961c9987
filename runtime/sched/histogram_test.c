/* SPDX-License-Identifier: MIT */
#include "sched/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_empty_has_no_percentile(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    assert_int_equal(aimp__histogram_percentile(&histogram, 0.5), 0);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    for (uint64_t ns = 0; ns < 4; ns++)
        aimp__histogram_add(&histogram, ns, 1);
    assert_int_equal(aimp__histogram_percentile(&histogram, 0.25), 0);
    assert_int_equal(aimp__histogram_percentile(&histogram, 0.5), 1);
    assert_int_equal(aimp__histogram_percentile(&histogram, 1), 3);
}

/* Whatever the value, its percentile is not below it, and at most a quarter above. */
static void test_every_value_is_within_its_bucket(void **state)
{
    (void)state;
    for (uint64_t ns = 1; ns < UINT64_MAX / 3; ns += ns / 7 + 1) {
        struct histogram histogram = {0};
        aimp__histogram_add(&histogram, ns, 1);
        uint64_t got = aimp__histogram_percentile(&histogram, 0.99);
        assert_true(got >= ns);
        assert_true(got - ns <= ns / 4);
    }
}

static void test_largest_value_has_a_bucket(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    aimp__histogram_add(&histogram, UINT64_MAX, 1);
    assert_true(aimp__histogram_percentile(&histogram, 1) >= UINT64_MAX / 8 * 7);
}

static void test_counts_weigh(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    aimp__histogram_add(&histogram, 1000, 99);
    aimp__histogram_add(&histogram, 1000000, 1);
    assert_true(aimp__histogram_percentile(&histogram, 0.99) < 1300);
    assert_true(aimp__histogram_percentile(&histogram, 0.999) >= 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_has_no_percentile),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_every_value_is_within_its_bucket),
        cmocka_unit_test(test_largest_value_has_a_bucket),
        cmocka_unit_test(test_counts_weigh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
