/* Tests of proc/launcher.h: full sockets, limits of the system, executables that are none. */
/* SPDX-License-Identifier: MIT */
#include "os/fds.h"
#include "proc/launcher_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FLOOD 700 /* events beyond what socket and queue hold together */

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
    unsetenv("AIMP_TEST_FORK_FAILS");
    unsetenv("AIMP_TEST_TEMPLATE");
    aimp__helper_assert_alone();
    assert_int_equal(aimp__fds_count(), fds_before);
    return 0;
}

/* ---- what was asked for, and what was told of it ---- */

struct ledger {
    uint32_t asked, forked, exited;
    uint8_t stage[2 * FLOOD]; /* by id: 0 asked, 1 forked, 2 exited */
};

static int ask(struct launcher *launcher, struct ledger *ledger)
{
    struct helper_worker worker;
    int rc = aimp__helper_send(launcher, &worker, ledger->asked,
                               HELPER_WORKER(PLAY_EXIT, ledger->asked % 100), false);
    aimp__helper_drop(&worker);
    assert_true(rc == AIMP_OK || rc == AIMP_EAGAIN);
    ledger->asked += rc == AIMP_OK;
    assert_in_range(ledger->asked, 0, sizeof ledger->stage);
    return rc;
}

static void hear(struct launcher *launcher, struct ledger *ledger)
{
    struct launch_event event = aimp__helper_next(launcher);
    assert_true(event.kind == LAUNCH_FORKED || event.kind == LAUNCH_EXITED);
    assert_in_range(event.id, 0, ledger->asked - 1);
    uint8_t *stage = &ledger->stage[event.id];
    assert_int_equal(*stage, event.kind == LAUNCH_FORKED ? 0 : 1);
    (*stage)++;
    if (event.kind == LAUNCH_FORKED) {
        ledger->forked++;
        assert_true(event.pidfd >= 0);
        close(event.pidfd);
        return;
    }
    ledger->exited++;
    assert_int_equal(event.status, event.id % 100 << 8);
}

static void hear_all(struct launcher *launcher, struct ledger *ledger)
{
    while (ledger->exited < ledger->asked)
        hear(launcher, ledger);
    assert_int_equal(ledger->forked, ledger->asked);
}

/* ---- full sockets ---- */

/* Requests that a stopped template does not read fill the socket; none is lost. */
static void test_requests_fill_the_socket(void **state)
{
    (void)state;
    struct ledger ledger = {0};
    struct launcher *launcher = aimp__helper_open();
    ask(launcher, &ledger);
    hear_all(launcher, &ledger);
    pid_t pid = aimp__launcher_pid(launcher);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    while (ask(launcher, &ledger) == AIMP_OK)
        ;
    assert_true(ledger.asked > 20);
    assert_int_equal(kill(pid, SIGCONT), 0);
    hear_all(launcher, &ledger);
    assert_int_equal(ask(launcher, &ledger), AIMP_OK);
    hear_all(launcher, &ledger);
    aimp__launcher_close(launcher);
}

/* A parent that hears only when it cannot ask keeps socket and queue full of events. */
static void test_events_fill_the_socket(void **state)
{
    (void)state;
    static struct ledger ledger;
    struct launcher *launcher = aimp__helper_open();
    uint32_t refused = 0;
    while (ledger.asked < FLOOD)
        if (ask(launcher, &ledger) == AIMP_EAGAIN) {
            refused++;
            hear(launcher, &ledger);
        }
    assert_true(refused > 0);
    hear_all(launcher, &ledger);
    aimp__launcher_close(launcher);
}

/* Closing with everything full neither blocks nor leaves a process. */
static void test_close_while_full(void **state)
{
    (void)state;
    static struct ledger ledger;
    struct launcher *launcher = aimp__helper_open();
    while (ledger.asked < FLOOD && ask(launcher, &ledger) == AIMP_OK)
        ;
    aimp__launcher_close(launcher);
}

/* ---- limits ---- */

pid_t __real_fork(void);
pid_t __wrap_fork(void);

/* Linked instead of fork: in a template started with AIMP_TEST_FORK_FAILS=N the first N fail. */
pid_t __wrap_fork(void)
{
    static int calls;
    const char *count = getenv("AIMP_TEST_FORK_FAILS");
    if (!count || calls++ >= atoi(count))
        return __real_fork();
    errno = EAGAIN;
    return -1;
}

static void expect_failure(struct launcher *launcher, int os_errno)
{
    struct helper_worker worker;
    assert_int_equal(aimp__helper_send(launcher, &worker, 5, HELPER_WORKER(PLAY_PAUSE, 0), false),
                     AIMP_OK);
    struct launch_event event = aimp__helper_expect(launcher, LAUNCH_FAILED, 5);
    assert_int_equal(event.status, os_errno);
    assert_int_equal(event.pidfd, -1);
    /* nobody holds the other end any more: neither the template nor a worker */
    assert_true(aimp__helper_is_readable(worker.ctl_fd, HELPER_DEADLINE_MS));
    aimp__helper_drop(&worker);
}

static void expect_success(struct launcher *launcher)
{
    struct ledger ledger = {0};
    ask(launcher, &ledger);
    hear_all(launcher, &ledger);
}

static void test_process_limit(void **state)
{
    (void)state;
    setenv("AIMP_TEST_FORK_FAILS", "2", 1);
    struct launcher *launcher = aimp__helper_open();
    expect_failure(launcher, EAGAIN);
    expect_failure(launcher, EAGAIN);
    expect_success(launcher);
    aimp__launcher_close(launcher);
}

/* The template holds 0 to 5. Up to 9 the request's descriptors do not fit, with 10 the
 * worker's pidfd does not. */
static void test_descriptor_limit_of_template(void **state)
{
    (void)state;
    struct rlimit limit;
    struct launcher *launcher = aimp__helper_open();
    expect_success(launcher);
    pid_t pid = aimp__launcher_pid(launcher);
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
    for (limit.rlim_cur = 6; limit.rlim_cur <= 10; limit.rlim_cur++) {
        assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
        expect_failure(launcher, EMFILE);
    }
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
    expect_success(launcher);
    aimp__launcher_close(launcher);
}

/* Opens with room for ever more descriptors until it works; each failure is clean. */
static void test_descriptor_limit_of_host(void **state)
{
    (void)state;
    struct rlimit saved, limit;
    struct launcher *launcher = NULL;
    int failures = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    limit = saved;
    for (limit.rlim_cur = 1; !launcher; limit.rlim_cur++) {
        struct aimp_error err = {0};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        int rc = aimp__launcher_open(&launcher, aimp__helper_exe(), &err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
        if (rc == AIMP_OK)
            break;
        assert_int_equal(rc, AIMP_ESYS);
        assert_int_equal(err.os_errno, EMFILE);
        assert_int_equal(aimp__fds_count(), fds_before);
        failures++;
    }
    assert_true(failures > 2);
    aimp__launcher_close(launcher);
}

/* ---- executables ---- */

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
        CASE(test_requests_fill_the_socket),
        CASE(test_events_fill_the_socket),
        CASE(test_close_while_full),
        CASE(test_process_limit),
        CASE(test_descriptor_limit_of_template),
        CASE(test_descriptor_limit_of_host),
        CASE(test_no_executable),
        CASE(test_other_version),
        CASE(test_other_program),
    };
    aimp__helper_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
