/* One simulated worker; see sim.h. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_SIM_WORKER_H
#define AIMP_SCHED_SIM_WORKER_H

#include "sched/sim.h"

#define SIM_NEVER UINT64_MAX

struct sim_frame {
    struct sim_frame *next;
    uint64_t at_ns; /* when the parent reads it */
    uint32_t cell, generation, first, count;
    uint64_t wall_ns;
    bool is_end;
};

struct sim_call {
    struct sim_call *next;
    struct sched_call call;  /* its payload is `items` */
    struct sim_item *items;  /* owned */
    uint32_t claimed, limit; /* items [claimed, limit) are ours and not started */
    uint32_t unfinished;     /* claimed and not finished */
};

struct sim_cell {
    uint32_t generation, next, end, running;
    uint64_t claim_ns;
};

struct sim_running {
    struct sim_call *call;
    uint32_t item;
    uint64_t start_ns, wake_ns;
};

struct sim_worker {
    uint32_t index;
    bool is_alive, is_stopped;
    bool is_draining;      /* what the parent wants */
    uint64_t change_at_ns; /* dead: when it is replaced or, before that, reaped */
    bool is_reaped;
    uint64_t stopped_ns;
    const struct sim_config *config; /* borrowed */
    struct sim_cell *cells;
    struct sim_call *calls; /* oldest first, until their last word is sent */
    struct sim_running *waiting;
    uint32_t waiting_count;
    struct sim_running on_cpu; /* call is NULL: nothing is */
    bool is_after;             /* its wait is over */
    uint64_t busy_until_ns;
    uint32_t claim_size;
    struct sim_frame row; /* finished items that were not sent yet; count may be 0 */
    struct sim_call *row_call;
    struct sim_frame *frames; /* sent, oldest first */
    uint32_t starts;          /* items started in this life */
    void (*on_start)(void *ctx, uint32_t slot, uint32_t owner, uint32_t item);
    void *ctx;
};

void aimp__sim_worker_init(struct sim_worker *worker, uint32_t index,
                           const struct sim_config *config);
void aimp__sim_worker_fini(struct sim_worker *worker);

void aimp__sim_worker_start(struct sim_worker *worker); /* a fresh process */
/* Forgets all but what it sent. */
void aimp__sim_worker_die(struct sim_worker *worker);

int aimp__sim_worker_call(struct sim_worker *worker, const struct sched_call *call);
void aimp__sim_worker_cancel(struct sim_worker *worker, uint32_t cell, uint32_t generation,
                             uint32_t item, uint64_t now_ns);

/* Does everything that it can do at this time. True: something happened. */
bool aimp__sim_worker_step(struct sim_worker *worker, uint64_t now_ns);
/* When the next thing happens by itself. */
uint64_t aimp__sim_worker_next_ns(const struct sim_worker *worker);

#endif
