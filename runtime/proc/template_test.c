/* Tests of the template by its wire format, as a launcher of another version or a
 * broken one would speak it. The template runs in a fork of this process. */
/* SPDX-License-Identifier: MIT */
#include "os/fdpass.h"
#include "os/fds.h"
#include "proc/launcher_helper.h"
#include "proc/template_child.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MISSING_EXE "/nonexistent/aimprun"

struct fixture {
    pid_t pid;
    int socket;
    int stderr_fd; /* what the template and its workers write */
    int fds_before;
};

static void pause_for_ever(void *ctx, uint32_t worker, const struct worker_fds *fds)
{
    (void)ctx, (void)worker, (void)fds;
    for (;;)
        pause();
}

static _Noreturn void be_template(int socket, int stderr_fd)
{
    const int from[] = {stderr_fd, socket};
    if (aimp__fds_move(from, 2, 2) < 0)
        _exit(99);
    _exit(aimp__template_run(3, MISSING_EXE, pause_for_ever, NULL));
}

static int set_up(void **state)
{
    static struct fixture fixture;
    int pair[2], ends[2];
    fixture.fds_before = aimp__fds_count();
    assert_int_equal(aimp__fdpass_pair(pair, NULL), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fixture.pid = fork();
    assert_true(fixture.pid >= 0);
    if (fixture.pid == 0)
        be_template(pair[1], ends[1]);
    close(pair[1]);
    close(ends[1]);
    fixture.socket = pair[0];
    fixture.stderr_fd = ends[0];
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    close(f->stderr_fd);
    aimp__helper_assert_alone();
    assert_int_equal(aimp__fds_count(), f->fds_before);
    return 0;
}

static void send_bytes(struct fixture *f, const void *data, size_t len, int fd)
{
    assert_int_equal(aimp__fdpass_send(f->socket, data, len, &fd, fd >= 0, NULL), 0);
}

static void greet(struct fixture *f, int pidfd)
{
    struct wire_hello hello = aimp__wire_greet(WIRE_HELLO);
    send_bytes(f, &hello, sizeof hello, pidfd);
}

/* The next message; *fd, if not NULL, gets its descriptor. */
static union wire_message receive(struct fixture *f, int *fd)
{
    union wire_message message = {0};
    int fd_count = fd != NULL;
    assert_true(aimp__helper_is_readable(f->socket, HELPER_DEADLINE_MS));
    int got = aimp__fdpass_receive(f->socket, &message, sizeof message, fd, &fd_count, NULL);
    assert_true(got > 0);
    assert_true(aimp__wire_is_valid(&message, (size_t)got));
    return message;
}

static void expect_ready(struct fixture *f)
{
    union wire_message message = receive(f, NULL);
    assert_int_equal(message.header.kind, WIRE_READY);
    assert_string_equal(message.hello.version, AIMP_VERSION);
}

static void expect_exit(struct fixture *f, int expected)
{
    int status, pidfd = aimp__helper_pidfd(f->pid);
    assert_true(aimp__helper_is_readable(pidfd, HELPER_DEADLINE_MS));
    close(pidfd);
    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void finish(struct fixture *f, int expected)
{
    close(f->socket);
    expect_exit(f, expected);
}

/* ---- the first words ---- */

static void test_ready(void **state)
{
    greet(*state, -1); /* without a pidfd of the parent the socket alone counts */
    expect_ready(*state);
    finish(*state, 0);
}

static void check_refused(struct fixture *f, const void *data, size_t len)
{
    char byte;
    send_bytes(f, data, len, -1);
    union wire_message message = receive(f, NULL);
    assert_int_equal(message.header.kind, WIRE_REFUSED);
    assert_string_equal(message.hello.version, AIMP_VERSION);
    expect_exit(f, 1);
    assert_int_equal(aimp__fdpass_receive(f->socket, &byte, 1, NULL, NULL, NULL), AIMP_ECLOSED);
    close(f->socket);
}

static void test_other_version(void **state)
{
    struct wire_hello hello = {.header = WIRE_HEADER(WIRE_HELLO), .version = AIMP_VERSION "-next"};
    check_refused(*state, &hello, sizeof hello);
}

static void test_no_hello(void **state)
{
    struct wire_launch launch = {.header = WIRE_HEADER(WIRE_LAUNCH)};
    check_refused(*state, &launch, sizeof launch);
}

static void test_too_short(void **state)
{
    check_refused(*state, "", 1);
}

static void test_too_long(void **state)
{
    char bytes[1000] = {0};
    struct wire_hello hello = aimp__wire_greet(WIRE_HELLO);
    memcpy(bytes, &hello, sizeof hello);
    check_refused(*state, bytes, sizeof bytes);
}

static void test_silent_launcher(void **state)
{
    finish(*state, 0);
}

/* ---- requests ---- */

static void start(struct fixture *f)
{
    greet(f, -1);
    expect_ready(f);
}

static void request(struct fixture *f, uint32_t id, bool is_spawn, int fd_count)
{
    const int fds[WIRE_LAUNCH_FDS] = {0, 0, 0, 0};
    const struct wire_launch launch = {
        .header = WIRE_HEADER(WIRE_LAUNCH), .id = id, .worker = 1, .is_spawn = is_spawn};
    assert_int_equal(aimp__fdpass_send(f->socket, &launch, sizeof launch, fds, fd_count, NULL), 0);
}

static struct wire_event expect_event(struct fixture *f, uint32_t kind, uint32_t id, int *fd)
{
    union wire_message message = receive(f, fd);
    assert_int_equal(message.header.kind, WIRE_EVENT);
    assert_int_equal(message.event.kind, kind);
    assert_int_equal(message.event.id, id);
    return message.event;
}

/* Its workers are gone when it ends, also for a reason like this. */
static void check_nonsense(struct fixture *f, const void *data, size_t len)
{
    int pidfd = -1;
    start(f);
    request(f, 1, false, WIRE_LAUNCH_FDS);
    expect_event(f, LAUNCH_FORKED, 1, &pidfd);
    send_bytes(f, data, len, -1);
    expect_exit(f, 1);
    assert_true(aimp__helper_is_readable(pidfd, 0));
    close(pidfd);
    close(f->socket);
}

static void test_nonsense(void **state)
{
    check_nonsense(*state, "nonsense", 8);
}

static void test_second_hello(void **state)
{
    struct wire_hello hello = aimp__wire_greet(WIRE_HELLO);
    check_nonsense(*state, &hello, sizeof hello);
}

static void test_too_few_descriptors(void **state)
{
    struct fixture *f = *state;
    start(f);
    for (int count = 0; count < WIRE_LAUNCH_FDS; count++) {
        request(f, 3, false, count);
        assert_true(expect_event(f, LAUNCH_FAILED, 3, NULL).status > 0);
    }
    finish(f, 0);
}

/* The executable went away: the worker says so, and ends with a status of its own. */
static void test_exec_fails(void **state)
{
    struct fixture *f = *state;
    char text[256] = "";
    start(f);
    request(f, 8, true, WIRE_LAUNCH_FDS);
    expect_event(f, LAUNCH_FORKED, 8, NULL);
    struct wire_event event = expect_event(f, LAUNCH_EXITED, 8, NULL);
    assert_int_equal(event.status, WORKER_STATUS_UNSTARTED << 8);
    assert_true(read(f->stderr_fd, text, sizeof text - 1) > 0);
    assert_string_equal(text, "aimp: worker 1 cannot be started: No such file or directory\n");
    finish(f, 0);
}

/* The launcher's process dies, but somebody has a copy of its socket: us. */
static void test_parent_dies_with_socket_open(void **state)
{
    struct fixture *f = *state;
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0)
        pause_for_ever(NULL, 0, NULL);
    int parent_fd = aimp__helper_pidfd(parent), pidfd = -1;
    greet(f, parent_fd);
    expect_ready(f);
    request(f, 1, false, WIRE_LAUNCH_FDS);
    expect_event(f, LAUNCH_FORKED, 1, &pidfd);
    assert_int_equal(kill(parent, SIGKILL), 0);
    expect_exit(f, 0);
    assert_true(aimp__helper_is_readable(pidfd, 0));
    close(pidfd);
    close(parent_fd);
    close(f->socket);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(test_ready),
        CASE(test_other_version),
        CASE(test_no_hello),
        CASE(test_too_short),
        CASE(test_too_long),
        CASE(test_silent_launcher),
        CASE(test_nonsense),
        CASE(test_second_hello),
        CASE(test_too_few_descriptors),
        CASE(test_exec_fails),
        CASE(test_parent_dies_with_socket_open),
    };
    aimp__helper_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
