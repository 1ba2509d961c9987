/* The contract is in template_child.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/template_child.h"

#include "os/fds.h"
#include "os/title.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- signals ---- */

static void do_nothing(int signal_number)
{
    (void)signal_number;
}

/* The launcher has seen to the rest (launcher_process.c). */
void aimp__template_set_signals(const sigset_t *mask)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const struct sigaction nothing = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGPIPE, &nothing, NULL);
    sigaction(SIGCHLD, &by_default, NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
}

static void set_worker_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    aimp__template_set_signals(&none);
}

/* ---- from fork to worker() ---- */

static _Noreturn void fail(uint32_t worker, const char *what)
{
    dprintf(STDERR_FILENO, "aimp: worker %u cannot %s: %s\n", worker, what, strerror(errno));
    _exit(WORKER_STATUS_UNSTARTED);
}

static void move_fds(const struct template_child *child)
{
    static const int keep[] = {0, 1, 2, 3, 4, 5, 6};
    static_assert(WORKER_FIRST_FD + WIRE_LAUNCH_FDS == sizeof keep / sizeof keep[0], "descriptors");
    if (aimp__fds_move(child->fds, WORKER_FIRST_FD, WIRE_LAUNCH_FDS) < 0)
        fail(child->worker, "take over its descriptors");
    aimp__fds_close_except(keep, sizeof keep / sizeof keep[0]);
}

static _Noreturn void exec_worker(const struct template_child *child)
{
    char number[16];
    snprintf(number, sizeof number, "%u", child->worker);
    execl(child->spawn_exe, child->spawn_exe, "--worker", number, (char *)NULL);
    fail(child->worker, "be started");
}

static _Noreturn void run_worker(uint32_t worker, template_worker_fn run, void *ctx)
{
    static const struct worker_fds fds = {.channel_fd = WORKER_FIRST_FD,
                                          .ctl_fd = WORKER_FIRST_FD + 1,
                                          .wake_fd = WORKER_FIRST_FD + 2,
                                          .peer_wake_fd = WORKER_FIRST_FD + 3};
    char title[32];
    snprintf(title, sizeof title, "aimp: worker %u", worker);
    aimp__title_set(title);
    if (aimp__fds_keep_on_exec(WORKER_FIRST_FD, WIRE_LAUNCH_FDS, false) < 0)
        fail(worker, "find its descriptors");
    run(ctx, worker, &fds);
    _exit(WORKER_STATUS_UNSTARTED); /* run() never returns */
}

void aimp__template_child_start(const struct template_child *child)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != child->template_pid)
        _exit(WORKER_STATUS_UNSTARTED); /* it died before we asked to die with it */
    set_worker_signals();
    move_fds(child);
    if (child->spawn_exe)
        exec_worker(child);
    run_worker(child->worker, child->run, child->ctx);
}

/* PR_SET_PDEATHSIG and the ignored SIGINT came through exec; the handler did not. */
int aimp__template_spawned(uint32_t worker, template_worker_fn worker_fn, void *ctx)
{
    set_worker_signals();
    run_worker(worker, worker_fn, ctx);
}
