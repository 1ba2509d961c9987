/* What the tests of launcher and template share: a test program that is its own
 * template, workers that do one simple thing, and waiting with a deadline.
 *
 * A worker's number says what it does: HELPER_WORKER(PLAY_EXIT, 3). */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_LAUNCHER_HELPER_H
#define AIMP_PROC_LAUNCHER_HELPER_H

#include "proc/launcher.h"
#include "proc/wire.h"

#include <stdbool.h>
#include <sys/stat.h>

enum play {
    PLAY_EXIT = 1, /* exits with the argument */
    PLAY_ABORT,
    PLAY_PAUSE,  /* sleeps until it is killed */
    PLAY_SPIN,   /* uses the CPU until it is killed */
    PLAY_REPORT, /* sends struct helper_report over ctl, then as PLAY_PAUSE */
    PLAY_RETURN, /* returns, which no worker should */
};
#define HELPER_WORKER(play, argument) ((uint32_t)(play)*1000u + (uint32_t)(argument))

struct helper_report {
    pid_t pid, ppid;
    int death_signal; /* PR_GET_PDEATHSIG */
    char fds[128];    /* numbers of the open descriptors: "0 1 2 3 " */
    ino_t inodes[WIRE_LAUNCH_FDS];
    bool are_cloexec;           /* all four */
    unsigned long long blocked; /* /proc/self/status */
    unsigned long long ignored;
    char title[64];
    char name[16];
};

/* A worker as the parent holds it. */
struct helper_worker {
    uint32_t id;
    int ctl_fd;                    /* owned; our end */
    ino_t inodes[WIRE_LAUNCH_FDS]; /* of what was sent */
    pid_t pid;
    int pidfd; /* owned; -1 before helper_forked */
};

#define HELPER_DEADLINE_MS 20000 /* for what happens at once, but on a busy machine */
#define HELPER_DEATH_MS    2000  /* what aimp promises: nobody outlives the parent longer */

/* The start of main: runs the template or a worker if this process is to be one and
 * then never returns. Otherwise arms a watchdog and makes this process the one that
 * orphans fall to, so that helper_assert_alone can see them. */
void aimp__helper_main(int argc, char **argv);
/* Path of the test program. */
const char *aimp__helper_exe(void);

struct launcher *aimp__helper_open(void);
/* Sends a request with fresh descriptors; the code of aimp__launcher_fork. */
int aimp__helper_send(struct launcher *launcher, struct helper_worker *worker, uint32_t id,
                      uint32_t number, bool is_spawn);
/* The same, and waits for LAUNCH_FORKED. */
void aimp__helper_start(struct launcher *launcher, struct helper_worker *worker, uint32_t id,
                        uint32_t number, bool is_spawn);
/* Takes the pidfd of a LAUNCH_FORKED event. */
void aimp__helper_forked(struct helper_worker *worker, const struct launch_event *event);
void aimp__helper_drop(struct helper_worker *worker);

/* The next event; fails the test when none comes. */
struct launch_event aimp__helper_next(struct launcher *launcher);
/* The next event, which is of this kind and id. */
struct launch_event aimp__helper_expect(struct launcher *launcher, uint32_t kind, uint32_t id);
struct helper_report aimp__helper_report(const struct helper_worker *worker);

/* Whether fd becomes readable in time; of a pidfd: whether the process ends. */
bool aimp__helper_is_readable(int fd, int timeout_ms);
int aimp__helper_pidfd(pid_t pid);
/* Fails the test when this process has a child left, dead ones of others aside. */
void aimp__helper_assert_alone(void);

#endif
