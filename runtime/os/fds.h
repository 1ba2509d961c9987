/* The descriptor table of this process: closing, moving and counting.
 *
 * All but aimp__fds_count are async-signal-safe, so they may run between fork and
 * exec of a process with threads. Nothing here fails for a descriptor that is not
 * open. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_FDS_H
#define AIMP_OS_FDS_H

#include <stdbool.h>

/* Closes every descriptor but keep[0..count), which is sorted ascending. */
void aimp__fds_close_except(const int *keep, int count);

/* Closes first..last, both included. The second is what the first does on kernels
 * and in sandboxes without close_range(2). */
void aimp__fds_close_range(int first, int last);
void aimp__fds_close_range_by_name(int first, int last);

/* Puts a copy of from[i] at number first + i, for i in [0, count). Sources and
 * targets may overlap in any way, and sources may repeat; whatever else stood at a
 * target is closed. The copies survive exec. Sources outside the targets stay open.
 * return: 0 or -1 with errno; the targets are then undefined */
int aimp__fds_move(const int *from, int first, int count);

/* Says whether first..first+count-1 survive exec. 0, or -1 when one is not open. */
int aimp__fds_keep_on_exec(int first, int count, bool keep);

/* Opens /dev/null wherever 0, 1 or 2 is closed, so that nothing else lands there.
 * 0 or -1 with errno. */
int aimp__fds_fill_stdio(void);

/* How many descriptors are open; -1 without /proc. For tests. */
int aimp__fds_count(void);

#endif
