/* A block of memory that processes share, and atomic operations on it.
 *
 * Exported for the FFI, as proc/port.h is: lua/aimp/shm makes typed arrays of it.
 * Who has the descriptor can map the same memory; the pages are freed when no
 * process has a mapping or a descriptor of it any more. All of them are allocated
 * up front and the size is sealed, so that no access faults. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_SHM_H
#define AIMP_OS_SHM_H

#include "aimp_api.h"
#include "base/error.h"

#include <stdint.h>

struct aimp_shm {
    uint64_t size; /* bytes */
    int32_t fd;    /* owned; -1: closed */
};

/* `size` zero bytes. size > 0.
 * return: 0; AIMP_ENOMEM, AIMP_ESYS, and *shm is closed */
AIMP_API int aimp_shm_create(struct aimp_shm *shm, uint64_t size, struct aimp_error *err);

/* What another process made. Takes fd, also when it fails.
 * return: 0; AIMP_ECORRUPT (no such memory), and *shm is closed */
AIMP_API int aimp_shm_attach(struct aimp_shm *shm, int fd, struct aimp_error *err);

/* Closes the descriptor; mappings stay. Allowed on one that is closed. */
AIMP_API void aimp_shm_close(struct aimp_shm *shm);

/* A mapping of all of it, or NULL and *err; outlives *shm, until aimp_shm_unmap. */
AIMP_API void *aimp_shm_map(const struct aimp_shm *shm, struct aimp_error *err);
AIMP_API void aimp_shm_unmap(void *address, uint64_t size);

/* ---- atomic operations on an aligned integer of 1, 2, 4 or 8 bytes; all in one order ---- */

/* Adds n, wrapping around. return: the new value's bits */
AIMP_API uint64_t aimp_shm_add(void *cell, uint32_t size, uint64_t n);
/* Puts `desired` in the place of `expected`. return: 1; 0: something else was there */
AIMP_API int aimp_shm_cas(void *cell, uint32_t size, uint64_t expected, uint64_t desired);

#endif
