/* Failpoints kill and stop where they should, and nowhere else. */
/* SPDX-License-Identifier: MIT */
#include "base/failpoint.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The child's wait status after three hits of "a", between hits of "b". */
static int run_child(void (*prepare)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        prepare();
        for (int i = 0; i < 3; i++) {
            aimp__failpoint_hit("b");
            aimp__failpoint_hit("a");
        }
        _exit(7);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    if (WIFSTOPPED(status)) {
        int stopped = status;
        kill(pid, SIGCONT);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7); /* it went on, once stopped */
        return stopped;
    }
    return status;
}

static void arm_third(void)
{
    aimp__failpoint_arm("a", 3, FAILPOINT_KILL);
}

static void arm_fourth(void)
{
    aimp__failpoint_arm("a", 4, FAILPOINT_KILL);
}

static void arm_and_disarm(void)
{
    aimp__failpoint_arm("a", 1, FAILPOINT_KILL);
    aimp__failpoint_arm(NULL, 0, FAILPOINT_KILL);
}

static void arm_stop(void)
{
    aimp__failpoint_arm("b", 2, FAILPOINT_STOP);
}

static void by_environment(void)
{
    setenv("AIMP_FAILPOINT", "a:2:kill", 1);
}

static void scoped_here(void)
{
    setenv("AIMP_FAILPOINT", "worker/a:1:kill", 1);
    aimp__failpoint_scope("worker");
}

static void scoped_elsewhere(void)
{
    setenv("AIMP_FAILPOINT", "worker/a:1:kill", 1);
    aimp__failpoint_scope("parent");
}

static void nonsense(void)
{
    setenv("AIMP_FAILPOINT", "a:kill", 1);
    close(STDERR_FILENO);
}

static void test_kills_at_the_count(void **state)
{
    (void)state;
    int status = run_child(arm_third);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = run_child(arm_fourth);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = run_child(arm_and_disarm);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void test_stops(void **state)
{
    (void)state;
    assert_true(WIFSTOPPED(run_child(arm_stop)));
}

static void test_environment(void **state)
{
    (void)state;
    int status = run_child(by_environment);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = run_child(scoped_here);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = run_child(scoped_elsewhere);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = run_child(nonsense);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static int seen;

static void count_hit(const char *name)
{
    seen += name[0] == 'a';
}

static void test_trace(void **state)
{
    (void)state;
    aimp__failpoint_trace(count_hit);
    aimp__failpoint_hit("a");
    aimp__failpoint_hit("b");
    aimp__failpoint_trace(NULL);
    aimp__failpoint_hit("a");
    assert_int_equal(seen, 1);
}

int main(void)
{
    unsetenv("AIMP_FAILPOINT");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kills_at_the_count),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
