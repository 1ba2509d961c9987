/* Tests of proc/launcher.h: executables that are none, or not the right one. */
/* SPDX-License-Identifier: MIT */
#include "os/fds.h"
#include "proc/launcher_helper.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int fds_before;

static int set_up(void **state)
{
    (void)state;
    fds_before = aimp__fds_count();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unsetenv("AIMP_TEST_TEMPLATE");
    aimp__helper_assert_alone();
    assert_int_equal(aimp__fds_count(), fds_before);
    return 0;
}

static void check_open_fails(const char *exe, int os_errno)
{
    struct launcher *launcher = NULL;
    struct aimp_error err = {0};
    assert_int_equal(aimp__launcher_open(&launcher, exe, &err), AIMP_ESPAWN);
    assert_int_equal(err.code, AIMP_ESPAWN);
    assert_int_equal(err.os_errno, os_errno);
    assert_non_null(strstr(err.text, "cannot start "));
    assert_non_null(strstr(err.text, exe));
    assert_non_null(strstr(err.text, strerror(os_errno)));
    assert_null(launcher);
}

static void test_no_executable(void **state)
{
    (void)state;
    check_open_fails("/nonexistent/aimprun", ENOENT);
    check_open_fails("/", EACCES);
    check_open_fails("/proc/self/status", EACCES);
}

static void check_useless(const char *exe, int code, const char *text)
{
    struct launcher *launcher = NULL;
    struct launch_event event;
    assert_int_equal(aimp__launcher_open(&launcher, exe, NULL), AIMP_OK);
    assert_int_equal(aimp__helper_expect(launcher, LAUNCH_LOST, 0).status, code);
    assert_int_equal(aimp__launcher_error(launcher)->code, code);
    assert_non_null(strstr(aimp__launcher_error(launcher)->text, text));
    assert_int_equal(aimp__launcher_next(launcher, &event), 0);
    aimp__launcher_close(launcher);
}

static void test_other_version(void **state)
{
    (void)state;
    setenv("AIMP_TEST_TEMPLATE", "other", 1);
    check_useless(aimp__helper_exe(), AIMP_EVERSION,
                  "is aimp 0.0.0-other, this is aimp " AIMP_VERSION);
}

/* A Ctrl-C that comes before main is not the template's end either. */
static void test_sigint_is_blocked_until_main(void **state)
{
    (void)state;
    setenv("AIMP_TEST_TEMPLATE", "mask", 1);
    check_useless(aimp__helper_exe(), AIMP_EVERSION, "SIGINT blocked");
}

static void test_other_program(void **state)
{
    (void)state;
    check_useless("/bin/true", AIMP_ESPAWN,
                  "/bin/true --template exited with status 0 before it was ready");
    check_useless("/bin/false", AIMP_ESPAWN, "exited with status 1");
    setenv("AIMP_TEST_TEMPLATE", "nonsense", 1);
    check_useless(aimp__helper_exe(), AIMP_ESPAWN, "does not speak aimp's protocol");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(test_no_executable),
        CASE(test_other_version),
        CASE(test_sigint_is_blocked_until_main),
        CASE(test_other_program),
    };
    aimp__helper_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
