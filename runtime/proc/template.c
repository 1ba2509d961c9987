/* The template process: forks workers on request and tells how they end.
 *
 * One thread that waits in one place, poll(). It never blocks on the launcher:
 * events that the socket does not take wait in a queue, and requests are read only
 * while the queue has room for all that may come of them.
 *
 * It ends when the launcher closes the socket or its process dies (seen through a
 * pidfd too: a host that forks may leave a copy of the socket open), killing and
 * reaping every worker first. When it is killed itself, SIGTERM included, the kernel
 * kills the workers (template_child.c). Ctrl-C does nothing to it. */
/* SPDX-License-Identifier: MIT */
#include "os/fdpass.h"
#include "os/fds.h"
#include "os/title.h"
#include "proc/reaper.h"
#include "proc/template_child.h"
#include "proc/template_queue.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE_MAX  256 /* events; each may hold a descriptor */
#define BACKOFF_MS 10

struct template
{
    int socket;    /* borrowed */
    int signal_fd; /* owned; SIGCHLD */
    int parent_fd; /* owned; pidfd of the launcher's process, -1 if it sent none */
    const char *self_exe;
    template_worker_fn worker;
    void *ctx;
    struct reaper reaper;
    struct template_queue queue;
    bool is_stalled; /* the kernel refuses to send though the socket has room */
};

/* ---- requests ---- */

static void push_event(struct template *t, uint32_t kind, const struct reaper_child *child,
                       int pidfd)
{
    const struct wire_event event = {.header = WIRE_HEADER(WIRE_EVENT),
                                     .kind = kind,
                                     .id = child->id,
                                     .pid = child->pid,
                                     .status = child->status,
                                     .max_rss_kib = child->max_rss_kib};
    aimp__template_queue_push(&t->queue, &event, pidfd);
}

static void push_failed(struct template *t, uint32_t id, int os_errno)
{
    const struct reaper_child none = {.id = id, .pid = -1, .status = os_errno};
    push_event(t, LAUNCH_FAILED, &none, -1);
}

/* Room for the end of every child and for one more failure. */
static bool is_accepting(const struct template *t)
{
    return t->queue.count < QUEUE_MAX &&
           aimp__template_queue_room(&t->queue) >= t->reaper.count + 1;
}

/* Its start and its end, besides what is_accepting wants. */
static bool reserve_child(struct template *t)
{
    return aimp__reaper_reserve(&t->reaper) == AIMP_OK &&
           aimp__template_queue_reserve(&t->queue, t->reaper.count + 3) == AIMP_OK;
}

static pid_t fork_child(struct template *t, const struct wire_launch *launch, const int *fds)
{
    struct template_child child = {.template_pid = getpid(),
                                   .worker = launch->worker,
                                   .spawn_exe = launch->is_spawn ? t->self_exe : NULL,
                                   .run = t->worker,
                                   .ctx = t->ctx};
    for (int i = 0; i < WIRE_LAUNCH_FDS; i++)
        child.fds[i] = fds[i];
    pid_t pid = fork();
    if (pid == 0)
        aimp__template_child_start(&child);
    return pid;
}

/* Without a pidfd the launcher could not signal the worker safely: as good as no worker. */
static void discard_child(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void launch_worker(struct template *t, const struct wire_launch *launch, const int *fds)
{
    pid_t pid = reserve_child(t) ? fork_child(t, launch, fds) : -1;
    if (pid < 0) {
        push_failed(t, launch->id, errno);
        return;
    }
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        int os_errno = errno;
        discard_child(pid);
        push_failed(t, launch->id, os_errno);
        return;
    }
    const struct reaper_child child = {.id = launch->id, .pid = pid};
    aimp__reaper_add(&t->reaper, child.id, pid);
    push_event(t, LAUNCH_FORKED, &child, pidfd);
}

/* Fewer descriptors than were sent: this process has no numbers left for them. */
static int take_request(struct template *t, const union wire_message *message, size_t len,
                        const int *fds, int fd_count)
{
    if (!aimp__wire_is_valid(message, len) || message->header.kind != WIRE_LAUNCH)
        return AIMP_EINVAL;
    if (fd_count == WIRE_LAUNCH_FDS)
        launch_worker(t, &message->launch, fds);
    else
        push_failed(t, message->launch.id, EMFILE);
    return AIMP_OK;
}

/* 0: one request was taken, or there is none; else the launcher is gone, or talks nonsense. */
static int read_request(struct template *t)
{
    union wire_message message;
    int fds[WIRE_LAUNCH_FDS];
    int fd_count = WIRE_LAUNCH_FDS;
    int got = aimp__fdpass_receive(t->socket, &message, sizeof message, fds, &fd_count, NULL);
    if (got == AIMP_EAGAIN)
        return AIMP_OK;
    int rc = got < 0 ? got : take_request(t, &message, (size_t)got, fds, fd_count);
    for (int i = 0; i < fd_count; i++)
        close(fds[i]);
    return rc;
}

/* ---- events ---- */

static void reap_children(struct template *t)
{
    struct reaper_child ended;
    struct signalfd_siginfo info; /* one may stand for many children: only its coming matters */
    while (read(t->signal_fd, &info, sizeof info) < 0 && errno == EINTR)
        ;
    while (aimp__reaper_next(&t->reaper, &ended))
        push_event(t, LAUNCH_EXITED, &ended, -1);
}

/* What is left was refused; `could_send`: although poll had promised room. */
static int send_events(struct template *t, bool could_send)
{
    int rc = aimp__template_queue_flush(&t->queue, t->socket);
    t->is_stalled = rc < 0 && could_send;
    return rc == AIMP_ECLOSED ? rc : AIMP_OK;
}

/* ---- the loop ---- */

static int wait_for_input(struct template *t, struct pollfd polled[3])
{
    short events = is_accepting(t) ? POLLIN : 0;
    if (t->queue.count > 0 && !t->is_stalled)
        events |= POLLOUT;
    polled[0] = (struct pollfd){.fd = t->socket, .events = events};
    polled[1] = (struct pollfd){.fd = t->signal_fd, .events = POLLIN};
    polled[2] = (struct pollfd){.fd = t->parent_fd, .events = POLLIN};
    int ready;
    do
        ready = poll(polled, 3, t->is_stalled ? BACKOFF_MS : -1);
    while (ready < 0 && errno == EINTR);
    return ready;
}

static int run_once(struct template *t)
{
    struct pollfd polled[3];
    if (wait_for_input(t, polled) < 0)
        return AIMP_ESYS;
    if (polled[2].revents || (polled[0].revents & POLLHUP))
        return AIMP_ECLOSED;
    if (polled[1].revents)
        reap_children(t);
    if (polled[0].revents & POLLIN) {
        int rc = read_request(t);
        if (rc < 0)
            return rc;
    }
    return t->queue.count > 0 ? send_events(t, polled[0].revents & POLLOUT) : AIMP_OK;
}

/* Waits for the launcher's first words and answers them. */
static int shake_hands(struct template *t)
{
    union wire_message message;
    int got, fd_count = 1;
    struct pollfd polled = {.fd = t->socket, .events = POLLIN};
    while (poll(&polled, 1, -1) < 0 && errno == EINTR)
        ;
    got = aimp__fdpass_receive(t->socket, &message, sizeof message, &t->parent_fd, &fd_count, NULL);
    if (got == AIMP_ECLOSED)
        return got;
    bool is_ours = got > 0 && aimp__wire_is_valid(&message, (size_t)got) &&
                   message.header.kind == WIRE_HELLO && aimp__wire_is_our_version(&message.hello);
    struct wire_hello answer = aimp__wire_greet(is_ours ? WIRE_READY : WIRE_REFUSED);
    int rc = aimp__fdpass_send(t->socket, &answer, sizeof answer, NULL, 0, NULL);
    return is_ours ? rc : AIMP_EVERSION;
}

static int open_template(struct template *t)
{
    const int keep[] = {0, 1, 2, t->socket};
    sigset_t child_signal;
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    aimp__template_set_signals(&child_signal);
    aimp__title_set("aimp: template");
    fflush(NULL); /* what is left in a buffer every worker would write */
    aimp__fds_close_except(keep, 4);
    if (aimp__fds_fill_stdio() < 0)
        return AIMP_ESYS;
    t->signal_fd = signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK);
    if (t->signal_fd < 0)
        return AIMP_ESYS;
    return aimp__template_queue_reserve(&t->queue, 1);
}

static void close_template(struct template *t)
{
    aimp__reaper_kill_all(&t->reaper);
    aimp__reaper_fini(&t->reaper);
    aimp__template_queue_fini(&t->queue);
    if (t->signal_fd >= 0)
        close(t->signal_fd);
    if (t->parent_fd >= 0)
        close(t->parent_fd);
}

int aimp__template_run(int socket_fd, const char *self_exe, template_worker_fn worker, void *ctx)
{
    struct template t = {.socket = socket_fd,
                         .signal_fd = -1,
                         .parent_fd = -1,
                         .self_exe = self_exe,
                         .worker = worker,
                         .ctx = ctx};
    assert(socket_fd > 2);
    int rc = open_template(&t);
    if (rc == AIMP_OK)
        rc = shake_hands(&t);
    while (rc == AIMP_OK)
        rc = run_once(&t);
    close_template(&t);
    return rc == AIMP_ECLOSED ? EXIT_SUCCESS : EXIT_FAILURE;
}
