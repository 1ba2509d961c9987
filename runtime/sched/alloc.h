/* The scheduler's memory: malloc, which tests can make fail. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_ALLOC_H
#define AIMP_SCHED_ALLOC_H

#include <stddef.h>

void *aimp__sched_alloc(size_t size); /* NULL: no memory */
void *aimp__sched_realloc(void *memory, size_t size);
void aimp__sched_free_memory(void *memory); /* NULL is allowed */

/* The n-th allocation from now on fails, once; 0: none. Does nothing unless AIMP_FAILPOINTS. */
void aimp__sched_fail_alloc_at(unsigned long n);

#endif
