/* The contract is in fds.h. */
/* SPDX-License-Identifier: MIT */
#include "os/fds.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOVE_MAX 16

/* ---- closing ---- */

/* What getdents64 writes; readdir would allocate. */
struct entry {
    uint64_t inode;
    int64_t next;
    uint16_t size;
    uint8_t type;
    char name[];
};

static int parse_fd(const char *name)
{
    int fd = 0;
    for (; *name >= '0' && *name <= '9'; name++)
        fd = fd * 10 + (*name - '0');
    return *name ? -1 : fd; /* "." and ".." are none */
}

/* Closes what one read of the directory names; returns how many that were. */
static int close_entries(const char *bytes, long len, int directory, int first, int last)
{
    int closed = 0;
    for (long at = 0; at < len;) {
        const struct entry *entry = (const struct entry *)(bytes + at);
        int fd = parse_fd(entry->name);
        if (fd >= first && fd <= last && fd != directory)
            closed += close(fd) == 0;
        at += entry->size;
    }
    return closed;
}

/* Without /proc, or without a free descriptor to read it: every number there could be. */
static void close_each(int first, int last)
{
    long limit = sysconf(_SC_OPEN_MAX);
    if (limit > 0 && last >= limit)
        last = (int)limit - 1;
    for (int fd = first; fd <= last; fd++)
        close(fd);
}

void aimp__fds_close_range_by_name(int first, int last)
{
    int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        close_each(first, last);
        return;
    }
    _Alignas(struct entry) char bytes[2048];
    int closed;
    do { /* until a whole pass finds nothing: closing while reading may skip entries */
        long len;
        closed = 0;
        lseek(directory, 0, SEEK_SET);
        while ((len = syscall(SYS_getdents64, directory, bytes, sizeof bytes)) > 0)
            closed += close_entries(bytes, len, directory, first, last);
    } while (closed > 0);
    close(directory);
}

void aimp__fds_close_range(int first, int last)
{
    if (first > last)
        return;
    if (syscall(SYS_close_range, (unsigned)first, (unsigned)last, 0u) != 0)
        aimp__fds_close_range_by_name(first, last); /* ENOSYS, or EPERM from a filter */
}

void aimp__fds_close_except(const int *keep, int count)
{
    int first = 0;
    for (int i = 0; i < count; i++) {
        assert(keep[i] >= first - 1);
        aimp__fds_close_range(first, keep[i] - 1);
        first = keep[i] + 1;
    }
    aimp__fds_close_range(first, INT_MAX);
}

/* ---- moving ---- */

int aimp__fds_move(const int *from, int first, int count)
{
    int source[MOVE_MAX];
    assert(count <= MOVE_MAX);
    for (int i = 0; i < count; i++) { /* first out of the way of every target */
        bool is_target = from[i] >= first && from[i] < first + count;
        source[i] = is_target ? fcntl(from[i], F_DUPFD_CLOEXEC, first + count) : from[i];
        if (is_target && source[i] < 0)
            return -1;
    }
    for (int i = 0; i < count; i++)
        if (dup2(source[i], first + i) < 0)
            return -1;
    for (int i = 0; i < count; i++)
        if (source[i] != from[i])
            close(source[i]);
    return 0;
}

int aimp__fds_keep_on_exec(int first, int count, bool keep)
{
    for (int fd = first; fd < first + count; fd++)
        if (fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC) < 0)
            return -1;
    return 0;
}

int aimp__fds_fill_stdio(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

/* ---- counting ---- */

int aimp__fds_count(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return -1;
    int count = -1; /* the directory's own */
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}
