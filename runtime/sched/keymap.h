/* From a definition's key to its latest entry in the log. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_KEYMAP_H
#define AIMP_SCHED_KEYMAP_H

#include <stddef.h>
#include <stdint.h>

struct deflog_node;

struct keymap_place {
    struct deflog_node *latest; /* borrowed; NULL: free place */
    uint32_t key;
    uint32_t versions; /* entries of the key that the log still has, the latest included */
};

/* Open addressing; zeroed is empty. */
struct keymap {
    struct keymap_place *places;
    size_t capacity; /* a power of two, or 0 */
    size_t size;
};

void aimp__keymap_fini(struct keymap *map);
struct keymap_place *aimp__keymap_find(const struct keymap *map,
                                       uint32_t key); /* NULL: not there */

/* Makes room for one more key. Returns 0 or AIMP_ENOMEM. */
int aimp__keymap_reserve(struct keymap *map);

/* The place of a key that is not there yet, with `latest` for the caller to fill; needs room. */
struct keymap_place *aimp__keymap_add(struct keymap *map, uint32_t key);
void aimp__keymap_remove(struct keymap *map, struct keymap_place *place);

#endif
