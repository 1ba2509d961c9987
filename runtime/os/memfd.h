/* Unnamed shared memory: the channel of a worker, one-shots, and arrays (os/shm.h).
 *
 * Nothing here touches a file system or survives its last user. A full memory
 * file system, and the limits of the process, are error returns: pages are
 * allocated before anything maps them, so there is no SIGBUS later, and no
 * SIGXFSZ. What is larger than the memory that is left is refused at once: the
 * kernel would try, and then kill processes. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_MEMFD_H
#define AIMP_OS_MEMFD_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* `size` zero bytes, all allocated, sealed against any change of size.
 * return: a close-on-exec fd (the caller's); AIMP_ENOMEM, AIMP_ESYS */
int aimp__memfd_create(const char *name, size_t size, struct aimp_error *err);

/* Checks that an fd came from aimp__memfd_create: 0 and *size, or AIMP_ECORRUPT. */
int aimp__memfd_size(int fd, size_t *size, struct aimp_error *err);

/* A copy of data[0, len) that nobody can change any more. len > 0.
 * return: a close-on-exec fd (the caller's); AIMP_ENOMEM, AIMP_ESYS */
int aimp__memfd_write_once(const char *name, const void *data, size_t len, struct aimp_error *err);

/* Maps what a peer says it made with aimp__memfd_write_once. Checks that it is
 * sealed, holds exactly `len` bytes and that they are allocated, so that reading
 * cannot fault and no one else can change them. Writes stay in the mapping.
 * Borrows fd; aimp__memfd_unmap releases the mapping.
 * return: 0; AIMP_ECORRUPT (not such a memfd); AIMP_ENOMEM, AIMP_ESYS */
int aimp__memfd_map_once(int fd, uint64_t len, void **out, struct aimp_error *err);
void aimp__memfd_unmap(void *address, size_t len);

/* Checks that an fd is what aimp__memfd_create makes, so that all of it can be mapped and used:
 * sealed against any change of size, and allocated.
 * return: 0 and *size > 0; AIMP_ECORRUPT */
int aimp__memfd_check_shared(int fd, size_t *size, struct aimp_error *err);

/* Maps such an fd for reading and writing; NULL with err. Release with aimp__memfd_unmap. */
void *aimp__memfd_map_shared(int fd, size_t size, struct aimp_error *err);

/* One part of a memfd in a contiguous mapping. With `twice` it appears two times
 * in a row, so that a ring's content is contiguous wherever it starts. */
struct memfd_part {
    size_t offset; /* both multiples of the page size */
    size_t size;
    int twice;
};

/* Maps the parts read-write, one after the other; NULL with err.
 * Release with aimp__memfd_unmap of *mapped bytes. */
void *aimp__memfd_map_parts(int fd, const struct memfd_part *parts, int count, size_t *mapped,
                            struct aimp_error *err);

#endif
