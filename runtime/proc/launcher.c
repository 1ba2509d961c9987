/* The contract is in launcher.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/launcher.h"

#include "os/fdpass.h"
#include "proc/launcher_process.h"
#include "proc/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define END_MS 1000 /* for the template to end by itself, and again once killed */

struct launcher {
    int socket; /* owned */
    int epoll;  /* owned; holds the socket, see aimp__launcher_fd */
    int spare;  /* owned; its number is for the pidfd that comes next; -1: not to be had */
    struct launcher_process process;
    bool is_ready;
    bool is_lost;
    struct aimp_error error; /* why; code 0 before */
    char exe[];
};

/* ---- a descriptor in reserve ---- */

/* A worker without pidfd could not be signalled. So that there is room for the one that comes, a
 * descriptor is held; the caller closes one of the request's (ctl_fd) when it has it, and that
 * makes room for the next. */
static bool hold_spare(struct launcher *launcher)
{
    if (launcher->spare < 0)
        launcher->spare = fcntl(launcher->socket, F_DUPFD_CLOEXEC, 0);
    return launcher->spare >= 0;
}

static void release_spare(struct launcher *launcher)
{
    if (launcher->spare >= 0)
        close(launcher->spare);
    launcher->spare = -1;
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

static int start_template(struct launcher *launcher, int socket, struct aimp_error *err)
{
    int rc = say_hello(launcher, err);
    if (rc == AIMP_OK)
        rc = aimp__launcher_process_start(&launcher->process, launcher->exe, socket, err);
    return rc;
}

static struct launcher *new_launcher(const char *exe)
{
    size_t size = strlen(exe) + 1;
    struct launcher *launcher = calloc(1, sizeof *launcher + size);
    if (!launcher)
        return NULL;
    launcher->socket = launcher->epoll = launcher->spare = -1;
    aimp__launcher_process_init(&launcher->process);
    memcpy(launcher->exe, exe, size);
    return launcher;
}

/* What callers poll. libuv reports an error on a polled fd as EBADF, and luv prints that; an
 * epoll fd has no errors: it is readable when the socket has something to tell. */
static int watch_socket(struct launcher *launcher, struct aimp_error *err)
{
    struct epoll_event event = {.events = EPOLLIN};
    launcher->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (launcher->epoll < 0 ||
        epoll_ctl(launcher->epoll, EPOLL_CTL_ADD, launcher->socket, &event) < 0)
        return aimp__error_errno(err, "cannot watch the template's socket");
    return AIMP_OK;
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
        rc = watch_socket(launcher, err);
        if (rc == AIMP_OK)
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
    if (launcher->epoll >= 0)
        close(launcher->epoll);
    if (launcher->socket >= 0)
        close(launcher->socket);
    release_spare(launcher);
    aimp__launcher_process_end(&launcher->process, END_MS);
    free(launcher);
}

int aimp__launcher_fd(const struct launcher *launcher)
{
    return launcher->epoll;
}

pid_t aimp__launcher_pid(const struct launcher *launcher)
{
    return launcher->process.pid;
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
    if (!hold_spare(launcher))
        return aimp__error_errno(err, "no descriptor is left for the worker's pidfd");
    return aimp__fdpass_send(launcher->socket, &launch, sizeof launch, fds, WIRE_LAUNCH_FDS, err);
}

static void explain(struct launcher *launcher)
{
    char end[64];
    aimp__launcher_process_describe(&launcher->process, end, sizeof end);
    if (launcher->is_ready)
        aimp__error_set(&launcher->error, AIMP_ECLOSED, "the template process %s", end);
    else
        aimp__error_set(&launcher->error, AIMP_ESPAWN, "%s --template %s before it was ready",
                        launcher->exe, end);
}

/* The kernel has signalled the workers by the time that the template's end shows. */
static int lose(struct launcher *launcher, struct launch_event *event)
{
    bool is_useless = launcher->error.code != AIMP_OK;
    launcher->is_lost = true;
    if (is_useless)
        aimp__launcher_process_kill(&launcher->process);
    aimp__launcher_process_end(&launcher->process, END_MS);
    if (!is_useless)
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

/* As aimp__fdpass_receive. */
static int receive(struct launcher *launcher, union wire_message *message, int *pidfd,
                   struct aimp_error *err)
{
    int fd_count = 1;
    hold_spare(launcher);
    release_spare(launcher);
    int got =
        aimp__fdpass_receive(launcher->socket, message, sizeof *message, pidfd, &fd_count, err);
    if (fd_count == 0)
        hold_spare(launcher);
    return got;
}

int aimp__launcher_next(struct launcher *launcher, struct launch_event *event)
{
    while (!launcher->is_lost) {
        union wire_message message = {0};
        struct aimp_error err = {0};
        int pidfd = -1;
        int got = receive(launcher, &message, &pidfd, &err);
        if (got == AIMP_EAGAIN)
            return 0;
        if (err.os_errno == ECONNRESET)
            continue; /* it died with requests unread; its last events come after this */
        int rc = got;
        if (got > 0)
            rc = take_message(launcher, &message, (size_t)got, pidfd, event);
        else if (got != AIMP_ECLOSED)
            launcher->error = err;
        if (rc <= 0 && pidfd >= 0)
            close(pidfd);
        if (rc < 0)
            return lose(launcher, event);
        if (rc > 0)
            return 1;
    }
    return 0;
}
