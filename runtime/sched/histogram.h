/* Durations counted in buckets that grow with them: percentiles within about 19 %, in constant
 * memory. Four buckets an octave, as in HdrHistogram with few significant bits (G. Tene). Pure. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_HISTOGRAM_H
#define AIMP_SCHED_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 256

struct histogram {
    uint64_t total;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

/* `count` durations of `ns` each. All zero bytes is an empty histogram. */
void aimp__histogram_add(struct histogram *histogram, uint64_t ns, uint64_t count);

/* The duration that `share` (0 to 1) of all do not exceed: the upper end of its bucket; 0 when
 * there are none. */
uint64_t aimp__histogram_percentile(const struct histogram *histogram, double share);

#endif
