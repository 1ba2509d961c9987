/* The cgroups that this process is in, whose limits are files in their directories.
 *
 * Used for cores (os/cpus.h) and memory (os/memory.h); here is only where to look,
 * in v2 and v1. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_CGROUP_H
#define AIMP_OS_CGROUP_H

#include <stddef.h>

/* Calls visit(directory, arg) for this process's cgroup and each above it: of v2 and of the v1
 * hierarchy of `controller`. A container often sees its path as the host names it, with only its
 * own cgroup mounted, so most directories may not be there. `root` is "" but in tests. */
void aimp__cgroup_each(const char *root, const char *controller,
                       void (*visit)(const char *directory, void *arg), void *arg);

/* Reads the beginning of a file of such a directory, as a string.
 * return: 0; -1: it is not there, or cannot be read */
int aimp__cgroup_read(const char *directory, const char *name, char *text, size_t size);

/* The same of any file. */
int aimp__cgroup_read_file(const char *path, char *text, size_t size);

/* The path of this process's cgroup from the text of /proc/self/cgroup: of the v1
 * hierarchy that has `controller`, or of v2 when that is "".
 * return: 1, or 0 when there is none or it does not fit */
int aimp__cgroup_parse(const char *text, const char *controller, char *path, size_t size);

#endif
