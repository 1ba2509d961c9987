/* Monotonic time. Nothing in aimp looks at the wall clock. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_CLOCK_H
#define AIMP_OS_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC; the same clock in every process. */
static inline uint64_t aimp__clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
