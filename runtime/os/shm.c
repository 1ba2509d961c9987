/* The contract is in shm.h. */
/* SPDX-License-Identifier: MIT */
#include "os/shm.h"

#include "os/memfd.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static const struct aimp_shm closed = {.fd = -1};

int aimp_shm_create(struct aimp_shm *shm, uint64_t size, struct aimp_error *err)
{
    assert(size > 0);
    *shm = closed;
    int fd = aimp__memfd_create("aimp-shm", size, err);
    if (fd < 0)
        return fd;
    *shm = (struct aimp_shm){.size = size, .fd = fd};
    return AIMP_OK;
}

int aimp_shm_attach(struct aimp_shm *shm, int fd, struct aimp_error *err)
{
    size_t size;
    *shm = closed;
    int rc = aimp__memfd_check_shared(fd, &size, err);
    if (rc == AIMP_OK)
        *shm = (struct aimp_shm){.size = size, .fd = fd};
    else
        close(fd);
    return rc;
}

void aimp_shm_close(struct aimp_shm *shm)
{
    if (shm->fd >= 0)
        close(shm->fd);
    shm->fd = -1;
}

void *aimp_shm_map(const struct aimp_shm *shm, struct aimp_error *err)
{
    return aimp__memfd_map_shared(shm->fd, shm->size, err);
}

void aimp_shm_unmap(void *address, uint64_t size)
{
    aimp__memfd_unmap(address, size);
}

uint64_t aimp_shm_add(void *cell, uint32_t size, uint64_t n)
{
    switch (size) {
    case 1:
        return __atomic_add_fetch((uint8_t *)cell, (uint8_t)n, __ATOMIC_SEQ_CST);
    case 2:
        return __atomic_add_fetch((uint16_t *)cell, (uint16_t)n, __ATOMIC_SEQ_CST);
    case 4:
        return __atomic_add_fetch((uint32_t *)cell, (uint32_t)n, __ATOMIC_SEQ_CST);
    default:
        assert(size == 8);
        return __atomic_add_fetch((uint64_t *)cell, n, __ATOMIC_SEQ_CST);
    }
}

#define CAS(type)                                                                                  \
    __atomic_compare_exchange_n((type *)cell, &(type){(type)expected}, (type)desired, false,       \
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

int aimp_shm_cas(void *cell, uint32_t size, uint64_t expected, uint64_t desired)
{
    switch (size) {
    case 1:
        return CAS(uint8_t);
    case 2:
        return CAS(uint16_t);
    case 4:
        return CAS(uint32_t);
    default:
        assert(size == 8);
        return CAS(uint64_t);
    }
}
