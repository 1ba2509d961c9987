/* A pool without processes: simulated workers and a simulated clock around a real
 * scheduler, for tests.
 *
 * A worker is one thread that claims items as lua/aimp/worker does: from the oldest
 * call that has some left, several at a time while they are cheap, at most
 * `concurrency` tasks waiting at once. Results of items that ran in a row go out together. The
 * parent reads a frame `latency_ns` after it was sent, reaps the dead, replaces those whose
 * quota is used up, and runs the scheduler as proc/pool.c and the supervisor do.
 *
 * What is always checked, whatever a test does: each item is settled exactly once, runs only
 * as often as its retries allow, never after its worker's quota or in a slot it is not
 * pinned to; what has not begun is never lost; calls go out only from aimp__sched_run, to
 * workers that the parent believes alive, in free cells. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_SIM_H
#define AIMP_SCHED_SIM_H

#include "sched/sched.h"

#define SIM_US UINT64_C(1000)
#define SIM_MS (1000 * SIM_US)
#define SIM_S  (1000 * SIM_MS)

struct sim_config {
    struct sched_config sched;
    uint32_t workers;    /* slots that have one */
    uint32_t ring_calls; /* a worker's ring holds so many unclaimed calls; 0: no limit */
    uint64_t latency_ns; /* until the parent reads a frame */
    uint64_t spawn_ns;   /* until a dead worker is replaced */
};

/* What an item does: computes, waits, computes. */
struct sim_item {
    uint64_t cpu_ns, wait_ns, after_ns;
};

/* What became of an item. */
struct sim_record {
    uint32_t starts;   /* how often it began to run */
    uint32_t settled;  /* 1 at the end */
    int kind;          /* enum sched_outcome_kind, or -1: a result */
    uint32_t slot;     /* where it last ran */
    uint64_t start_ns; /* of the last start */
    uint64_t order;    /* of that start among all */
    uint64_t end_ns;   /* when the parent knew */
};

struct sim;

struct sim *aimp__sim_new(const struct sim_config *config);
void aimp__sim_free(struct sim *sim); /* checks that nothing is left over, when all was settled */

/* Fills in owner and needs and submits `spec` with a copy of its items. Returns the owner, 1 .. */
uint32_t aimp__sim_submit(struct sim *sim, struct sched_spec spec, const struct sim_item *items);
/* One item that computes for so long. */
uint32_t aimp__sim_submit_cpu(struct sim *sim, uint64_t cpu_ns);
sched_unit aimp__sim_unit(const struct sim *sim, uint32_t owner);
const struct sim_record *aimp__sim_record(const struct sim *sim, uint32_t owner, uint32_t item);

/* Runs until everything is settled. Fails the test when nothing more would happen, or after
 * `limit_ns` of simulated time. Returns the simulated time that it took. */
uint64_t aimp__sim_run(struct sim *sim, uint64_t limit_ns);
void aimp__sim_run_until(struct sim *sim, uint64_t at_ns);

struct sched *aimp__sim_sched(struct sim *sim);
uint64_t aimp__sim_now_ns(const struct sim *sim);
uint32_t aimp__sim_unsettled(const struct sim *sim);
uint32_t aimp__sim_starts(const struct sim *sim, uint32_t slot); /* in this worker's life */
uint32_t aimp__sim_kills(const struct sim *sim);                 /* that the scheduler asked for */

/* Faults. A stopped worker does nothing until it goes on or is killed. */
void aimp__sim_kill(struct sim *sim, uint32_t slot);
void aimp__sim_stop(struct sim *sim, uint32_t slot);
void aimp__sim_go_on(struct sim *sim, uint32_t slot);

/* Nothing new for this worker; it is replaced once it holds nothing. */
void aimp__sim_drain(struct sim *sim, uint32_t slot);

#endif
