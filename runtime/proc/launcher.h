/* The parent's end of the template process, which forks every worker.
 *
 * `aimprun --template` is exec'd once with one end of a SOCK_SEQPACKET pair as fd
 * 3; everything else is closed there. Requests go out, events come back over
 * that socket; the caller polls its fd. When the parent dies the template reads end
 * of file, kills its workers and exits; when the template dies its workers get
 * SIGKILL (PR_SET_PDEATHSIG) and the caller reads LAUNCH_LOST.
 *
 * The exit of every worker is told exactly once: LAUNCH_EXITED with its wait
 * status, or LAUNCH_LOST for all that were running. A lost worker has got its SIGKILL
 * by then, but its pidfd says when it has really ended.
 *
 * Template and workers inherit stdio, working directory and environment of the
 * process that opens the launcher, as they are then, and no other descriptor. They
 * ignore SIGINT; template_child.h has the rest about signals.
 *
 * The host may have any number of threads and may reap children behind our back
 * (waitpid(-1), SIGCHLD ignored): the template is followed by a pidfd.
 *
 * Thread: the runtime's own. Never blocks, except open until the template is
 * exec'd, close (bounded), and next when it tells a loss: until the template's end
 * shows, microseconds unless it is stuck (bounded). */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_LAUNCHER_H
#define AIMP_PROC_LAUNCHER_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct launcher;

/* What a forked child inherits, and nothing else (but stdio).
 * All fds are borrowed: they are sent along and may be closed at return. */
struct launch_request {
    uint32_t id;      /* caller's number for the process; unique while it lives */
    uint32_t worker;  /* K of the title "aimp: worker K" */
    int channel_fd;   /* memfd of ipc/channel.h */
    int ctl_fd;       /* the worker's end of its socket pair */
    int wake_fd;      /* eventfd the worker sleeps on */
    int peer_wake_fd; /* eventfd that wakes the parent */
    int spawn;        /* 0: fork the template's state; 1: exec a fresh aimprun ("spawn") */
};

enum launch_event_kind {
    LAUNCH_FORKED = 1, /* pid, pidfd (the receiver owns it) */
    LAUNCH_FAILED,     /* status = errno of fork */
    LAUNCH_EXITED,     /* status = wait status; the pid is free from now on */
    LAUNCH_LOST,       /* the template is gone, and with it every worker; close and reopen.
                        * status = AIMP_ECLOSED; AIMP_ESPAWN (it never became ready) or
                        * AIMP_EVERSION: opening the same executable again would not help.
                        * Text: aimp__launcher_error */
};

struct launch_event {
    uint32_t kind; /* enum launch_event_kind */
    uint32_t id;
    int32_t pid;
    int32_t pidfd; /* -1 except LAUNCH_FORKED; there too if this process is out of descriptors,
                    * which it is not when the request's ctl_fd is closed at each LAUNCH_FORKED */
    int32_t status;
    int32_t max_rss_kib; /* LAUNCH_EXITED, for messages */
};

/* Starts the template from the executable `exe` (a path). It gets ready while the
 * caller goes on: requests may be sent at once.
 * return: 0; AIMP_ESPAWN (err says why), AIMP_ESYS */
int aimp__launcher_open(struct launcher **out, const char *exe, struct aimp_error *err);
int aimp__launcher_fd(const struct launcher *launcher);    /* readable: call next */
pid_t aimp__launcher_pid(const struct launcher *launcher); /* the template's; -1 once lost */
/* Why it was lost; borrowed. */
const struct aimp_error *aimp__launcher_error(const struct launcher *launcher);
/* return: 0; AIMP_EAGAIN (socket full: try again when an event came); AIMP_ECLOSED (lost:
 * next tells); AIMP_ESYS, also when there is no room for the worker's pidfd */
int aimp__launcher_fork(struct launcher *launcher, const struct launch_request *request,
                        struct aimp_error *err);
/* 1: *event is filled; 0: nothing now. LAUNCH_LOST comes once, then 0. */
int aimp__launcher_next(struct launcher *launcher, struct launch_event *event);
/* Closes the socket, upon which the template kills its workers and exits; waits for
 * that up to 1 s, then kills it and waits as long again. NULL is allowed. */
void aimp__launcher_close(struct launcher *launcher);

/* The template's side: runs until the socket closes; in a forked worker calls
 * worker(ctx, worker number, fds) which never returns. Called by cli/. */
struct worker_fds {
    int channel_fd, ctl_fd, wake_fd, peer_wake_fd;
};
typedef void (*template_worker_fn)(void *ctx, uint32_t worker, const struct worker_fds *fds);
/* return: the exit status for main */
int aimp__template_run(int socket_fd, const char *self_exe, template_worker_fn worker, void *ctx);
/* The process that "spawn" exec'd (aimprun --worker K): fds stand at 3..6. */
int aimp__template_spawned(uint32_t worker, template_worker_fn worker_fn, void *ctx);

#endif
