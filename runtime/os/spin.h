/* Bounded, adaptive spinning: a side that is about to sleep looks for a while
 * whether something comes at once, which saves both sides a system call and the
 * scheduler's latency.
 *
 * The budget doubles when spinning paid and halves when it did not, down to
 * none, after which it is tried again only now and then. Nobody spins while
 * the machine has as many runnable processes as this one may use cores: then
 * spinning takes a core from somebody who could work. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_SPIN_H
#define AIMP_OS_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#define SPIN_MAX_NS      50000u
#define SPIN_MIN_NS      1000u /* below this: off */
#define SPIN_START_NS    10000u
#define SPIN_RETRY_NS    SPIN_MAX_NS /* the try when off: a sleeping peer takes tens of us */
#define SPIN_RETRY_WAITS 64u         /* one wait in so many, when off */
#define SPIN_SAMPLE_NS   10000000u
#define SPIN_LULL_NS     1000000u

/* ---- the decision alone: no clock, no system ---- */

struct spin_policy {
    uint64_t began_ns; /* the last wait; 0: none yet */
    uint32_t budget_ns;
    uint32_t waits_off; /* waits since it was switched off, or since the last try */
};

void aimp__spin_policy_init(struct spin_policy *policy);

/* How long to spin in the wait that begins; 0: not at all.
 * runnable: processes that run or could, this one included; 0: unknown. */
uint32_t aimp__spin_policy_begin(struct spin_policy *policy, uint32_t runnable, uint32_t cores);

/* True when the wait before this one, which begins now, began long ago. Then the peer sleeps, and
 * so do other cores: it answers soonest when this one sleeps at once and leaves it its core, which
 * is awake. */
bool aimp__spin_policy_is_lull(struct spin_policy *policy, uint64_t now_ns);

/* How a wait ended whose begin was not 0. */
void aimp__spin_policy_end(struct spin_policy *policy, bool is_hit);

/* The fourth field of /proc/loadavg; 0 when there is none. */
uint32_t aimp__spin_parse_runnable(const char *loadavg);

/* ---- with the system's clock and load ---- */

struct spinner {
    struct spin_policy policy;
    uint32_t cores;
    uint32_t runnable;   /* of the last sample */
    uint64_t sampled_ns; /* when */
    int load_fd;         /* /proc/loadavg, kept open; -1: not opened, -2: there is none */
};

void aimp__spinner_init(struct spinner *spinner); /* opens nothing yet */
void aimp__spinner_fini(struct spinner *spinner);

/* Spins until is_ready(ctx), for the budget at most. True: it is ready.
 * False, perhaps at once: sleep. */
bool aimp__spinner_wait(struct spinner *spinner, bool (*is_ready)(void *ctx), void *ctx);

#endif
