/* The definition log, alone and against a model that keeps everything. */
/* SPDX-License-Identifier: MIT */
#include "sched/deflog.h"

#include "sched/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])

static int setup(void **state)
{
    *state = aimp__deflog_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    aimp__deflog_free(*state);
#ifdef AIMP_FAILPOINTS
    return aimp__sched_alloc_count() == 0 ? 0 : -1;
#else
    return 0;
#endif
}

static uint64_t define(struct deflog *log, uint32_t key, const char *text)
{
    return aimp__deflog_define(log, key, text, strlen(text));
}

/* What a worker at `cursor` is sent for a unit that needs `needed`, as "1=a 2=b -3"; -3: forget 3.
 */
static const char *sent(const struct deflog *log, uint64_t cursor, uint64_t needed)
{
    static char text[512];
    struct deflog_entry entry;
    int length = 0;
    text[0] = '\0';
    while (aimp__deflog_next(log, cursor, needed, &entry)) {
        assert_true(entry.position > cursor && entry.position <= needed);
        cursor = entry.position;
        char *to = text + length;
        size_t room = sizeof text - (size_t)length;
        if (entry.is_forget)
            length += snprintf(to, room, "%s-%u", length ? " " : "", entry.key);
        else
            length += snprintf(to, room, "%s%u=%.*s", length ? " " : "", entry.key, (int)entry.len,
                               (const char *)entry.data);
    }
    return text;
}

static void test_positions_are_dense(void **state)
{
    struct deflog *log = *state;
    assert_int_equal(aimp__deflog_position(log), 0);
    assert_int_equal(define(log, 7, "a"), 1);
    assert_int_equal(define(log, 7, "b"), 2);
    assert_int_equal(aimp__deflog_forget(log, 7), 3);
    assert_int_equal(define(log, 8, ""), 4);
    assert_int_equal(aimp__deflog_position(log), 4);
}

static void test_entries_come_in_order_up_to_the_need(void **state)
{
    struct deflog *log = *state;
    define(log, 1, "a");
    define(log, 2, "b");
    define(log, 3, "c");
    assert_string_equal(sent(log, 0, 0), "");
    assert_string_equal(sent(log, 0, 2), "1=a 2=b");
    assert_string_equal(sent(log, 1, 2), "2=b");
    assert_string_equal(sent(log, 2, 2), "");
    assert_string_equal(sent(log, 0, 3), "1=a 2=b 3=c");
    assert_string_equal(sent(log, 2, 1000), "3=c");
}

static void test_bytes_are_copied(void **state)
{
    struct deflog *log = *state;
    char text[] = "abc";
    define(log, 1, text);
    text[0] = 'x';
    assert_string_equal(sent(log, 0, 1), "1=abc");
    assert_true(aimp__deflog_bytes(log) >= 3);
}

static void test_replaced_entry_goes_at_once_when_nobody_needs_it(void **state)
{
    struct deflog *log = *state;
    define(log, 1, "a");
    define(log, 2, "b");
    size_t bytes = aimp__deflog_bytes(log);
    define(log, 1, "c");
    assert_string_equal(sent(log, 0, 3), "2=b 1=c");
    assert_string_equal(sent(log, 2, 3), "1=c");
    assert_int_equal(aimp__deflog_bytes(log), bytes);
}

static void test_replaced_entry_stays_while_a_unit_needs_it(void **state)
{
    struct deflog *log = *state;
    define(log, 1, "a");
    define(log, 2, "b");
    aimp__deflog_hold(log, 2);
    aimp__deflog_hold(log, 2);
    define(log, 1, "c");
    assert_string_equal(sent(log, 0, 2), "1=a 2=b");
    assert_string_equal(sent(log, 0, 3), "1=a 2=b 1=c");
    aimp__deflog_release(log, 2);
    assert_string_equal(sent(log, 0, 2), "1=a 2=b");
    aimp__deflog_release(log, 2);
    assert_string_equal(sent(log, 0, 3), "2=b 1=c");
}

static void test_holds_outside_of_its_life_keep_nothing(void **state)
{
    struct deflog *log = *state;
    define(log, 9, "x");
    aimp__deflog_hold(log, 1);
    define(log, 1, "a");
    define(log, 1, "b");
    assert_string_equal(sent(log, 0, 3), "9=x 1=b");
    aimp__deflog_hold(log, 3);
    define(log, 2, "c");
    aimp__deflog_release(log, 1);
    assert_string_equal(sent(log, 0, 4), "9=x 1=b 2=c");
    aimp__deflog_release(log, 3);
}

/* Any order of release, not only that of submission. */
static void test_last_release_drops_whatever_the_order(void **state)
{
    (void)state;
    static const int orders[][3] = {{2, 3, 4}, {4, 3, 2}, {3, 4, 2}, {3, 2, 4}, {2, 4, 3}};
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        struct deflog *log = aimp__deflog_new();
        define(log, 1, "old");
        for (uint32_t key = 2; key <= 4; key++)
            aimp__deflog_hold(log, define(log, key, "x"));
        define(log, 1, "new");
        for (int left = 3; left > 0; left--) {
            assert_string_equal(sent(log, 0, 1), "1=old");
            aimp__deflog_release(log, (uint64_t)orders[i][3 - left]);
        }
        assert_string_equal(sent(log, 0, 5), "2=x 3=x 4=x 1=new");
        aimp__deflog_free(log);
    }
}

static void test_middle_versions_go_before_older_ones(void **state)
{
    struct deflog *log = *state;
    aimp__deflog_hold(log, define(log, 1, "a"));
    define(log, 1, "b");
    aimp__deflog_hold(log, define(log, 1, "c"));
    define(log, 1, "d");
    assert_string_equal(sent(log, 0, 4), "1=a 1=c 1=d");
    aimp__deflog_release(log, 3);
    assert_string_equal(sent(log, 0, 4), "1=a 1=d");
    aimp__deflog_release(log, 1);
    assert_string_equal(sent(log, 0, 4), "1=d");
}

static void test_position_zero_needs_nothing(void **state)
{
    struct deflog *log = *state;
    aimp__deflog_hold(log, 0);
    define(log, 1, "a");
    define(log, 1, "b");
    assert_string_equal(sent(log, 0, 2), "1=b");
    aimp__deflog_release(log, 0);
}

static void test_forget_tells_those_who_know(void **state)
{
    struct deflog *log = *state;
    define(log, 1, "a");
    define(log, 2, "b");
    aimp__deflog_hold(log, 2);
    assert_int_equal(aimp__deflog_forget(log, 1), 3);
    assert_string_equal(sent(log, 0, 2), "1=a 2=b");
    assert_string_equal(sent(log, 1, 3), "2=b -1");
    aimp__deflog_release(log, 2);
    assert_string_equal(sent(log, 1, 3), "2=b -1");
    assert_string_equal(sent(log, 0, 2), "2=b");
}

static void test_forget_of_an_unknown_key_is_nothing(void **state)
{
    struct deflog *log = *state;
    assert_int_equal(aimp__deflog_forget(log, 5), 0);
    define(log, 1, "a");
    assert_int_equal(aimp__deflog_forget(log, 5), 1);
    assert_int_equal(aimp__deflog_forget(log, 1), 2);
    assert_int_equal(aimp__deflog_forget(log, 1), 2);
    assert_int_equal(aimp__deflog_tombstones(log), 1);
}

static void test_key_may_be_defined_again(void **state)
{
    struct deflog *log = *state;
    define(log, 1, "a");
    aimp__deflog_forget(log, 1);
    define(log, 1, "b");
    assert_string_equal(sent(log, 0, 3), "1=b");
    assert_string_equal(sent(log, 1, 3), "1=b");
    assert_int_equal(aimp__deflog_tombstones(log), 0);
}

static void test_floor_drops_tombstones_that_all_have_seen(void **state)
{
    struct deflog *log = *state;
    define(log, 1, "a");
    define(log, 2, "b");
    aimp__deflog_forget(log, 1);
    aimp__deflog_forget(log, 2);
    aimp__deflog_set_floor(log, 2);
    assert_string_equal(sent(log, 0, 4), "-1 -2");
    aimp__deflog_set_floor(log, 3);
    assert_string_equal(sent(log, 0, 4), "-2");
    aimp__deflog_set_floor(log, UINT64_MAX);
    assert_string_equal(sent(log, 0, 4), "");
    assert_int_equal(aimp__deflog_tombstones(log), 0);
    assert_int_equal(aimp__deflog_bytes(log), 0);
}

/* A fresh worker still gets the definition for the unit that holds it, and must be told. */
static void test_tombstone_outlives_what_it_forgets(void **state)
{
    struct deflog *log = *state;
    aimp__deflog_hold(log, define(log, 1, "a"));
    aimp__deflog_forget(log, 1);
    aimp__deflog_set_floor(log, UINT64_MAX);
    assert_string_equal(sent(log, 0, 2), "1=a -1");
    aimp__deflog_release(log, 1);
    assert_string_equal(sent(log, 1, 2), "-1");
    aimp__deflog_set_floor(log, UINT64_MAX);
    assert_string_equal(sent(log, 1, 2), "");
}

/* ---- many ---- */

static void test_memory_follows_what_is_alive(void **state)
{
    struct deflog *log = *state;
    size_t most = 0;
    for (uint32_t i = 0; i < 300000; i++) {
        uint32_t key = 1000 + i;
        uint64_t position = define(log, key, "some closure");
        aimp__deflog_hold(log, define(log, i % 10, "some variable"));
        aimp__deflog_release(log, position + 1);
        aimp__deflog_forget(log, key);
        if (aimp__deflog_tombstones(log) > 100)
            aimp__deflog_set_floor(log, aimp__deflog_position(log));
        if (aimp__deflog_bytes(log) > most)
            most = aimp__deflog_bytes(log);
    }
    assert_true(most < (size_t)64 * 1024);
}

/* 100k live definitions, 100 workers: ends in time because no call walks the log. */
static void test_large_logs_stay_fast(void **state)
{
    enum { LIVE = 100000, WORKERS = 100, ROUNDS = 500000, HELD = 1000 };
    struct deflog *log = *state;
    static uint64_t cursors[WORKERS], held[HELD];
    struct deflog_entry entry;
    uint64_t entries = 0;
    for (uint32_t key = 0; key < LIVE; key++)
        define(log, key, "value");
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t needed = define(log, (i * 7919u) % LIVE, "other");
        uint64_t *cursor = &cursors[i % WORKERS];
        if (i >= HELD)
            aimp__deflog_release(log, held[i % HELD]);
        held[i % HELD] = needed;
        aimp__deflog_hold(log, needed);
        for (; aimp__deflog_next(log, *cursor, needed, &entry); entries += i >= WORKERS)
            *cursor = entry.position;
        *cursor = needed;
    }
    assert_int_equal(entries, (uint64_t)(ROUNDS - WORKERS) * WORKERS);
}

/* The newest unit ends first, with everything that it holds against the older ones. */
static void test_release_from_the_newest_stays_fast(void **state)
{
    enum { LIVE = 20000, UNITS = 20000 };
    struct deflog *log = *state;
    for (uint32_t key = 0; key < LIVE; key++)
        define(log, key, "old");
    for (uint32_t i = 0; i < UNITS; i++)
        aimp__deflog_hold(log, define(log, LIVE + i, "unit"));
    for (uint32_t key = 0; key < LIVE; key++)
        define(log, key, "new");
    for (uint64_t position = LIVE + UNITS; position > LIVE; position--) {
        assert_true(aimp__deflog_next(log, 0, 1, &(struct deflog_entry){0}));
        aimp__deflog_release(log, position);
    }
    assert_false(aimp__deflog_next(log, 0, LIVE, &(struct deflog_entry){0}));
}

/* ---- against a model ---- */

enum { MODEL_MAX = 3000, MODEL_KEYS = 12 };

struct model {
    uint32_t key[MODEL_MAX + 1]; /* by position */
    bool is_forget[MODEL_MAX + 1];
    uint64_t end[MODEL_MAX + 1]; /* position of the replacement */
    unsigned holds[MODEL_MAX + 1];
    uint64_t size;
};

static bool model_needs(const struct model *model, uint64_t position)
{
    if (model->end[position] == UINT64_MAX)
        return true;
    for (uint64_t held = position; held < model->end[position]; held++)
        if (model->holds[held])
            return true;
    return false;
}

static void model_append(struct model *model, uint32_t key, bool is_forget)
{
    uint64_t position = ++model->size;
    for (uint64_t older = position - 1; older > 0; older--) {
        if (model->key[older] == key) {
            model->end[older] = position;
            break;
        }
    }
    model->key[position] = key;
    model->is_forget[position] = is_forget;
    model->end[position] = UINT64_MAX;
}

static bool model_is_defined(const struct model *model, uint32_t key)
{
    for (uint64_t position = model->size; position > 0; position--)
        if (model->key[position] == key)
            return !model->is_forget[position];
    return false;
}

static void check_against(const struct deflog *log, const struct model *model)
{
    struct deflog_entry entry = {0};
    for (uint64_t position = 1; position <= model->size; position++) {
        if (!model_needs(model, position))
            continue;
        assert_true(aimp__deflog_next(log, entry.position, model->size, &entry));
        assert_int_equal(entry.position, position);
        assert_int_equal(entry.key, model->key[position]);
        assert_int_equal(entry.is_forget, model->is_forget[position]);
        if (!entry.is_forget)
            assert_memory_equal(entry.data, &position, sizeof position);
    }
    assert_false(aimp__deflog_next(log, entry.position, model->size, &entry));
}

static uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % bound;
}

static void step(struct deflog *log, struct model *model, uint64_t *seed)
{
    uint32_t key = random_below(seed, MODEL_KEYS);
    uint64_t position = model->size + 1;
    uint64_t near =
        model->size - random_below(seed, model->size < 40 ? (uint32_t)model->size + 1 : 40);
    switch (random_below(seed, 8)) {
    case 0:
        if (model_is_defined(model, key))
            model_append(model, key, true);
        assert_int_equal(aimp__deflog_forget(log, key), model->size);
        break;
    case 1:
    case 2: /* units hold the newest position */
        aimp__deflog_hold(log, model->size);
        model->holds[model->size]++;
        break;
    case 3:
    case 4:
    case 5:
        if (near > 0 && model->holds[near]) {
            aimp__deflog_release(log, near);
            model->holds[near]--;
        }
        break;
    default:
        assert_int_equal(aimp__deflog_define(log, key, &position, sizeof position), position);
        model_append(model, key, false);
    }
}

static void test_keeps_exactly_what_the_model_needs(void **state)
{
    (void)state;
    static struct model model;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct deflog *log = aimp__deflog_new();
        uint64_t random = seed;
        memset(&model, 0, sizeof model);
        for (int i = 0; model.size < MODEL_MAX / 10; i++) {
            step(log, &model, &random);
            if (i % 8 == 0)
                check_against(log, &model);
        }
        for (uint64_t position = 1; position <= model.size; position++)
            for (; model.holds[position]; model.holds[position]--)
                aimp__deflog_release(log, position);
        check_against(log, &model);
        aimp__deflog_free(log);
    }
}

#ifdef AIMP_FAILPOINTS
/* Every append, each of its allocations failing in turn. */
static void test_out_of_memory_changes_nothing(void **state)
{
    struct deflog *log = *state;
    for (uint32_t key = 0; key < 200; key++) {
        uint64_t before = aimp__deflog_position(log);
        size_t bytes = aimp__deflog_bytes(log);
        long blocks = aimp__sched_alloc_count();
        for (unsigned long n = 1;; n++) {
            aimp__sched_fail_alloc_at(n);
            uint64_t position = define(log, key, "value");
            bool is_through = aimp__sched_fail_alloc_is_armed();
            aimp__sched_fail_alloc_at(0);
            assert_int_equal(position, is_through ? before + 1 : 0);
            if (is_through)
                break;
            assert_int_equal(aimp__deflog_position(log), before);
            assert_int_equal(aimp__deflog_bytes(log), bytes);
            /* room that was made may stay */
            assert_in_range(aimp__sched_alloc_count(), blocks, blocks + 2);
        }
    }
    aimp__sched_fail_alloc_at(1);
    assert_int_equal(aimp__deflog_forget(log, 3), 0);
    assert_int_equal(aimp__deflog_forget(log, 3), 201);
    aimp__sched_fail_alloc_at(1);
    assert_null(aimp__deflog_new());
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_positions_are_dense, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entries_come_in_order_up_to_the_need, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_are_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_entry_goes_at_once_when_nobody_needs_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_entry_stays_while_a_unit_needs_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_holds_outside_of_its_life_keep_nothing, setup,
                                        teardown),
        cmocka_unit_test(test_last_release_drops_whatever_the_order),
        cmocka_unit_test_setup_teardown(test_middle_versions_go_before_older_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_position_zero_needs_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget_tells_those_who_know, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget_of_an_unknown_key_is_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_may_be_defined_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_floor_drops_tombstones_that_all_have_seen, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_tombstone_outlives_what_it_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_follows_what_is_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_logs_stay_fast, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_from_the_newest_stays_fast, setup, teardown),
        cmocka_unit_test(test_keeps_exactly_what_the_model_needs),
#ifdef AIMP_FAILPOINTS
        cmocka_unit_test_setup_teardown(test_out_of_memory_changes_nothing, setup, teardown),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
