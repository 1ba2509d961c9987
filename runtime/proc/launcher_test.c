/* Tests of proc/launcher.h: workers that live and die as they should. */
/* SPDX-License-Identifier: MIT */
#include "os/fds.h"
#include "proc/launcher_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 100
#define LIBC_SIGNALS                                                                               \
    (3ull << 31) /* 32 and 33 are glibc's own; its posix_spawn leaves them ignored */

static int fds_before;

static int set_up(void **state)
{
    (void)state;
    fds_before = aimp__fds_count();
    return 0;
}

/* After each case: no process and no descriptor is left. */
static int tear_down(void **state)
{
    (void)state;
    aimp__helper_assert_alone();
    assert_int_equal(aimp__fds_count(), fds_before);
    return 0;
}

static int run_to_end(struct launcher *launcher, uint32_t number, bool is_spawn)
{
    struct helper_worker worker;
    aimp__helper_start(launcher, &worker, 7, number, is_spawn);
    struct launch_event end = aimp__helper_expect(launcher, LAUNCH_EXITED, 7);
    assert_int_equal(end.pid, worker.pid);
    assert_int_equal(end.pidfd, -1);
    assert_true(end.max_rss_kib > 0);
    assert_true(aimp__helper_is_readable(worker.pidfd, 0));
    aimp__helper_drop(&worker);
    return end.status;
}

static void test_open_close(void **state)
{
    (void)state;
    struct launcher *launcher = aimp__helper_open();
    assert_true(aimp__launcher_pid(launcher) > 0);
    aimp__launcher_close(launcher);
    aimp__launcher_close(NULL);
}

static void test_exit_statuses(void **state)
{
    (void)state;
    struct launcher *launcher = aimp__helper_open();
    for (int is_spawn = 0; is_spawn < 2; is_spawn++) {
        assert_int_equal(run_to_end(launcher, HELPER_WORKER(PLAY_EXIT, 0), is_spawn), 0);
        assert_int_equal(run_to_end(launcher, HELPER_WORKER(PLAY_EXIT, 3), is_spawn), 3 << 8);
        int status = run_to_end(launcher, HELPER_WORKER(PLAY_ABORT, 0), is_spawn);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        status = run_to_end(launcher, HELPER_WORKER(PLAY_RETURN, 0), is_spawn);
        assert_int_equal(status, 127 << 8);
    }
    aimp__launcher_close(launcher);
}

static void test_killed_worker(void **state)
{
    (void)state;
    struct launcher *launcher = aimp__helper_open();
    struct helper_worker worker;
    aimp__helper_start(launcher, &worker, 1, HELPER_WORKER(PLAY_SPIN, 0), false);
    assert_int_equal(kill(worker.pid, SIGKILL), 0);
    struct launch_event end = aimp__helper_expect(launcher, LAUNCH_EXITED, 1);
    assert_true(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGKILL);
    aimp__helper_drop(&worker);
    aimp__launcher_close(launcher);
}

/* Each of many is told as forked once and as ended once, in this order. */
static void test_many_workers(void **state)
{
    (void)state;
    struct launcher *launcher = aimp__helper_open();
    static struct helper_worker workers[MANY];
    bool has_ended[MANY] = {false};
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(
            aimp__helper_send(launcher, &workers[i], i, HELPER_WORKER(PLAY_EXIT, i), false),
            AIMP_OK);
    for (int events = 0; events < 2 * MANY; events++) {
        struct launch_event event = aimp__helper_next(launcher);
        assert_in_range(event.id, 0, MANY - 1);
        if (event.kind == LAUNCH_FORKED) {
            assert_int_equal(workers[event.id].pidfd, -1);
            aimp__helper_forked(&workers[event.id], &event);
            continue;
        }
        assert_int_equal(event.kind, LAUNCH_EXITED);
        assert_int_equal(event.pid, workers[event.id].pid);
        assert_int_equal(event.status, event.id << 8);
        assert_false(has_ended[event.id]);
        has_ended[event.id] = true;
    }
    /* events keep their order, so one more of those would come before this one's */
    assert_int_equal(run_to_end(launcher, HELPER_WORKER(PLAY_EXIT, 9), false), 9 << 8);
    for (int i = 0; i < MANY; i++)
        aimp__helper_drop(&workers[i]);
    aimp__launcher_close(launcher);
}

static void check_report(const struct helper_report *report, const struct helper_worker *worker,
                         pid_t template_pid)
{
    assert_int_equal(report->pid, worker->pid);
    assert_int_equal(report->ppid, template_pid);
    assert_int_equal(report->death_signal, SIGKILL);
    assert_string_equal(report->fds, "0 1 2 3 4 5 6 ");
    assert_true(report->are_cloexec);
    assert_memory_equal(report->inodes, worker->inodes, sizeof report->inodes);
    assert_int_equal(report->blocked, 0);
    assert_int_equal(report->ignored & ~LIBC_SIGNALS, 1ull << (SIGINT - 1));
    assert_string_equal(report->title, "aimp: worker 5000");
    assert_string_equal(report->name, "aimp:worker5000");
}

static void check_workers(struct launcher *launcher)
{
    for (int is_spawn = 0; is_spawn < 2; is_spawn++) {
        struct helper_worker worker;
        aimp__helper_start(launcher, &worker, 1, HELPER_WORKER(PLAY_REPORT, 0), is_spawn);
        struct helper_report report = aimp__helper_report(&worker);
        check_report(&report, &worker, aimp__launcher_pid(launcher));
        assert_int_equal(kill(worker.pid, SIGTERM), 0);
        assert_int_equal(aimp__helper_expect(launcher, LAUNCH_EXITED, 1).status, SIGTERM);
        aimp__helper_drop(&worker);
    }
}

static void test_worker_is_clean(void **state)
{
    (void)state;
    struct launcher *launcher = aimp__helper_open();
    check_workers(launcher);
    aimp__launcher_close(launcher);
}

/* Descriptors that survive exec, ignored and blocked signals: none reaches a worker. */
static void test_worker_of_an_unclean_host(void **state)
{
    (void)state;
    sigset_t blocked, saved;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGUSR2);
    int extra = dup2(2, 60), low = dup(2);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    sigprocmask(SIG_BLOCK, &blocked, &saved);
    struct launcher *launcher = aimp__helper_open();
    check_workers(launcher);
    aimp__launcher_close(launcher);
    sigprocmask(SIG_SETMASK, &saved, NULL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    close(extra);
    close(low);
}

/* A host without stdin: the sockets get number 0 there, but not in the worker. */
static void test_worker_of_a_host_without_stdin(void **state)
{
    (void)state;
    int saved = fcntl(0, F_DUPFD_CLOEXEC, 10);
    close(0);
    struct launcher *launcher = aimp__helper_open();
    check_workers(launcher);
    aimp__launcher_close(launcher);
    dup2(saved, 0);
    close(saved);
}

static void count_fork(void)
{
    fail_msg("an atfork handler of the host ran");
}

static void *wait_for_byte(void *fd)
{
    char byte;
    return read(*(int *)fd, &byte, 1) == 1 ? fd : NULL;
}

static void test_host_with_threads(void **state)
{
    (void)state;
    int ends[2];
    pthread_t thread;
    void *result;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_byte, &ends[0]), 0);
    pthread_atfork(count_fork, NULL, NULL); /* the last case: it cannot be taken back */
    struct launcher *launcher = aimp__helper_open();
    assert_int_equal(run_to_end(launcher, HELPER_WORKER(PLAY_EXIT, 4), false), 4 << 8);
    aimp__launcher_close(launcher);
    assert_int_equal(write(ends[1], "", 1), 1);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &ends[0]);
    close(ends[0]);
    close(ends[1]);
}

static void test_template_title(void **state)
{
    (void)state;
    char path[64], title[64] = "";
    struct launcher *launcher = aimp__helper_open();
    assert_int_equal(run_to_end(launcher, HELPER_WORKER(PLAY_EXIT, 0), false), 0);
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)aimp__launcher_pid(launcher));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, title, sizeof title - 1) > 0);
    close(fd);
    assert_string_equal(title, "aimp: template");
    aimp__launcher_close(launcher);
}

static void test_two_launchers(void **state)
{
    (void)state;
    struct launcher *one = aimp__helper_open(), *two = aimp__helper_open();
    struct helper_worker worker;
    aimp__helper_start(two, &worker, 1, HELPER_WORKER(PLAY_PAUSE, 0), false);
    aimp__launcher_close(one);
    assert_int_equal(kill(worker.pid, SIGKILL), 0);
    aimp__helper_expect(two, LAUNCH_EXITED, 1);
    aimp__helper_drop(&worker);
    aimp__launcher_close(two);
}

/* Under nohup a closed terminal ends nobody. */
static void test_worker_under_nohup(void **state)
{
    (void)state;
    struct helper_worker worker;
    signal(SIGHUP, SIG_IGN);
    struct launcher *launcher = aimp__helper_open();
    signal(SIGHUP, SIG_DFL);
    aimp__helper_start(launcher, &worker, 1, HELPER_WORKER(PLAY_REPORT, 0), false);
    struct helper_report report = aimp__helper_report(&worker);
    assert_int_equal(report.ignored & ~LIBC_SIGNALS, 1ull << (SIGINT - 1) | 1ull << (SIGHUP - 1));
    aimp__helper_drop(&worker);
    aimp__launcher_close(launcher);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(test_open_close),
        CASE(test_exit_statuses),
        CASE(test_killed_worker),
        CASE(test_many_workers),
        CASE(test_worker_is_clean),
        CASE(test_worker_of_an_unclean_host),
        CASE(test_worker_of_a_host_without_stdin),
        CASE(test_worker_under_nohup),
        CASE(test_template_title),
        CASE(test_two_launchers),
        CASE(test_host_with_threads),
    };
    aimp__helper_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
