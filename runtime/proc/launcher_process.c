/* The contract is in launcher_process.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/launcher_process.h"

#include "os/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEMPLATE_SOCKET_FD 3

void aimp__launcher_process_init(struct launcher_process *process)
{
    *process = (struct launcher_process){.pid = -1, .pidfd = -1};
}

/* ---- start ---- */

/* SIGINT stays blocked until the template ignores it. All else is as in a fresh shell,
 * whatever the host has ignored or blocked; but what nohup and shells ignore for
 * background jobs stays ignored, or a closed terminal would take the workers only. */
static int set_spawn_signals(posix_spawnattr_t *attributes)
{
    sigset_t reset, mask;
    sigfillset(&reset);
    sigdelset(&reset, SIGHUP);
    sigdelset(&reset, SIGQUIT);
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    posix_spawnattr_setsigdefault(attributes, &reset);
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

/* The child is new, so its pid is its own; unless the host has reaped it meanwhile. */
static int follow(struct launcher_process *process, struct aimp_error *err)
{
    process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (process->pidfd >= 0)
        return AIMP_OK;
    if (errno == ESRCH) {
        process->pid = -1;
        return AIMP_OK; /* the end of file on the socket tells the rest */
    }
    int rc = aimp__error_errno(err, "cannot open a pidfd of the template");
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    process->pid = -1;
    return rc;
}

int aimp__launcher_process_start(struct launcher_process *process, const char *exe, int socket,
                                 struct aimp_error *err)
{
    pid_t pid;
    int os_errno = spawn_template(exe, socket, &pid);
    if (os_errno == 0) {
        process->pid = pid;
        return follow(process, err);
    }
    aimp__error_set(err, AIMP_ESPAWN, "cannot start %s: %s", exe, strerror(os_errno));
    if (err)
        err->os_errno = os_errno;
    return AIMP_ESPAWN;
}

/* ---- end ---- */

static bool has_ended(const struct launcher_process *process, int timeout_ms)
{
    struct pollfd polled = {.fd = process->pidfd, .events = POLLIN};
    uint64_t deadline = aimp__clock_ns() + (uint64_t)timeout_ms * 1000000u;
    int ready;
    while ((ready = poll(&polled, 1, timeout_ms)) < 0 && errno == EINTR) {
        uint64_t now = aimp__clock_ns();
        timeout_ms = now < deadline ? (int)((deadline - now) / 1000000u) : 0;
    }
    return ready > 0;
}

/* ECHILD means that the host has reaped it: as good, but the status is unknown. */
static void reap(struct launcher_process *process)
{
    siginfo_t info = {0};
    while (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG) < 0 && errno == EINTR)
        ;
    close(process->pidfd);
    *process = (struct launcher_process){
        .pid = -1, .pidfd = -1, .code = info.si_code, .status = info.si_status};
}

void aimp__launcher_process_kill(const struct launcher_process *process)
{
    if (process->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
}

void aimp__launcher_process_end(struct launcher_process *process, int timeout_ms)
{
    if (process->pidfd < 0)
        return;
    if (!has_ended(process, timeout_ms)) {
        aimp__launcher_process_kill(process);
        has_ended(process, timeout_ms);
    }
    reap(process);
}

void aimp__launcher_process_describe(const struct launcher_process *process, char *text,
                                     size_t size)
{
    if (process->code == CLD_EXITED)
        snprintf(text, size, "exited with status %d", process->status);
    else if (process->code == CLD_KILLED || process->code == CLD_DUMPED)
        snprintf(text, size, "was killed by signal %d", process->status);
    else
        snprintf(text, size, "ended");
}
