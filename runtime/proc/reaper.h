/* The children of the template: who runs, and who ended how.
 *
 * A pid in the table is not reaped yet, so it names that child and nobody else.
 * Single thread, with SIGCHLD blocked and read from a signalfd by the caller. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_REAPER_H
#define AIMP_PROC_REAPER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct reaper_child {
    uint32_t id; /* the launcher's */
    pid_t pid;
    int32_t status;      /* wait status, once it ended */
    int32_t max_rss_kib; /* likewise */
};

struct reaper {
    struct reaper_child *children; /* owned; in no order */
    size_t count;
    size_t capacity;
};

void aimp__reaper_init(struct reaper *reaper);
void aimp__reaper_fini(struct reaper *reaper); /* leaves the children alone */

/* Makes room for one more child. 0, or AIMP_ENOMEM. */
int aimp__reaper_reserve(struct reaper *reaper);
/* Adds a child; reserve was called for it. */
void aimp__reaper_add(struct reaper *reaper, uint32_t id, pid_t pid);
/* 1: a child ended; it was reaped, taken off the table and put into *ended. 0: none did. */
int aimp__reaper_next(struct reaper *reaper, struct reaper_child *ended);
/* SIGKILLs every child and waits until all are gone. */
void aimp__reaper_kill_all(struct reaper *reaper);

#endif
