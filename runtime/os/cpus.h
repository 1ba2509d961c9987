/* How many cores this process may use: what its affinity mask allows, capped by the
 * CPU quota of its cgroup and of those above (v2 and v1), so that a container with
 * 1.5 CPUs on a machine with 64 counts 2. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_CPUS_H
#define AIMP_OS_CPUS_H

#include <stddef.h>

/* At least 1. Reads files: ask once, not per task. */
int aimp__cpus_usable(void);

/* The same as it was when this process, or the one it was forked from, first asked: for what must
 * not read twenty files each time. */
int aimp__cpus_known(void);

/* ---- its parts ---- */

/* The quota, rounded up to whole cores, of the cgroup that root/proc/self/cgroup
 * names, looked up below root/sys/fs/cgroup; 0: none. `root` is "" but in tests. */
int aimp__cpus_quota(const char *root);

/* From the text of cpu.max ("150000 100000", "max 100000"): cores; 0: no quota. */
int aimp__cpus_parse_max(const char *text);
/* From v1's cpu.cfs_quota_us and cpu.cfs_period_us. */
int aimp__cpus_parse_cfs(const char *quota, const char *period);

/* The path of this process's cgroup from the text of /proc/self/cgroup: of the v1
 * hierarchy that has `controller`, or of v2 when that is "".
 * return: 1, or 0 when there is none or it does not fit */
int aimp__cpus_parse_cgroup(const char *text, const char *controller, char *path, size_t size);

#endif
