/* The contract is in memfd.h. */
/* SPDX-License-Identifier: MIT */
#include "os/memfd.h"

#include "os/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define SEALED_SIZE (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SEALED_ONCE (SEALED_SIZE | F_SEAL_WRITE)

/* Allocations from here on are compared with the memory that is left. */
#define LARGE ((size_t)64 << 20)

/* What the kernel would answer with a signal or by killing processes:
 * RLIMIT_FSIZE counts for memfds and raises SIGXFSZ; a memfd has no limit of its
 * own, so that filling one that is too large ends in the out-of-memory killer. */
static int check_size(size_t size, struct aimp_error *err)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &limit);
    if (size > INT64_MAX || (limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur))
        errno = EFBIG;
    else if (size >= LARGE && size > aimp__memory_available(""))
        errno = ENOMEM;
    else
        return 0;
    return aimp__error_errno(err, "cannot make %zu bytes of shared memory", size);
}

static int close_failed(int fd, struct aimp_error *err, const char *what, size_t size)
{
    int rc = aimp__error_errno(err, "cannot %s %zu bytes of shared memory", what, size);
    close(fd);
    return rc;
}

static int open_memfd(const char *name, size_t size, struct aimp_error *err)
{
    int rc = check_size(size, err);
    if (rc < 0)
        return rc;
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd >= 0 ? fd : aimp__error_errno(err, "cannot make shared memory");
}

static int allocate(int fd, size_t size)
{
    int rc;
    do
        rc = fallocate(fd, 0, 0, (off_t)size);
    while (rc < 0 && errno == EINTR);
    return rc;
}

int aimp__memfd_create(const char *name, size_t size, struct aimp_error *err)
{
    int fd = open_memfd(name, size, err);
    if (fd < 0)
        return fd;
    if (ftruncate(fd, (off_t)size) < 0 || allocate(fd, size) < 0)
        return close_failed(fd, err, "allocate", size);
    if (fcntl(fd, F_ADD_SEALS, SEALED_SIZE) < 0)
        return close_failed(fd, err, "seal", size);
    return fd;
}

int aimp__memfd_size(int fd, size_t *size, struct aimp_error *err)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALED_SIZE) != SEALED_SIZE || fstat(fd, &st) < 0)
        return aimp__error_set(err, AIMP_ECORRUPT, "not a sealed memory fd");
    *size = (size_t)st.st_size;
    return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(fd, data + done, len - done);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            done += (size_t)n;
    }
    return 0;
}

/* Written, not mapped: a lack of memory is an error of write(). */
int aimp__memfd_write_once(const char *name, const void *data, size_t len, struct aimp_error *err)
{
    int fd = open_memfd(name, len, err);
    if (fd < 0)
        return fd;
    if (write_all(fd, data, len) < 0)
        return close_failed(fd, err, "allocate", len);
    if (fcntl(fd, F_ADD_SEALS, SEALED_ONCE) < 0)
        return close_failed(fd, err, "seal", len);
    return fd;
}

/* Sealed, and in the kernel's own memory file system: a sparse file or one in
 * huge pages could fault when it is read. */
static bool is_sound(int fd, int wanted_seals, struct stat *st)
{
    struct statfs fs;
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & wanted_seals) == wanted_seals && fstatfs(fd, &fs) == 0 &&
           fs.f_type == TMPFS_MAGIC && fstat(fd, st) == 0 && st->st_size > 0 &&
           (uint64_t)st->st_blocks * 512 >= (uint64_t)st->st_size;
}

static int check_once(int fd, uint64_t len, struct aimp_error *err)
{
    struct stat st;
    if (!is_sound(fd, SEALED_ONCE, &st))
        return aimp__error_set(err, AIMP_ECORRUPT, "one-shot is not sealed memory");
    if ((uint64_t)st.st_size != len)
        return aimp__error_set(err, AIMP_ECORRUPT, "one-shot is not of its frame's length");
    return 0;
}

int aimp__memfd_map_once(int fd, uint64_t len, void **out, struct aimp_error *err)
{
    int rc = check_once(fd, len, err);
    if (rc < 0)
        return rc;
    void *address =
        mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (address == MAP_FAILED)
        return aimp__error_errno(err, "cannot map a one-shot");
    *out = address;
    return 0;
}

int aimp__memfd_check_shared(int fd, size_t *size, struct aimp_error *err)
{
    struct stat st;
    if (!is_sound(fd, SEALED_SIZE, &st))
        return aimp__error_set(err, AIMP_ECORRUPT, "not sealed memory");
    *size = (size_t)st.st_size;
    return 0;
}

void *aimp__memfd_map_shared(int fd, size_t size, struct aimp_error *err)
{
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address != MAP_FAILED)
        return address;
    aimp__error_errno(err, "cannot map %zu bytes of shared memory", size);
    return NULL;
}

void aimp__memfd_unmap(void *address, size_t len)
{
    munmap(address, len);
}

static int map_fixed(int fd, const struct memfd_part *part, char **at)
{
    for (int i = 0; i <= (part->twice != 0); i++) {
        if (mmap(*at, part->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                 (off_t)part->offset) == MAP_FAILED)
            return -1;
        *at += part->size;
    }
    return 0;
}

void *aimp__memfd_map_parts(int fd, const struct memfd_part *parts, int count, size_t *mapped,
                            struct aimp_error *err)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].twice ? 2 * parts[i].size : parts[i].size;
    char *base = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        aimp__error_errno(err, "cannot map %zu bytes of shared memory", total);
        return NULL;
    }
    char *at = base;
    for (int i = 0; i < count; i++)
        if (map_fixed(fd, &parts[i], &at) < 0) {
            aimp__error_errno(err, "cannot map %zu bytes of shared memory", total);
            munmap(base, total);
            return NULL;
        }
    *mapped = total;
    return base;
}
