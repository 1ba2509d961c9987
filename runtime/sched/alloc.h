/* Memory of the sched layer, and the way its tests make it run out.
 *
 * All allocations of the layer go through here, so that a test can ask for the
 * Nth one to fail and see that the call changed nothing. Without AIMP_FAILPOINTS
 * these are malloc, realloc and free. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_ALLOC_H
#define AIMP_SCHED_ALLOC_H

#include <stddef.h>
#include <stdlib.h>

#ifdef AIMP_FAILPOINTS

void *aimp__sched_alloc(size_t size);
void *aimp__sched_realloc(void *memory, size_t size);
void aimp__sched_free_memory(void *memory);

/* The nth allocation from now returns NULL, once; 0: none does. */
void aimp__sched_fail_alloc_at(unsigned long n);

/* True while that failure has not come yet. */
int aimp__sched_fail_alloc_is_armed(void);

/* Blocks allocated and not freed, in this process. */
long aimp__sched_alloc_count(void);

#else

#define aimp__sched_alloc       malloc
#define aimp__sched_realloc     realloc
#define aimp__sched_free_memory free

#endif
#endif
