/* The contract is in cpus.h. */
/* SPDX-License-Identifier: MIT */
#include "os/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MASK_CPUS_MAX (1 << 20)

/* ---- parsing ---- */

/* Quotas that make no sense (negative, zero) are no quota. */
static int cores_of(long long quota_us, long long period_us)
{
    if (quota_us <= 0 || period_us <= 0)
        return 0;
    long long cores = quota_us / period_us + (quota_us % period_us != 0);
    return cores < INT_MAX ? (int)cores : 0;
}

int aimp__cpus_parse_max(const char *text)
{
    char *end;
    long long quota = strtoll(text, &end, 10);
    return end == text ? 0 : cores_of(quota, strtoll(end, NULL, 10)); /* "max" has no digits */
}

int aimp__cpus_parse_cfs(const char *quota, const char *period)
{
    return cores_of(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* Whether "cpu,cpuacct" of `length` characters lists the controller. */
static int lists(const char *names, size_t length, const char *controller)
{
    size_t wanted = strlen(controller);
    const char *end = names + length;
    for (const char *name = names; name <= end;) {
        const char *comma = memchr(name, ',', (size_t)(end - name));
        size_t size = (size_t)((comma ? comma : end) - name);
        if (size == wanted && memcmp(name, controller, wanted) == 0)
            return 1;
        name += size + 1;
    }
    return 0;
}

/* Lines are "7:cpu,cpuacct:/path", for v2 "0::/path". */
int aimp__cpus_parse_cgroup(const char *text, const char *controller, char *path, size_t size)
{
    while (*text) {
        size_t line = strcspn(text, "\n");
        const char *names = memchr(text, ':', line);
        const char *colon =
            names ? memchr(names + 1, ':', (size_t)(text + line - names - 1)) : NULL;
        if (colon && lists(names + 1, (size_t)(colon - names - 1), controller)) {
            size_t length = (size_t)(text + line - colon - 1);
            if (length >= size)
                return 0;
            memcpy(path, colon + 1, length);
            path[length] = '\0';
            return 1;
        }
        text += line + (text[line] == '\n');
    }
    return 0;
}

/* ---- reading ---- */

/* The file's beginning as a string; -1 when it cannot be read. */
static int read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t used = 0;
    ssize_t got = 1;
    while (got != 0 && used + 1 < size) {
        got = read(fd, text + used, size - 1 - used);
        if (got < 0 && errno != EINTR)
            break;
        used += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    text[used] = '\0';
    return got < 0 ? -1 : 0;
}

static int read_file_of(const char *cgroup, const char *name, char text[64])
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", cgroup, name);
    return length < (int)sizeof path ? read_text(path, text, 64) : -1;
}

static int quota_at(const char *cgroup)
{
    char quota[64], period[64];
    if (read_file_of(cgroup, "cpu.max", quota) == 0)
        return aimp__cpus_parse_max(quota);
    if (read_file_of(cgroup, "cpu.cfs_quota_us", quota) == 0 &&
        read_file_of(cgroup, "cpu.cfs_period_us", period) == 0)
        return aimp__cpus_parse_cfs(quota, period);
    return 0;
}

static int smaller_quota(int a, int b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The smallest quota from root/sys/fs/cgroup<mount><path> up to the mount. A
 * container often sees the path as the host names it, with only its own cgroup
 * mounted: then just the last step finds anything. */
static int quota_upwards(const char *root, const char *mount, const char *path)
{
    char directory[PATH_MAX];
    int top = snprintf(directory, sizeof directory, "%s/sys/fs/cgroup%s", root, mount);
    int length = top + snprintf(directory + top, sizeof directory - (size_t)top, "%s", path);
    if (length >= (int)sizeof directory)
        return 0;
    int quota = quota_at(directory);
    while (length > top) {
        while (length > top && directory[--length] != '/')
            ;
        directory[length] = '\0';
        quota = smaller_quota(quota, quota_at(directory));
    }
    return quota;
}

int aimp__cpus_quota(const char *root)
{
    static const struct {
        const char *controller, *mount;
    } places[] = {{"", ""}, {"", "/unified"}, {"cpu", "/cpu"}, {"cpu", "/cpu,cpuacct"}};
    char text[8192], path[PATH_MAX / 2];
    int quota = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (read_text(path, text, sizeof text) < 0)
        return 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (aimp__cpus_parse_cgroup(text, places[i].controller, path, sizeof path))
            quota = smaller_quota(quota, quota_upwards(root, places[i].mount, path));
    return quota;
}

/* The kernel refuses a mask that is smaller than its own: grow until it fits. */
static int affinity_count(void)
{
    int count = 0;
    for (int cpus = 1024; cpus <= MASK_CPUS_MAX && count == 0; cpus *= 2) {
        cpu_set_t *mask = CPU_ALLOC(cpus);
        if (!mask)
            return 0;
        if (sched_getaffinity(0, CPU_ALLOC_SIZE(cpus), mask) == 0)
            count = CPU_COUNT_S(CPU_ALLOC_SIZE(cpus), mask);
        else if (errno != EINVAL)
            cpus = MASK_CPUS_MAX;
        CPU_FREE(mask);
    }
    return count;
}

int aimp__cpus_usable(void)
{
    int count = smaller_quota(affinity_count(), aimp__cpus_quota(""));
    if (count == 0)
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? count : 1;
}

int aimp__cpus_known(void)
{
    static _Atomic int known; /* any thread may be the first; all find the same */
    int count = known;
    if (count == 0)
        known = count = aimp__cpus_usable();
    return count;
}
