/* Tests of proc/launcher.h: parent or template die, are stopped, or taken away. */
/* SPDX-License-Identifier: MIT */
#include "os/fdpass.h"
#include "os/fds.h"
#include "proc/launcher_helper.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PARENT_SOCKET 3

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
    aimp__helper_assert_alone();
    assert_int_equal(aimp__fds_count(), fds_before);
    return 0;
}

/* ---- a parent that is killed: this program again, with --parent MODE ---- */

static const uint32_t endless[] = {HELPER_WORKER(PLAY_PAUSE, 0), HELPER_WORKER(PLAY_SPIN, 0),
                                   HELPER_WORKER(PLAY_PAUSE, 1)};
#define ENDLESS (int)(sizeof endless / sizeof endless[0])

/* Sends the pidfds of its template and workers, then waits to be killed. */
static void be_parent(const char *mode)
{
    static struct helper_worker workers[ENDLESS];
    struct launcher *launcher = aimp__helper_open();
    int pidfds[1 + ENDLESS] = {aimp__helper_pidfd(aimp__launcher_pid(launcher))};
    int count = 1;
    for (int i = 0; i < ENDLESS && strcmp(mode, "running") == 0; i++) {
        aimp__helper_start(launcher, &workers[i], (uint32_t)i, endless[i], i == 2);
        pidfds[count++] = workers[i].pidfd;
    }
    for (int i = 0; i < ENDLESS && strcmp(mode, "starting") == 0; i++)
        aimp__helper_send(launcher, &workers[i], (uint32_t)i, endless[i], i == 2);
    aimp__fdpass_send(PARENT_SOCKET, "", 1, pidfds, count, NULL);
    for (;;)
        pause();
}

static pid_t start_parent(const char *mode, int pidfds[FDPASS_MAX], int *count)
{
    int pair[2];
    char byte;
    assert_int_equal(aimp__fdpass_pair(pair, NULL), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        aimp__fds_move(&pair[1], PARENT_SOCKET, 1);
        execl(aimp__helper_exe(), aimp__helper_exe(), "--parent", mode, (char *)NULL);
        _exit(1);
    }
    close(pair[1]);
    *count = FDPASS_MAX;
    assert_true(aimp__helper_is_readable(pair[0], HELPER_DEADLINE_MS));
    assert_int_equal(aimp__fdpass_receive(pair[0], &byte, 1, pidfds, count, NULL), 1);
    close(pair[0]);
    return pid;
}

static void check_parent_killed(const char *mode, int expected)
{
    int pidfds[FDPASS_MAX], count;
    pid_t parent = start_parent(mode, pidfds, &count);
    assert_int_equal(count, expected);
    for (int i = 0; i < count; i++)
        assert_false(aimp__helper_is_readable(pidfds[i], 0));
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    for (int i = 0; i < count; i++) {
        assert_true(aimp__helper_is_readable(pidfds[i], HELPER_DEATH_MS));
        close(pidfds[i]);
    }
}

static void test_parent_killed(void **state)
{
    (void)state;
    check_parent_killed("running", 1 + ENDLESS);
}

/* The template reaps its workers before it ends, so nobody can be left afterwards. */
static void test_parent_killed_while_workers_start(void **state)
{
    (void)state;
    check_parent_killed("starting", 1);
}

static void test_parent_killed_at_once(void **state)
{
    (void)state;
    check_parent_killed("opening", 1);
}

/* ---- the template ends ---- */

/* LAUNCH_LOST comes once, and its workers end too. */
static void expect_loss(struct launcher *launcher, const char *text, struct helper_worker *workers,
                        int count)
{
    struct launch_event event = aimp__helper_expect(launcher, LAUNCH_LOST, 0);
    assert_int_equal(event.status, AIMP_ECLOSED);
    assert_int_equal(event.pidfd, -1);
    assert_string_equal(aimp__launcher_error(launcher)->text, text);
    assert_int_equal(aimp__launcher_pid(launcher), -1);
    assert_int_equal(aimp__launcher_next(launcher, &event), 0);
    for (int i = 0; i < count; i++) {
        assert_true(aimp__helper_is_readable(workers[i].pidfd, HELPER_DEATH_MS));
        aimp__helper_drop(&workers[i]);
    }
}

static void check_template_killed(int signal_number, const char *text)
{
    struct helper_worker workers[ENDLESS];
    struct launcher *launcher = aimp__helper_open();
    for (int i = 0; i < ENDLESS; i++)
        aimp__helper_start(launcher, &workers[i], (uint32_t)i, endless[i], i == 2);
    assert_int_equal(kill(aimp__launcher_pid(launcher), signal_number), 0);
    expect_loss(launcher, text, workers, ENDLESS);
    assert_int_equal(aimp__helper_send(launcher, &workers[0], 9, endless[0], false), AIMP_ECLOSED);
    aimp__helper_drop(&workers[0]);
    aimp__launcher_close(launcher);
}

static void test_template_killed(void **state)
{
    (void)state;
    check_template_killed(SIGKILL, "the template process was killed by signal 9");
}

static void test_template_terminated(void **state)
{
    (void)state;
    check_template_killed(SIGTERM, "the template process was killed by signal 15");
}

/* A request that finds nobody fails, and the loss is told all the same. */
static void test_request_finds_template_gone(void **state)
{
    (void)state;
    struct helper_worker worker;
    struct launcher *launcher = aimp__helper_open();
    aimp__helper_start(launcher, &worker, 1, HELPER_WORKER(PLAY_EXIT, 0), false);
    aimp__helper_expect(launcher, LAUNCH_EXITED, 1);
    aimp__helper_drop(&worker);
    int pidfd = aimp__helper_pidfd(aimp__launcher_pid(launcher));
    assert_int_equal(kill(aimp__launcher_pid(launcher), SIGKILL), 0);
    assert_true(aimp__helper_is_readable(pidfd, HELPER_DEADLINE_MS));
    close(pidfd);
    assert_int_equal(aimp__helper_send(launcher, &worker, 2, endless[0], false), AIMP_ECLOSED);
    aimp__helper_drop(&worker);
    expect_loss(launcher, "the template process was killed by signal 9", NULL, 0);
    aimp__launcher_close(launcher);
}

/* A host that waits for all children is first: only the status is unknown then. */
static void test_template_reaped_by_host(void **state)
{
    (void)state;
    struct helper_worker worker;
    struct launcher *launcher = aimp__helper_open();
    aimp__helper_start(launcher, &worker, 1, endless[0], false);
    pid_t pid = aimp__launcher_pid(launcher);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    expect_loss(launcher, "the template process ended", &worker, 1);
    aimp__launcher_close(launcher);
}

static void test_template_reaped_before_close(void **state)
{
    (void)state;
    struct launcher *launcher = aimp__helper_open();
    pid_t pid = aimp__launcher_pid(launcher);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    aimp__launcher_close(launcher);
}

static void stop_template(struct launcher *launcher)
{
    int status;
    pid_t pid = aimp__launcher_pid(launcher);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}

/* What the template said before it died with a request unread is not lost. */
static void test_last_words(void **state)
{
    (void)state;
    struct helper_worker worker, first, unread;
    struct launcher *launcher = aimp__helper_open();
    aimp__helper_start(launcher, &first, 1, endless[0], false); /* its READY is read as well */
    assert_int_equal(aimp__helper_send(launcher, &worker, 2, endless[0], false), AIMP_OK);
    assert_true(aimp__helper_is_readable(aimp__launcher_fd(launcher), HELPER_DEADLINE_MS));
    stop_template(launcher);
    assert_int_equal(aimp__helper_send(launcher, &unread, 3, endless[0], false), AIMP_OK);
    int pidfd = aimp__helper_pidfd(aimp__launcher_pid(launcher));
    assert_int_equal(kill(aimp__launcher_pid(launcher), SIGKILL), 0);
    assert_true(aimp__helper_is_readable(pidfd, HELPER_DEADLINE_MS));
    struct launch_event event = aimp__helper_expect(launcher, LAUNCH_FORKED, 2);
    aimp__helper_forked(&worker, &event);
    struct helper_worker lost[] = {first, worker};
    expect_loss(launcher, "the template process was killed by signal 9", lost, 2);
    aimp__helper_drop(&unread);
    close(pidfd);
    aimp__launcher_close(launcher);
}

/* ---- signals and stops that it survives ---- */

static void test_ctrl_c(void **state)
{
    (void)state;
    struct helper_worker worker;
    struct launcher *launcher = aimp__helper_open();
    kill(aimp__launcher_pid(launcher), SIGINT); /* it may not have come to main yet */
    aimp__helper_start(launcher, &worker, 1, endless[1], false);
    kill(aimp__launcher_pid(launcher), SIGINT);
    kill(worker.pid, SIGINT);
    kill(worker.pid, SIGTERM); /* later than SIGINT, which would have been the end */
    assert_int_equal(aimp__helper_expect(launcher, LAUNCH_EXITED, 1).status, SIGTERM);
    aimp__helper_drop(&worker);
    aimp__launcher_close(launcher);
}

static void test_close_kills_workers(void **state)
{
    (void)state;
    struct helper_worker workers[ENDLESS];
    struct launcher *launcher = aimp__helper_open();
    for (int i = 0; i < ENDLESS; i++)
        aimp__helper_start(launcher, &workers[i], (uint32_t)i, endless[i], false);
    aimp__launcher_close(launcher);
    for (int i = 0; i < ENDLESS; i++) {
        assert_true(aimp__helper_is_readable(workers[i].pidfd, 0)); /* all reaped already */
        aimp__helper_drop(&workers[i]);
    }
}

/* A template that does not end by itself is killed. */
static void test_close_stopped_template(void **state)
{
    (void)state;
    struct helper_worker worker;
    struct launcher *launcher = aimp__helper_open();
    aimp__helper_start(launcher, &worker, 1, endless[1], false);
    int pidfd = aimp__helper_pidfd(aimp__launcher_pid(launcher));
    stop_template(launcher);
    aimp__launcher_close(launcher);
    assert_true(aimp__helper_is_readable(pidfd, 0));
    assert_true(aimp__helper_is_readable(worker.pidfd, HELPER_DEATH_MS));
    aimp__helper_drop(&worker);
    close(pidfd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(test_parent_killed),
        CASE(test_parent_killed_while_workers_start),
        CASE(test_parent_killed_at_once),
        CASE(test_template_killed),
        CASE(test_template_terminated),
        CASE(test_request_finds_template_gone),
        CASE(test_template_reaped_by_host),
        CASE(test_template_reaped_before_close),
        CASE(test_last_words),
        CASE(test_ctrl_c),
        CASE(test_close_kills_workers),
        CASE(test_close_stopped_template),
    };
    if (argc == 3 && strcmp(argv[1], "--parent") == 0)
        be_parent(argv[2]);
    aimp__helper_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
