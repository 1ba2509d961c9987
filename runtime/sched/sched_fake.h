/* Hands for a scheduler under test that do nothing but take notes, and workers
 * that do what a test says. One at a time in a process. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_SCHED_FAKE_H
#define AIMP_SCHED_SCHED_FAKE_H

#include "sched/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define FAKE_SLOTS 4
#define FAKE_CELLS 64
#define FAKE_MS    UINT64_C(1000000)
#define FAKE_ALL   UINT32_MAX

struct fake_call {
    uint32_t slot;
    struct sched_call call; /* its payload pointer is stale */
    char text[16];          /* the payload */
};

struct fake_cancel {
    uint32_t slot, cell, generation, item;
};

struct fake {
    struct sched *sched;
    uint64_t now_ns;
    struct fake_call calls[4096];
    uint32_t call_count;
    struct fake_cancel cancels[64];
    uint32_t cancel_count;
    uint32_t kills[FAKE_SLOTS];
    int send_rc[FAKE_SLOTS]; /* what the next sends return */
    struct sched_claim claims[FAKE_SLOTS][FAKE_CELLS];
    uint64_t released[64];
    uint32_t released_count;
};

extern struct fake fake;

/* A scheduler with `workers` ready workers in its first slots. */
void aimp__fake_new(const struct sched_config *config, uint32_t workers);
int aimp__fake_teardown(void **state); /* frees it; fails when it left memory behind */

/* The config that most tests need: one queue, four slots. */
extern const struct sched_config fake_config;

struct sched_spec aimp__fake_spec(uint32_t owner, uint32_t count);
sched_unit aimp__fake_submit(const struct sched_spec *spec);
sched_unit aimp__fake_submit_items(uint32_t owner, uint32_t count);
void aimp__fake_submit_many(uint32_t first_owner, uint32_t count);

/* Runs the scheduler; the calls that it made, from the first of this run on. */
uint32_t aimp__fake_run(void);
struct fake_call *aimp__fake_last_call(void);
/* The last call of an owner; owners travel as fn. */
struct fake_call *aimp__fake_call_of(uint32_t owner);

/* The worker claims up to `count` more items and starts all but `unstarted` of them. */
void aimp__fake_claim(const struct fake_call *call, uint32_t count, uint32_t unstarted);
/* Its result for `count` items from `first` on; returns what aimp__sched_result says, and
 * that owner and index are right when it is 0. */
int aimp__fake_result(const struct fake_call *call, uint32_t first, uint32_t count, bool end);
/* It claims, starts and answers everything, taking item_ns each. */
void aimp__fake_complete(const struct fake_call *call, uint64_t item_ns);

uint32_t aimp__fake_held(uint32_t slot); /* items outstanding there by the figures */
void aimp__fake_no_outcome(void);
/* The next outcome must be this. */
void aimp__fake_outcome(uint32_t kind, uint32_t owner, uint64_t first, uint32_t count);

#endif
