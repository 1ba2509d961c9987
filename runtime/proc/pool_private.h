/* The insides of struct aimp_pool, shared by proc/pool*.c. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_POOL_PRIVATE_H
#define AIMP_PROC_POOL_PRIVATE_H

#include "os/spin.h"
#include "proc/forgets.h"
#include "proc/pool.h"
#include "proc/slot.h"
#include "sched/deflog.h"

struct aimp_pool {
    struct sched *sched;   /* owned */
    struct deflog *deflog; /* owned */
    struct channel_sizes sizes;
    int wake_fd; /* owned; every worker rings it */
    uint32_t slot_count;
    uint32_t offer_base; /* the first claim cell that is not the scheduler's */
    uint32_t open_slots; /* slots below this index may be open */
    uint32_t cursor;     /* slot that aimp_pool_next reads from */
    uint32_t burst;      /* frames read from it in a row */
    struct forgets forgets;
    uint64_t forgotten; /* definitions, ever */
    struct spinner spinner;
    struct slot slots[];
};

/* The scheduler's hands on the channels (pool_ops.c). */
extern const struct sched_ops aimp__pool_ops;

/* Sends the definitions in (slot->known, needs]; AIMP_EFULL: not all of them yet. */
int aimp__pool_send_definitions(struct aimp_pool *pool, struct slot *slot, uint64_t needs);

#endif
