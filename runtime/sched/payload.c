/* The contract is in payload.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/payload.h"

#include "sched/alloc.h"

#include <string.h>

struct payload *aimp__payload_new(const void *data, size_t len, uint64_t needs)
{
    struct payload *payload = aimp__sched_alloc(sizeof *payload + len);
    if (!payload)
        return NULL;
    payload->holders = 1;
    payload->needs = needs;
    payload->len = len;
    if (len)
        memcpy(payload->data, data, len);
    return payload;
}

struct payload *aimp__payload_hold(struct payload *payload)
{
    payload->holders++;
    return payload;
}

int aimp__payload_release(struct payload *payload)
{
    if (--payload->holders > 0)
        return 0;
    aimp__sched_free_memory(payload);
    return 1;
}
