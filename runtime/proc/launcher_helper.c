/* The contract is in launcher_helper.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/launcher_helper.h"

#include "os/fdpass.h"
#include "os/title.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WATCHDOG_S 100

/* ---- in the worker ---- */

static void list_fds(struct helper_report *report, const struct worker_fds *fds)
{
    const int mine[] = {fds->channel_fd, fds->ctl_fd, fds->wake_fd, fds->peer_wake_fd};
    struct stat st;
    size_t used = 0;
    for (int fd = 0; fd < 1024 && used + 8 < sizeof report->fds; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            used += (size_t)snprintf(report->fds + used, sizeof report->fds - used, "%d ", fd);
    report->are_cloexec = true;
    for (int i = 0; i < WIRE_LAUNCH_FDS; i++) {
        report->inodes[i] = fstat(mine[i], &st) == 0 ? st.st_ino : 0;
        report->are_cloexec &= fcntl(mine[i], F_GETFD) == FD_CLOEXEC;
    }
}

static void read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
}

static unsigned long long signals_of(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    return line ? strtoull(line + strlen(name), NULL, 16) : ~0ull;
}

static void send_report(const struct worker_fds *fds)
{
    struct helper_report report = {.pid = getpid(), .ppid = getppid()};
    char status[4096];
    list_fds(&report, fds);
    prctl(PR_GET_PDEATHSIG, &report.death_signal);
    prctl(PR_GET_NAME, report.name);
    read_file("/proc/self/cmdline", report.title, sizeof report.title);
    read_file("/proc/self/status", status, sizeof status);
    report.blocked = signals_of(status, "\nSigBlk:");
    report.ignored = signals_of(status, "\nSigIgn:");
    aimp__fdpass_send(fds->ctl_fd, &report, sizeof report, NULL, 0, NULL);
}

static _Noreturn void spin(void)
{
    for (volatile unsigned turns = 0;; turns++)
        ;
}

static void play(void *ctx, uint32_t worker, const struct worker_fds *fds)
{
    (void)ctx;
    switch (worker / 1000) {
    case PLAY_EXIT:
        _exit((int)(worker % 1000));
    case PLAY_ABORT:
        abort();
    case PLAY_SPIN:
        spin();
    case PLAY_RETURN:
        return;
    case PLAY_REPORT:
        send_report(fds);
        break;
    default:
        break;
    }
    for (;;)
        pause();
}

/* ---- the roles of this program ---- */

const char *aimp__helper_exe(void)
{
    static char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return path;
}

static int refuse(const char *version)
{
    struct wire_hello refusal = {.header = WIRE_HEADER(WIRE_REFUSED)};
    snprintf(refusal.version, sizeof refusal.version, "%s", version);
    return aimp__fdpass_send(3, &refusal, sizeof refusal, NULL, 0, NULL) != 0;
}

/* AIMP_TEST_TEMPLATE makes the template one of another version, which may tell how it
 * found SIGINT, or none at all. Those are killed once they have spoken: they must not
 * be in the midst of a sanitizer's exit, which has children. */
static int run_template(void)
{
    const char *role = getenv("AIMP_TEST_TEMPLATE");
    sigset_t mask;
    if (!role)
        return aimp__template_run(3, aimp__helper_exe(), play, NULL);
    if (strcmp(role, "other") == 0)
        _exit(refuse("0.0.0-other"));
    sigprocmask(SIG_SETMASK, NULL, &mask);
    if (strcmp(role, "mask") == 0)
        _exit(refuse(sigismember(&mask, SIGINT) ? "SIGINT blocked" : "SIGINT open"));
    _exit(aimp__fdpass_send(3, "nonsense", 8, &(int){2}, 1, NULL) != 0);
}

void aimp__helper_main(int argc, char **argv)
{
    argv = aimp__title_init(argc, argv);
    if (argc == 2 && strcmp(argv[1], "--template") == 0)
        exit(run_template());
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        exit(aimp__template_spawned((uint32_t)strtoul(argv[2], NULL, 10), play, NULL));
    if (argc > 0)
        free(argv);
    alarm(WATCHDOG_S);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* ---- in the parent ---- */

struct launcher *aimp__helper_open(void)
{
    struct launcher *launcher = NULL;
    struct aimp_error err = {0};
    if (aimp__launcher_open(&launcher, aimp__helper_exe(), &err) != AIMP_OK)
        fail_msg("%s", err.text);
    return launcher;
}

static ino_t inode_of(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return st.st_ino;
}

static int new_file(void)
{
    int fd = memfd_create("helper", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

int aimp__helper_send(struct launcher *launcher, struct helper_worker *worker, uint32_t id,
                      uint32_t number, bool is_spawn)
{
    int pair[2];
    assert_int_equal(aimp__fdpass_pair(pair, NULL), 0);
    const int fds[] = {new_file(), pair[1], new_file(), new_file()};
    const struct launch_request request = {.id = id,
                                           .worker = number,
                                           .channel_fd = fds[0],
                                           .ctl_fd = fds[1],
                                           .wake_fd = fds[2],
                                           .peer_wake_fd = fds[3],
                                           .spawn = is_spawn};
    int rc = aimp__launcher_fork(launcher, &request, NULL);
    *worker = (struct helper_worker){.id = id, .ctl_fd = pair[0], .pid = -1, .pidfd = -1};
    for (int i = 0; i < WIRE_LAUNCH_FDS; i++) {
        worker->inodes[i] = inode_of(fds[i]);
        close(fds[i]);
    }
    return rc;
}

void aimp__helper_forked(struct helper_worker *worker, const struct launch_event *event)
{
    assert_int_equal(event->kind, LAUNCH_FORKED);
    assert_true(event->pid > 0);
    assert_true(event->pidfd >= 0);
    worker->pid = event->pid;
    worker->pidfd = event->pidfd;
}

void aimp__helper_start(struct launcher *launcher, struct helper_worker *worker, uint32_t id,
                        uint32_t number, bool is_spawn)
{
    assert_int_equal(aimp__helper_send(launcher, worker, id, number, is_spawn), AIMP_OK);
    struct launch_event event = aimp__helper_expect(launcher, LAUNCH_FORKED, id);
    aimp__helper_forked(worker, &event);
}

void aimp__helper_drop(struct helper_worker *worker)
{
    close(worker->ctl_fd);
    if (worker->pidfd >= 0)
        close(worker->pidfd);
}

struct launch_event aimp__helper_next(struct launcher *launcher)
{
    struct launch_event event = {0};
    while (aimp__launcher_next(launcher, &event) == 0)
        if (!aimp__helper_is_readable(aimp__launcher_fd(launcher), HELPER_DEADLINE_MS))
            fail_msg("no event came");
    return event;
}

struct launch_event aimp__helper_expect(struct launcher *launcher, uint32_t kind, uint32_t id)
{
    struct launch_event event = aimp__helper_next(launcher);
    if (event.kind == LAUNCH_LOST && kind != LAUNCH_LOST)
        fail_msg("%s", aimp__launcher_error(launcher)->text);
    assert_int_equal(event.kind, kind);
    assert_int_equal(event.id, id);
    return event;
}

struct helper_report aimp__helper_report(const struct helper_worker *worker)
{
    struct helper_report report = {0};
    assert_true(aimp__helper_is_readable(worker->ctl_fd, HELPER_DEADLINE_MS));
    assert_int_equal(aimp__fdpass_receive(worker->ctl_fd, &report, sizeof report, NULL, NULL, NULL),
                     sizeof report);
    return report;
}

bool aimp__helper_is_readable(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    int ready;
    while ((ready = poll(&polled, 1, timeout_ms)) < 0 && errno == EINTR)
        ;
    return ready > 0;
}

int aimp__helper_pidfd(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_true(fd >= 0);
    return fd;
}

/* Orphans that ended fall to this process and are reaped here. */
void aimp__helper_assert_alone(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}
