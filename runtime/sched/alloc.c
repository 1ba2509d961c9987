/* The contract is in alloc.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/alloc.h"

#include <stdbool.h>
#include <stdlib.h>

#ifdef AIMP_FAILPOINTS
static unsigned long fail_at;

void aimp__sched_fail_alloc_at(unsigned long n)
{
    fail_at = n;
}

static bool must_fail(void)
{
    return fail_at > 0 && --fail_at == 0;
}
#else
void aimp__sched_fail_alloc_at(unsigned long n)
{
    (void)n;
}

static bool must_fail(void)
{
    return false;
}
#endif

void *aimp__sched_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size);
}

void *aimp__sched_realloc(void *memory, size_t size)
{
    return must_fail() ? NULL : realloc(memory, size);
}

void aimp__sched_free_memory(void *memory)
{
    free(memory);
}
