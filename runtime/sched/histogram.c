/* The contract is in histogram.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/histogram.h"

/* Bucket b holds [lower(b), lower(b + 1)): 0 to 3 exactly, then four to each power of two. */
static uint32_t bucket_of(uint64_t ns)
{
    if (ns < 4)
        return (uint32_t)ns;
    uint32_t octave = 63 - (uint32_t)__builtin_clzll(ns); /* at least 2 */
    uint32_t quarter = (uint32_t)(ns >> (octave - 2)) & 3;
    return (octave - 1) * 4 + quarter;
}

static uint64_t lower(uint32_t bucket)
{
    if (bucket < 4)
        return bucket;
    uint32_t octave = bucket / 4 + 1;
    return octave > 63 ? UINT64_MAX : (uint64_t)(4 + bucket % 4) << (octave - 2);
}

void aimp__histogram_add(struct histogram *histogram, uint64_t ns, uint64_t count)
{
    histogram->counts[bucket_of(ns)] += count;
    histogram->total += count;
}

uint64_t aimp__histogram_percentile(const struct histogram *histogram, double share)
{
    double wanted = share * (double)histogram->total;
    uint64_t seen = 0;
    for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
        seen += histogram->counts[b];
        if (seen > 0 && (double)seen >= wanted)
            return lower(b + 1) - 1;
    }
    return 0;
}
