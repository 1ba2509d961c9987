/* A unit's encoded bytes, shared by the units it is split into. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_SCHED_PAYLOAD_H
#define AIMP_SCHED_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

struct payload {
    uint32_t holders;
    uint64_t needs; /* definition log position, released with the bytes */
    size_t len;
    unsigned char data[];
};

/* A copy of data with one holder; NULL: no memory. */
struct payload *aimp__payload_new(const void *data, size_t len, uint64_t needs);
struct payload *aimp__payload_hold(struct payload *payload);
/* True when this was the last holder: `needs` of it is not needed any more. */
int aimp__payload_release(struct payload *payload);

#endif
