/* The contract is in launcher.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/launcher.h"

#include "os/clock.h"
#include "os/fdpass.h"
#include "proc/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEMPLATE_SOCKET_FD 3
#define CLOSE_MS           1000 /* for the template to end by itself, and again once killed */
#define LOST_MS            100  /* from the end of its socket to its exit status */

struct launcher {
    int socket; /* owned */
    int pidfd;  /* owned; the template's; -1 when it is reaped */
    pid_t pid;  /* the template's; -1 when it is reaped */
    int status; /* wait status as of waitid's si_code and si_status */
    int code;   /* si_code; 0 when somebody else reaped it */
    bool is_ready;
    bool is_lost;
    struct aimp_error error; /* why; code 0 before */
    char exe[];
};

/* ---- the template as a child of this process ---- */

/* SIGINT stays blocked until the template ignores it. All else is as in a fresh shell,
 * whatever the host has ignored or blocked. */
static int set_spawn_signals(posix_spawnattr_t *attributes)
{
    sigset_t all, mask;
    sigfillset(&all);
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setsigmask(attributes, &mask);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

/* posix_spawn runs no atfork handler and copies no memory. Host descriptors that
 * survive exec are closed by the template. 0 or an errno. */
static int spawn_template(const char *exe, int socket, pid_t *pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    char *const argv[] = {(char *)exe, "--template", NULL};
    int rc = posix_spawnattr_init(&attributes);
    if (rc != 0)
        return rc;
    rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, socket, TEMPLATE_SOCKET_FD);
        if (rc == 0)
            rc = set_spawn_signals(&attributes);
        if (rc == 0)
            rc = posix_spawn(pid, exe, &actions, &attributes, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return rc;
}

/* Whether the template has ended, at the latest after timeout_ms. */
static bool has_ended(const struct launcher *launcher, int timeout_ms)
{
    struct pollfd polled = {.fd = launcher->pidfd, .events = POLLIN};
    uint64_t deadline = aimp__clock_ns() + (uint64_t)timeout_ms * 1000000u;
    int ready;
    while ((ready = poll(&polled, 1, timeout_ms)) < 0 && errno == EINTR) {
        uint64_t now = aimp__clock_ns();
        timeout_ms = now < deadline ? (int)((deadline - now) / 1000000u) : 0;
    }
    return ready > 0;
}

/* ECHILD means that the host has reaped it: as good, but the status is unknown. */
static void reap_template(struct launcher *launcher)
{
    siginfo_t info = {0};
    while (waitid(P_PIDFD, (id_t)launcher->pidfd, &info, WEXITED | WNOHANG) < 0 && errno == EINTR)
        ;
    launcher->code = info.si_code;
    launcher->status = info.si_status;
    close(launcher->pidfd);
    launcher->pidfd = -1;
    launcher->pid = -1;
}

static void kill_template(const struct launcher *launcher)
{
    syscall(SYS_pidfd_send_signal, launcher->pidfd, SIGKILL, NULL, 0);
}

/* ---- open, close ---- */

/* Says hello into the still unread socket, with a pidfd of this process. */
static int say_hello(struct launcher *launcher, struct aimp_error *err)
{
    struct wire_hello hello = aimp__wire_greet(WIRE_HELLO);
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0)
        return aimp__error_errno(err, "cannot open a pidfd of this process");
    int rc = aimp__fdpass_send(launcher->socket, &hello, sizeof hello, &self, 1, err);
    close(self);
    return rc;
}

/* The child is new, so its pid is its own; unless the host has reaped it meanwhile. */
static int follow_template(struct launcher *launcher, struct aimp_error *err)
{
    launcher->pidfd = (int)syscall(SYS_pidfd_open, launcher->pid, 0);
    if (launcher->pidfd >= 0)
        return AIMP_OK;
    if (errno == ESRCH) {
        launcher->pid = -1;
        return AIMP_OK; /* the end of file on the socket tells the rest */
    }
    int rc = aimp__error_errno(err, "cannot open a pidfd of the template");
    kill(launcher->pid, SIGKILL);
    while (waitpid(launcher->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return rc;
}

static int start_template(struct launcher *launcher, int socket, struct aimp_error *err)
{
    int rc = say_hello(launcher, err);
    if (rc < 0)
        return rc;
    int os_errno = spawn_template(launcher->exe, socket, &launcher->pid);
    if (os_errno == 0)
        return follow_template(launcher, err);
    aimp__error_set(err, AIMP_ESPAWN, "cannot start %s: %s", launcher->exe, strerror(os_errno));
    if (err)
        err->os_errno = os_errno;
    return AIMP_ESPAWN;
}

static struct launcher *new_launcher(const char *exe)
{
    size_t size = strlen(exe) + 1;
    struct launcher *launcher = calloc(1, sizeof *launcher + size);
    if (!launcher)
        return NULL;
    launcher->socket = launcher->pidfd = launcher->pid = -1;
    memcpy(launcher->exe, exe, size);
    return launcher;
}

int aimp__launcher_open(struct launcher **out, const char *exe, struct aimp_error *err)
{
    int pair[2];
    struct launcher *launcher = new_launcher(exe);
    if (!launcher)
        return aimp__error_set(err, AIMP_ENOMEM, "no memory for a launcher");
    int rc = aimp__fdpass_pair(pair, err);
    if (rc == AIMP_OK) {
        launcher->socket = pair[0];
        rc = start_template(launcher, pair[1], err);
        close(pair[1]);
    }
    if (rc < 0) {
        aimp__launcher_close(launcher);
        return rc;
    }
    *out = launcher;
    return AIMP_OK;
}

void aimp__launcher_close(struct launcher *launcher)
{
    if (!launcher)
        return;
    if (launcher->socket >= 0)
        close(launcher->socket);
    if (launcher->pidfd >= 0) {
        if (!has_ended(launcher, CLOSE_MS)) {
            kill_template(launcher);
            has_ended(launcher, CLOSE_MS);
        }
        reap_template(launcher);
    }
    free(launcher);
}

int aimp__launcher_fd(const struct launcher *launcher)
{
    return launcher->socket;
}

pid_t aimp__launcher_pid(const struct launcher *launcher)
{
    return launcher->pid;
}

const struct aimp_error *aimp__launcher_error(const struct launcher *launcher)
{
    return &launcher->error;
}

/* ---- requests and events ---- */

int aimp__launcher_fork(struct launcher *launcher, const struct launch_request *request,
                        struct aimp_error *err)
{
    const struct wire_launch launch = {.header = WIRE_HEADER(WIRE_LAUNCH),
                                       .id = request->id,
                                       .worker = request->worker,
                                       .is_spawn = request->spawn != 0};
    const int fds[WIRE_LAUNCH_FDS] = {request->channel_fd, request->ctl_fd, request->wake_fd,
                                      request->peer_wake_fd};
    if (launcher->is_lost)
        return aimp__error_set(err, AIMP_ECLOSED, "the template process is gone");
    return aimp__fdpass_send(launcher->socket, &launch, sizeof launch, fds, WIRE_LAUNCH_FDS, err);
}

/* How the template ended, as far as it is known. */
static void describe_end(const struct launcher *launcher, char *text, size_t size)
{
    if (launcher->pid >= 0)
        snprintf(text, size, "closed its socket");
    else if (launcher->code == CLD_EXITED)
        snprintf(text, size, "exited with status %d", launcher->status);
    else if (launcher->code == CLD_KILLED || launcher->code == CLD_DUMPED)
        snprintf(text, size, "was killed by signal %d", launcher->status);
    else
        snprintf(text, size, "ended");
}

static void explain(struct launcher *launcher)
{
    char end[64];
    describe_end(launcher, end, sizeof end);
    if (launcher->error.code != AIMP_OK)
        return;
    if (launcher->is_ready)
        aimp__error_set(&launcher->error, AIMP_ECLOSED, "the template process %s", end);
    else
        aimp__error_set(&launcher->error, AIMP_ESPAWN, "%s --template %s before it was ready",
                        launcher->exe, end);
}

/* The kernel signals the workers before the pidfd becomes readable. A template that
 * lives on is of no use without its socket. */
static int lose(struct launcher *launcher, struct launch_event *event)
{
    launcher->is_lost = true;
    if (launcher->pidfd >= 0) {
        if (!has_ended(launcher, LOST_MS))
            kill_template(launcher);
        else
            reap_template(launcher);
    }
    explain(launcher);
    *event = (struct launch_event){
        .kind = LAUNCH_LOST, .pid = -1, .pidfd = -1, .status = launcher->error.code};
    return 1;
}

/* AIMP_OK, or why the template cannot be used. */
static int take_greeting(struct launcher *launcher, const struct wire_hello *hello)
{
    if (hello->header.kind == WIRE_READY && aimp__wire_is_our_version(hello)) {
        launcher->is_ready = true;
        return AIMP_OK;
    }
    return aimp__error_set(&launcher->error, AIMP_EVERSION, "%s is aimp %.*s, this is aimp %s",
                           launcher->exe, (int)sizeof hello->version, hello->version, AIMP_VERSION);
}

/* 1: *event is filled; 0: no event of the caller's; or why the template cannot be used. */
static int take_message(struct launcher *launcher, const union wire_message *message, size_t len,
                        int pidfd, struct launch_event *event)
{
    uint32_t kind = message->header.kind;
    if (!aimp__wire_is_valid(message, len) || kind == WIRE_HELLO || kind == WIRE_LAUNCH)
        return aimp__error_set(&launcher->error, AIMP_ESPAWN,
                               "%s --template does not speak aimp's protocol", launcher->exe);
    if (kind != WIRE_EVENT)
        return take_greeting(launcher, &message->hello);
    const struct wire_event *told = &message->event;
    *event = (struct launch_event){.kind = told->kind,
                                   .id = told->id,
                                   .pid = told->pid,
                                   .pidfd = pidfd,
                                   .status = told->status,
                                   .max_rss_kib = told->max_rss_kib};
    return 1;
}

int aimp__launcher_next(struct launcher *launcher, struct launch_event *event)
{
    while (!launcher->is_lost) {
        union wire_message message;
        struct aimp_error err = {0};
        int pidfd = -1, fd_count = 1;
        int got = aimp__fdpass_receive(launcher->socket, &message, sizeof message, &pidfd,
                                       &fd_count, &err);
        if (got == AIMP_EAGAIN)
            return 0;
        if (err.os_errno == ECONNRESET)
            continue; /* it died with requests unread; its last events come after this */
        int rc = got;
        if (got > 0)
            rc = take_message(launcher, &message, (size_t)got, pidfd, event);
        if (rc <= 0 && pidfd >= 0)
            close(pidfd);
        if (rc < 0)
            return lose(launcher, event);
        if (rc > 0)
            return 1;
    }
    return 0;
}
