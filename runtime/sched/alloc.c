/* The contract is in alloc.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/alloc.h"

#ifdef AIMP_FAILPOINTS

static unsigned long left; /* allocations until one fails; 0: none will */
static long blocks;

static int must_fail(void)
{
    return left > 0 && --left == 0;
}

void *aimp__sched_alloc(size_t size)
{
    return aimp__sched_realloc(NULL, size);
}

void *aimp__sched_realloc(void *memory, size_t size)
{
    if (must_fail())
        return NULL;
    void *fresh = realloc(memory, size);
    if (fresh && !memory)
        blocks++;
    return fresh;
}

void aimp__sched_free_memory(void *memory)
{
    if (memory)
        blocks--;
    free(memory);
}

void aimp__sched_fail_alloc_at(unsigned long n)
{
    left = n;
}

int aimp__sched_fail_alloc_is_armed(void)
{
    return left > 0;
}

long aimp__sched_alloc_count(void)
{
    return blocks;
}

#else

/* ISO C wants a declaration in every translation unit. */
typedef int aimp__sched_alloc_is_malloc;

#endif
