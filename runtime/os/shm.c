/* The contract is in shm.h. */
/* SPDX-License-Identifier: MIT */
#include "os/shm.h"

#include "os/memfd.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

int aimp_shm_map(struct aimp_shm *shm, struct aimp_error *err)
{
    size_t size;
    if (shm->address)
        return AIMP_OK;
    int rc = aimp__memfd_map_shared(shm->fd, &shm->address, &size, err);
    if (rc == AIMP_OK)
        shm->size = size;
    return rc;
}

void aimp_shm_unmap(struct aimp_shm *shm)
{
    if (shm->address)
        aimp__memfd_unmap(shm->address, shm->size);
    shm->address = NULL;
}

void aimp_shm_close(struct aimp_shm *shm)
{
    aimp_shm_unmap(shm);
    if (shm->fd >= 0)
        close(shm->fd);
    shm->fd = -1;
}

int aimp_shm_attach(struct aimp_shm *shm, int fd, struct aimp_error *err)
{
    *shm = (struct aimp_shm){.fd = fd};
    int rc = aimp_shm_map(shm, err);
    if (rc != AIMP_OK)
        aimp_shm_close(shm);
    return rc;
}

int aimp_shm_create(struct aimp_shm *shm, uint64_t size, struct aimp_error *err)
{
    assert(size > 0);
    int fd = aimp__memfd_create("aimp-shm", size, err);
    if (fd < 0) {
        *shm = (struct aimp_shm){.fd = -1};
        return fd;
    }
    return aimp_shm_attach(shm, fd, err);
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
