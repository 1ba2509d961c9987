/* The contract is in cpus.h. */
/* SPDX-License-Identifier: MIT */
#include "os/cpus.h"

#include "os/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
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

/* ---- reading ---- */

static int quota_at(const char *cgroup)
{
    char quota[64], period[64];
    if (aimp__cgroup_read(cgroup, "cpu.max", quota, sizeof quota) == 0)
        return aimp__cpus_parse_max(quota);
    if (aimp__cgroup_read(cgroup, "cpu.cfs_quota_us", quota, sizeof quota) == 0 &&
        aimp__cgroup_read(cgroup, "cpu.cfs_period_us", period, sizeof period) == 0)
        return aimp__cpus_parse_cfs(quota, period);
    return 0;
}

static int smaller_quota(int a, int b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void look_at(const char *cgroup, void *quota)
{
    *(int *)quota = smaller_quota(*(int *)quota, quota_at(cgroup));
}

int aimp__cpus_quota(const char *root)
{
    int quota = 0;
    aimp__cgroup_each(root, "cpu", look_at, &quota);
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
