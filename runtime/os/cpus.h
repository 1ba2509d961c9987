/* How many cores this process may use: what its affinity mask allows, capped by the
 * CPU quota of its cgroup and of those above (v2 and v1), so that a container with
 * 1.5 CPUs on a machine with 64 counts 2. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_CPUS_H
#define AIMP_OS_CPUS_H

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

#endif
