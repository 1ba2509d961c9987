/* Tests of os/title.h: what the kernel tells others of this process. */
/* SPDX-License-Identifier: MIT */
#include "os/title.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include <cmocka.h>

static char **arguments;
static char original[4096]; /* argv[0] before anything was set */

static size_t read_command_line(char *text, size_t size)
{
    FILE *file = fopen("/proc/self/cmdline", "r");
    assert_non_null(file);
    size_t length = fread(text, 1, size - 1, file);
    fclose(file);
    text[length] = '\0';
    return length;
}

static void assert_name(const char *expected)
{
    char name[16];
    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_string_equal(name, expected);
}

static void test_title(void **state)
{
    (void)state;
    char before[4096], after[4096];
    size_t room = read_command_line(before, sizeof before);
    aimp__title_set("aimp: worker 7");
    assert_int_equal(read_command_line(after, sizeof after), room);
    assert_string_equal(after, "aimp: worker 7");
    for (size_t i = strlen(after); i < room; i++)
        assert_int_equal(after[i], 0); /* nothing of the old one shows behind it */
    assert_name("aimp: worker 7");
}

static void test_arguments_survive(void **state)
{
    (void)state;
    aimp__title_set("aimp: template");
    assert_string_equal(arguments[0], original);
    assert_null(arguments[1]);
}

static void test_long_title(void **state)
{
    (void)state;
    char before[4096], after[4096], title[4096];
    size_t room = read_command_line(before, sizeof before);
    memset(title, 'x', sizeof title);
    title[sizeof title - 1] = '\0';
    aimp__title_set(title);
    assert_int_equal(read_command_line(after, sizeof after), room);
    assert_int_equal(strlen(after), room - 1); /* the environment behind is not touched */
}

static void test_long_name(void **state)
{
    (void)state;
    aimp__title_set("aimp: worker 1234");
    assert_name("aimp:worker1234");
    aimp__title_set("aimp: worker 12345");
    assert_name("aimp:worker1234");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_title),
        cmocka_unit_test(test_arguments_survive),
        cmocka_unit_test(test_long_title),
        cmocka_unit_test(test_long_name),
    };
    snprintf(original, sizeof original, "%s", argv[0]);
    arguments = aimp__title_init(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
