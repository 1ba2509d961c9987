/* The spinning policy with an invented load, and the spinner itself. */
/* SPDX-License-Identifier: MIT */
#include "os/spin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_hits_double_up_to_the_maximum(void **state)
{
    (void)state;
    struct spin_policy policy;
    aimp__spin_policy_init(&policy);
    uint32_t before = aimp__spin_policy_begin(&policy, 1, 2);
    assert_int_equal(before, SPIN_START_NS);
    aimp__spin_policy_end(&policy, true);
    assert_int_equal(aimp__spin_policy_begin(&policy, 1, 2), 2 * before);
    for (int i = 0; i < 20; i++)
        aimp__spin_policy_end(&policy, true);
    assert_int_equal(aimp__spin_policy_begin(&policy, 1, 2), SPIN_MAX_NS);
}

static void test_misses_switch_it_off_and_a_rare_try_on(void **state)
{
    (void)state;
    struct spin_policy policy;
    aimp__spin_policy_init(&policy);
    int misses = 0;
    while (aimp__spin_policy_begin(&policy, 1, 2) > 0) {
        aimp__spin_policy_end(&policy, false);
        assert_true(++misses < 10);
    }
    unsigned waits = 1; /* the begin that ended the loop */
    while (aimp__spin_policy_begin(&policy, 1, 2) == 0)
        assert_true(++waits < 1000);
    assert_int_equal(waits + 1, SPIN_RETRY_WAITS);
    aimp__spin_policy_end(&policy, false);
    assert_int_equal(aimp__spin_policy_begin(&policy, 1, 2), 0);
    for (unsigned i = 2; i < SPIN_RETRY_WAITS; i++)
        assert_int_equal(aimp__spin_policy_begin(&policy, 1, 2), 0);
    assert_int_equal(aimp__spin_policy_begin(&policy, 1, 2), SPIN_RETRY_NS);
    aimp__spin_policy_end(&policy, true);
    assert_true(aimp__spin_policy_begin(&policy, 1, 2) > 0);
}

static void test_a_lull_is_a_long_time_between_waits(void **state)
{
    (void)state;
    struct spin_policy policy;
    aimp__spin_policy_init(&policy);
    assert_false(aimp__spin_policy_is_lull(&policy, 5000000)); /* the first wait follows none */
    assert_false(aimp__spin_policy_is_lull(&policy, 5000000 + SPIN_LULL_NS));
    assert_true(aimp__spin_policy_is_lull(&policy, 5000001 + 2 * SPIN_LULL_NS));
    assert_false(aimp__spin_policy_is_lull(&policy, 5000002 + 2 * SPIN_LULL_NS));
}

static void test_load_forbids_it(void **state)
{
    (void)state;
    struct spin_policy policy;
    aimp__spin_policy_init(&policy);
    assert_int_equal(aimp__spin_policy_begin(&policy, 3, 2), 0);
    assert_true(aimp__spin_policy_begin(&policy, 2, 2) > 0);
    assert_true(aimp__spin_policy_begin(&policy, 0, 2) > 0);
    assert_int_equal(aimp__spin_policy_begin(&policy, 1, 1), 0);
}

static void test_loadavg_is_parsed(void **state)
{
    (void)state;
    assert_int_equal(aimp__spin_parse_runnable("0.06 0.01 0.00 3/96 10291\n"), 3);
    assert_int_equal(aimp__spin_parse_runnable("0.06 0.01 0.00 12"), 0);
    assert_int_equal(aimp__spin_parse_runnable("0.06 0.01"), 0);
    assert_int_equal(aimp__spin_parse_runnable(""), 0);
    assert_int_equal(aimp__spin_parse_runnable("a b c d/e"), 0);
    assert_int_equal(aimp__spin_parse_runnable("1 1 1 99999999999/1"), 0);
}

struct countdown {
    unsigned looks;
};

static bool counts_down(void *ctx)
{
    struct countdown *countdown = ctx;
    return countdown->looks == 0 || --countdown->looks == 0;
}

static bool is_never(void *ctx)
{
    (*(unsigned *)ctx)++;
    return false;
}

static void test_the_spinner_finds_what_comes(void **state)
{
    (void)state;
    struct spinner spinner;
    struct countdown countdown = {.looks = 5};
    aimp__spinner_init(&spinner);
    spinner.cores = UINT32_MAX; /* whatever the machine is doing */
    assert_true(aimp__spinner_wait(&spinner, counts_down, &countdown));
    assert_true(spinner.runnable > 0); /* it has read the real load */
    assert_true(spinner.load_fd >= 0);
    aimp__spinner_fini(&spinner);
    assert_int_equal(spinner.load_fd, -1);
}

static void test_the_spinner_gives_up(void **state)
{
    (void)state;
    struct spinner spinner;
    unsigned looks = 0;
    aimp__spinner_init(&spinner);
    spinner.cores = UINT32_MAX;
    for (int i = 0; i < 10; i++)
        assert_false(aimp__spinner_wait(&spinner, is_never, &looks));
    assert_int_equal(spinner.policy.budget_ns, 0);
    looks = 0;
    assert_false(aimp__spinner_wait(&spinner, is_never, &looks));
    assert_int_equal(looks, 1); /* off: one look, no spinning */
    aimp__spinner_fini(&spinner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hits_double_up_to_the_maximum),
        cmocka_unit_test(test_misses_switch_it_off_and_a_rare_try_on),
        cmocka_unit_test(test_a_lull_is_a_long_time_between_waits),
        cmocka_unit_test(test_load_forbids_it),
        cmocka_unit_test(test_loadavg_is_parsed),
        cmocka_unit_test(test_the_spinner_finds_what_comes),
        cmocka_unit_test(test_the_spinner_gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
