/* Definitions that the codec does not need any more, until no unit can need them.
 *
 * A unit that was submitted before a definition was forgotten may still be sent, and
 * to another worker than the one that had it, so the workers are told only when all units
 * that were submitted before are settled. Counted by epochs, as in RCU: what is forgotten in one
 * epoch is told when the units of that epoch and of the one before it are gone.
 *
 * Called by proc/pool.c; one for each pool. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_FORGETS_H
#define AIMP_PROC_FORGETS_H

#include "sched/deflog.h"

/* A key of the log's own, defined at each new epoch so that every epoch has positions of its own.
 */
#define FORGETS_EPOCH_KEY UINT32_MAX

struct forgets_list {
    uint32_t *keys;
    uint32_t count, capacity;
};

struct forgets {
    struct deflog *deflog;       /* borrowed */
    uint64_t boundary;           /* last position of the previous epoch */
    uint64_t held[2];            /* units: of the previous epoch, of the present one */
    struct forgets_list keys[2]; /* forgotten in them */
};

void aimp__forgets_init(struct forgets *forgets, struct deflog *deflog);
void aimp__forgets_fini(struct forgets *forgets);

/* The key will be forgotten as soon as that is safe. AIMP_ENOMEM: it stays for ever. */
int aimp__forgets_add(struct forgets *forgets, uint32_t key);

/* A unit that needs `position` was accepted / is settled. */
void aimp__forgets_hold(struct forgets *forgets, uint64_t position);
void aimp__forgets_release(struct forgets *forgets, uint64_t position);

#endif
