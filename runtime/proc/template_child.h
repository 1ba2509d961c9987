/* From fork to worker(): everything that a new worker does before it runs Lua.
 *
 * It leaves a process with stdio and its four descriptors at WORKER_FIRST_FD and up,
 * that dies with the template, ignores SIGINT (the parent owns Ctrl-C), has no other
 * signal ignored or blocked (but SIGHUP and SIGQUIT are ignored where the parent was
 * started so, as by nohup), and is called "aimp: worker K".
 *
 * SIGPIPE has a handler that does nothing: a write to a closed pipe is an error, and
 * programs that the worker execs get the default action, which SIG_IGN would take
 * from them. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_TEMPLATE_CHILD_H
#define AIMP_PROC_TEMPLATE_CHILD_H

#include "proc/launcher.h"
#include "proc/wire.h"

#include <signal.h>

#define WORKER_FIRST_FD         3
#define WORKER_STATUS_UNSTARTED 127 /* exit status of a worker that failed in here */

/* All that a child takes over from the template. */
struct template_child {
    pid_t template_pid;
    uint32_t worker;
    int fds[WIRE_LAUNCH_FDS];
    const char *spawn_exe; /* exec'd with --worker K; NULL: run() in this image */
    template_worker_fn run;
    void *ctx;
};

/* Call in the child, at once after fork. On failure: a line on stderr, and exit. */
_Noreturn void aimp__template_child_start(const struct template_child *child);

/* The signals of template and workers, with this mask. */
void aimp__template_set_signals(const sigset_t *mask);

#endif
