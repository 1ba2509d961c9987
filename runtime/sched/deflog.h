/* The definition log: what every worker of a pool must know, in order.
 *
 * The codec defines functions, captured variables and globals under 32-bit keys.
 * Every definition gets the next position; a unit that was submitted when the
 * log stood at position p needs all definitions up to p, in order, before it
 * runs. Each worker has a cursor; only what it has not seen is sent. A later
 * definition of the same key replaces the earlier one once no accepted unit
 * needs the earlier: the log stays as long as what is alive, not as the program's history.
 *
 * Tombstones. A forgotten definition goes like a replaced one, but the log does
 * not know the cursors, so that the key was forgotten (64 bytes) stays until
 * aimp__deflog_set_floor says that all live workers are past it. A worker may thus be
 * told to forget a key that it never had; that means nothing to it.
 *
 * Every call is O(1) amortized, but for a search through the live positions in
 * hold, release and next, and the floor.
 *
 * Pure; called by proc/pool.c. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_DEFLOG_H
#define AIMP_SCHED_DEFLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deflog;
struct deflog_entry {
    uint64_t position;
    uint32_t key;
    bool is_forget;   /* the key is not needed any more; no bytes */
    const void *data; /* borrowed until the next call that changes the log */
    size_t len;
};

struct deflog *aimp__deflog_new(void); /* NULL: no memory */
void aimp__deflog_free(struct deflog *log);

/* Appends; bytes are copied. Returns the new position (>= 1), 0: no memory. */
uint64_t aimp__deflog_define(struct deflog *log, uint32_t key, const void *data, size_t len);

/* The key's definition may go: workers that have it are told. Takes effect in
 * order, like a definition. Returns the new position, 0: no memory; for a key
 * that is not defined the position stays as it is. */
uint64_t aimp__deflog_forget(struct deflog *log, uint32_t key);

/* The first entry after `cursor` and up to `needed`. False: the cursor may be set to `needed`. */
bool aimp__deflog_next(const struct deflog *log, uint64_t cursor, uint64_t needed,
                       struct deflog_entry *out);

/* A unit that needs `position` was accepted / is settled for good: an entry that
 * was replaced is dropped when no unit that needs it remains, that is none whose position
 * is in [entry, replacement). A position that is held late must be one at which all
 * that the unit uses still was as it is now, as the codec makes sure. One release per hold. */
void aimp__deflog_hold(struct deflog *log, uint64_t position);
void aimp__deflog_release(struct deflog *log, uint64_t position);

/* All workers that have seen anything are at `position` or after it, the least of
 * their cursors; those still at 0 do not count, and UINT64_MAX says that there is none.
 * Drops tombstones that nobody waits for. Walks the log: for when
 * tombstones have become many, after bringing idle workers up to date. */
void aimp__deflog_set_floor(struct deflog *log, uint64_t position);
size_t aimp__deflog_tombstones(const struct deflog *log);

uint64_t aimp__deflog_position(const struct deflog *log);
size_t
aimp__deflog_bytes(const struct deflog *log); /* memory of the live entries, for stats and tests */

#endif
