/* How much memory can be had: what the machine has left, and what the process's
 * cgroup and those above it allow (v2 and v1). Filling a memory file beyond that ends
 * in the out-of-memory killer, not in an error. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_MEMORY_H
#define AIMP_OS_MEMORY_H

#include <stdint.h>

/* Bytes, without swapping; UINT64_MAX: the system does not tell. Reads files: for what is large.
 * `root` is "" but in tests. */
uint64_t aimp__memory_available(const char *root);

#endif
