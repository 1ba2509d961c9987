/* The positions of the definition log that still matter, in order: those whose
 * entry lives, and those that units hold.
 *
 * An array that is rebuilt without the others when it is full, so indices are good until
 * the next reserve. A hold on a position that has no slot any more counts at the last
 * slot before it; a held slot stays. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_DEFLOG_SLOTS_H
#define AIMP_SCHED_DEFLOG_SLOTS_H

#include "sched/bitset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEFLOG_NO_SLOT SIZE_MAX

struct deflog_node {
    uint64_t position;
    struct deflog_node *next; /* waits at the same slot */
    size_t len;
    uint32_t key;
    bool is_forget;
    unsigned char data[];
};

struct deflog_waiters {
    struct deflog_node *first;
    uint64_t newest; /* greatest position among them */
};

struct deflog_slot {
    uint64_t position;
    struct deflog_node *node;      /* owned; NULL once dropped */
    struct deflog_waiters waiters; /* replaced entries, owned by their own slots */
    uint64_t holds;
};

/* Zeroed is empty. */
struct deflog_slots {
    struct deflog_slot *at;
    size_t size, capacity;
    struct bitset held; /* indices of slots with holds */
};

void aimp__deflog_slots_fini(struct deflog_slots *slots); /* and all entries */

/* Room for one more slot; amortized O(1). Returns 0, or AIMP_ENOMEM and nothing changed. */
int aimp__deflog_slots_reserve(struct deflog_slots *slots);
/* Appends; needs room and a position above all others. */
void aimp__deflog_slots_push(struct deflog_slots *slots, struct deflog_node *node);

/* Index of the last slot up to `position`; DEFLOG_NO_SLOT: none. */
size_t aimp__deflog_slots_find(const struct deflog_slots *slots, uint64_t position);

/* The last held slot up to an index; NULL: none. */
struct deflog_slot *aimp__deflog_slots_held(const struct deflog_slots *slots, size_t bound);

#endif
