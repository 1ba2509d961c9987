/* A set of small integers that finds the greatest member up to a bound in three
 * or four steps, however sparse it is.
 *
 * Level 0 has one bit per integer; a bit of each next level says whether a
 * word of the level below is not empty. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_BITSET_H
#define AIMP_SCHED_BITSET_H

#include <stddef.h>
#include <stdint.h>

#define BITSET_LEVELS 6 /* 64^6 integers */
#define BITSET_NONE   SIZE_MAX

struct bitset {
    uint64_t *levels[BITSET_LEVELS]; /* all in one block, which levels[0] owns */
    unsigned count;                  /* levels in use; the last is one word */
};

/* Empty, for members below `capacity`. Returns 0 or AIMP_ENOMEM. */
int aimp__bitset_init(struct bitset *set, size_t capacity);
void aimp__bitset_fini(struct bitset *set); /* also of a zeroed one */

void aimp__bitset_add(struct bitset *set, size_t member);
void aimp__bitset_remove(struct bitset *set, size_t member);

/* The greatest member that is <= bound; BITSET_NONE: there is none. */
size_t aimp__bitset_last(const struct bitset *set, size_t bound);

#endif
