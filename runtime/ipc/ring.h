/* Single-producer, single-consumer byte ring in shared memory.
 *
 * The content is mapped twice in a row, so what starts anywhere in the ring is
 * contiguous. Each end keeps its own index and the last value it saw of the
 * peer's; it looks at shared memory only when that does not suffice.
 *
 * Invariants
 *   tail <= head <= tail + capacity; both free-running, multiples of RING_ALIGN
 *   the writer alone stores head (release), the reader alone stores tail (release)
 *   an index of the peer is used only after a check against the own one
 *
 * Not here: what the bytes are (wire.h), waking the peer (sleeper.h). */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_IPC_RING_H
#define AIMP_IPC_RING_H

#include "base/error.h"
#include "base/failpoint.h"
#include "ipc/layout.h"

#define RING_PAD(size) (((size) + RING_ALIGN - 1) & ~(uint64_t)(RING_ALIGN - 1))

struct ring_writer {
    struct flow_shared *flow;
    uint8_t *data;
    uint64_t capacity;
    uint64_t head; /* the truth; flow->head follows at commit */
    uint64_t tail; /* last seen of the reader's */
};

struct ring_reader {
    struct flow_shared *flow;
    const uint8_t *data;
    uint64_t capacity;
    uint64_t tail; /* the truth; flow->tail follows at release */
    uint64_t head; /* last seen of the writer's */
};

/* Both start at index 0, as a new mapping does. */
void aimp__ring_writer_init(struct ring_writer *ring, struct flow_shared *flow, void *data,
                            uint64_t capacity);
void aimp__ring_reader_init(struct ring_reader *ring, struct flow_shared *flow, const void *data,
                            uint64_t capacity);

/* The slow half of reserve and peek: looks at the peer's index and checks it. */
int aimp__ring_writer_refresh(struct ring_writer *ring);
int aimp__ring_reader_refresh(struct ring_reader *ring);

/* Where the next `size` bytes (a multiple of RING_ALIGN, at most the capacity) go.
 * Not visible before the commit. return: 0, AIMP_EFULL, AIMP_ECORRUPT */
static inline int aimp__ring_reserve(struct ring_writer *ring, uint64_t size, void **out)
{
    if (__builtin_expect(ring->capacity - (ring->head - ring->tail) < size, 0)) {
        int rc = aimp__ring_writer_refresh(ring);
        if (rc < 0)
            return rc;
        if (ring->capacity - (ring->head - ring->tail) < size)
            return AIMP_EFULL;
    }
    *out = ring->data + (ring->head & (ring->capacity - 1));
    return 0;
}

static inline void aimp__ring_commit(struct ring_writer *ring, uint64_t size)
{
    AIMP_FAILPOINT("ring.commit");
    ring->head += size;
    atomic_store_explicit(&ring->flow->head, ring->head, memory_order_release);
    AIMP_FAILPOINT("ring.committed");
}

/* The oldest bytes: *available of them from *out, at least RING_ALIGN.
 * return: 1; 0 (empty); AIMP_ECORRUPT */
static inline int aimp__ring_peek(struct ring_reader *ring, const void **out, uint64_t *available)
{
    if (ring->head == ring->tail) {
        int rc = aimp__ring_reader_refresh(ring);
        if (rc <= 0)
            return rc;
    }
    *out = ring->data + (ring->tail & (ring->capacity - 1));
    *available = ring->head - ring->tail;
    return 1;
}

/* Gives the oldest `size` bytes back to the writer. */
static inline void aimp__ring_release(struct ring_reader *ring, uint64_t size)
{
    AIMP_FAILPOINT("ring.release");
    ring->tail += size;
    atomic_store_explicit(&ring->flow->tail, ring->tail, memory_order_release);
    AIMP_FAILPOINT("ring.released");
}

static inline bool aimp__ring_has_input(const struct ring_reader *ring)
{
    return atomic_load_explicit(&ring->flow->head, memory_order_acquire) != ring->tail;
}

#endif
