/* Tests of proc/launcher.h: full sockets and limits of the system. */
/* SPDX-License-Identifier: MIT */
#include "os/fds.h"
#include "proc/launcher_helper.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FLOOD        1500 /* more requests than sockets and queue hold together */
#define SATURATED_MS 300  /* nothing was read for so long: nothing will be */

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
    unsetenv("AIMP_TEST_PIDFD_FAILS");
    aimp__helper_assert_alone();
    assert_int_equal(aimp__fds_count(), fds_before);
    return 0;
}

/* ---- what was asked for, and what was told of it ---- */

struct ledger {
    uint32_t asked, forked, exited;
    uint8_t stage[FLOOD]; /* by id: 0 asked, 1 forked, 2 exited */
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

/* Asks until the template reads no more, because nobody hears what it says. */
static void saturate(struct launcher *launcher, struct ledger *ledger)
{
    struct pollfd polled = {.fd = aimp__launcher_fd(launcher), .events = POLLOUT};
    do
        while (ask(launcher, ledger) == AIMP_OK)
            ;
    while (poll(&polled, 1, SATURATED_MS) > 0);
}

/* Sockets and queue are full of events; none is lost, and it goes on afterwards. */
static void test_events_fill_the_socket(void **state)
{
    (void)state;
    static struct ledger ledger;
    struct launcher *launcher = aimp__helper_open();
    saturate(launcher, &ledger);
    hear_all(launcher, &ledger);
    assert_int_equal(ask(launcher, &ledger), AIMP_OK);
    hear_all(launcher, &ledger);
    aimp__launcher_close(launcher);
}

/* Closing with everything full neither blocks nor leaves a process. */
static void test_close_while_full(void **state)
{
    (void)state;
    static struct ledger ledger;
    struct launcher *launcher = aimp__helper_open();
    saturate(launcher, &ledger);
    aimp__launcher_close(launcher);
}

/* ---- limits ---- */

pid_t __real_fork(void);
pid_t __wrap_fork(void);

static void forbid_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Linked instead of fork, for the template: with AIMP_TEST_FORK_FAILS=N the first N calls
 * fail, with AIMP_TEST_PIDFD_FAILS its first child leaves it without new descriptors. */
pid_t __wrap_fork(void)
{
    static int calls;
    const char *failing = getenv("AIMP_TEST_FORK_FAILS");
    if (failing && calls++ < atoi(failing)) {
        errno = EAGAIN;
        return -1;
    }
    pid_t pid = __real_fork();
    if (pid > 0 && getenv("AIMP_TEST_PIDFD_FAILS"))
        forbid_descriptors();
    return pid;
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

/* A worker that runs already, but cannot be signalled, is ended again. */
static void test_no_pidfd(void **state)
{
    (void)state;
    setenv("AIMP_TEST_PIDFD_FAILS", "1", 1);
    struct launcher *launcher = aimp__helper_open();
    expect_failure(launcher, EMFILE);
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

/* Opens all descriptors that there are; how many. */
static int use_up(int *fds, int max)
{
    int count = 0;
    while (count < max && (fds[count] = dup(STDERR_FILENO)) >= 0)
        count++;
    assert_in_range(count, 1, max - 1);
    assert_int_equal(errno, EMFILE);
    return count;
}

/* Requests that are under way when the last descriptor is used up still bring their pidfds, as each
 * makes room for the next; further ones are refused. */
static void test_no_descriptor_for_pidfds(void **state)
{
    (void)state;
    enum { COUNT = 5 };
    struct helper_worker workers[COUNT];
    int ctl_fds[COUNT], hoard[1024];
    struct rlimit saved, limit;
    struct launcher *launcher = aimp__helper_open();
    expect_success(launcher);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(
            aimp__helper_send(launcher, &workers[i], i, HELPER_WORKER(PLAY_PAUSE, 0), false), 0);
        ctl_fds[i] = dup(STDERR_FILENO); /* stands for the request's, which the helper closed */
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    limit = saved;
    limit.rlim_cur = 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int hoarded = use_up(hoard, 1024);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct launch_event event = aimp__helper_expect(launcher, LAUNCH_FORKED, i);
        aimp__helper_forked(&workers[i], &event);
        assert_true(workers[i].pidfd >= 0);
        close(ctl_fds[i]);
    }
    hoard[hoarded++] = dup(STDERR_FILENO); /* what the last one made room for */
    struct aimp_error err = {0};
    const struct launch_request request = {.id = COUNT};
    assert_int_equal(aimp__launcher_fork(launcher, &request, &err), AIMP_ESYS);
    assert_int_equal(err.os_errno, EMFILE);
    while (hoarded > 0)
        close(hoard[--hoarded]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
    for (uint32_t i = 0; i < COUNT; i++)
        aimp__helper_drop(&workers[i]);
    aimp__launcher_close(launcher);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(test_requests_fill_the_socket),
        CASE(test_events_fill_the_socket),
        CASE(test_close_while_full),
        CASE(test_process_limit),
        CASE(test_no_pidfd),
        CASE(test_no_descriptor_for_pidfds),
        CASE(test_descriptor_limit_of_template),
        CASE(test_descriptor_limit_of_host),
    };
    aimp__helper_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
