/* The template as a child of the host's process: started, followed, reaped. Private
 * to launcher.c.
 *
 * The host may reap it before we do (waitpid(-1), SIGCHLD ignored), so it is followed
 * by a pidfd, and its pid is never used to signal it. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_LAUNCHER_PROCESS_H
#define AIMP_PROC_LAUNCHER_PROCESS_H

#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

struct launcher_process {
    pid_t pid;  /* -1: none, or reaped */
    int pidfd;  /* owned; -1 likewise */
    int code;   /* si_code of its end: CLD_EXITED, ...; 0: unknown */
    int status; /* si_status */
};

void aimp__launcher_process_init(struct launcher_process *process);

/* Execs `exe --template` with a copy of `socket` as fd 3.
 * return: 0; AIMP_ESPAWN; AIMP_ESYS */
int aimp__launcher_process_start(struct launcher_process *process, const char *exe, int socket,
                                 struct aimp_error *err);
/* SIGKILL, if it lives. */
void aimp__launcher_process_kill(const struct launcher_process *process);
/* Waits until it ends by itself, at most timeout_ms, and as long again after killing
 * it; then reaps it. Harmless when there is none. */
void aimp__launcher_process_end(struct launcher_process *process, int timeout_ms);
/* "was killed by signal 9", as far as it is known. */
void aimp__launcher_process_describe(const struct launcher_process *process, char *text,
                                     size_t size);

#endif
