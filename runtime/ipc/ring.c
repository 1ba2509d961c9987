/* The contract is in ring.h. */
/* SPDX-License-Identifier: MIT */
#include "ipc/ring.h"

void aimp__ring_writer_init(struct ring_writer *ring, struct flow_shared *flow, void *data,
                            uint64_t capacity)
{
    *ring = (struct ring_writer){.flow = flow, .data = data, .capacity = capacity};
}

void aimp__ring_reader_init(struct ring_reader *ring, struct flow_shared *flow, const void *data,
                            uint64_t capacity)
{
    *ring = (struct ring_reader){.flow = flow, .data = data, .capacity = capacity};
}

/* The reader may have moved on, up to our head, but never back. */
int aimp__ring_writer_refresh(struct ring_writer *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->flow->tail, memory_order_acquire);
    if (tail - ring->tail > ring->head - ring->tail || tail % RING_ALIGN != 0)
        return AIMP_ECORRUPT;
    ring->tail = tail;
    return 0;
}

int aimp__ring_reader_refresh(struct ring_reader *ring)
{
    uint64_t head = atomic_load_explicit(&ring->flow->head, memory_order_acquire);
    if (head == ring->tail)
        return 0;
    if (head - ring->tail > ring->capacity || head % RING_ALIGN != 0)
        return AIMP_ECORRUPT;
    ring->head = head;
    return 1;
}
