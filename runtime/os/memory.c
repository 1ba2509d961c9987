/* The contract is in memory.h. */
/* SPDX-License-Identifier: MIT */
#include "os/memory.h"

#include "os/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The number in a file of a cgroup. False: none, as "max", or no such file. */
static bool read_number(const char *directory, const char *name, uint64_t *out)
{
    char text[64];
    char *end;
    if (aimp__cgroup_read(directory, name, text, sizeof text) < 0)
        return false;
    *out = strtoull(text, &end, 10);
    return end != text;
}

/* The number behind a key at the beginning of a line; 0: it is not there. */
static uint64_t value_of(const char *text, const char *key)
{
    size_t length = strlen(key);
    while (text) {
        if (strncmp(text, key, length) == 0)
            return strtoull(text + length, NULL, 10);
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return 0;
}

/* What the kernel gives up before it kills: the cache of files. In v1 the sums over the
 * cgroup's own cgroups have other names. */
static uint64_t reclaimable(const char *directory)
{
    char text[8192];
    if (aimp__cgroup_read(directory, "memory.stat", text, sizeof text) < 0)
        return 0;
    uint64_t total = value_of(text, "total_inactive_file ") + value_of(text, "total_active_file ");
    return total ? total : value_of(text, "inactive_file ") + value_of(text, "active_file ");
}

static void look_at(const char *directory, void *arg)
{
    uint64_t *available = arg;
    uint64_t limit;
    uint64_t used;
    bool is_known = (read_number(directory, "memory.max", &limit) &&
                     read_number(directory, "memory.current", &used)) ||
                    (read_number(directory, "memory.limit_in_bytes", &limit) &&
                     read_number(directory, "memory.usage_in_bytes", &used));
    if (!is_known || limit >= INT64_MAX / 2) /* v1 has a huge number for no limit */
        return;
    uint64_t cache = reclaimable(directory);
    used = used > cache ? used - cache : 0;
    *available = smaller(*available, limit > used ? limit - used : 0);
}

static uint64_t of_machine(const char *root)
{
    char path[PATH_MAX], text[8192];
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (aimp__cgroup_read_file(path, text, sizeof text) < 0)
        return UINT64_MAX;
    uint64_t kib = value_of(text, "MemAvailable:");
    return kib ? kib * 1024 : UINT64_MAX;
}

uint64_t aimp__memory_available(const char *root)
{
    uint64_t available = of_machine(root);
    aimp__cgroup_each(root, "memory", look_at, &available);
    return available;
}
