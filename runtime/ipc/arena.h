/* FIFO of payloads in shared memory, one for each direction.
 *
 * Payloads lie one after the other, each padded to ARENA_ALIGN; the content is
 * mapped twice in a row, so each is contiguous. A payload becomes visible with
 * the frame that names its position, so the writer's index is private; frames
 * come in order, so the reader knows which position must come next.
 *
 * Invariants
 *   tail <= head <= tail + capacity, free-running, multiples of ARENA_ALIGN
 *   the reader alone stores flow->arena_tail (release) */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_IPC_ARENA_H
#define AIMP_IPC_ARENA_H

#include "base/error.h"
#include "ipc/layout.h"

#define ARENA_PAD(size) (((size) + ARENA_ALIGN - 1) & ~(uint64_t)(ARENA_ALIGN - 1))

struct arena_writer {
    struct flow_shared *flow;
    uint8_t *data;
    uint64_t capacity;
    uint64_t head;
    uint64_t tail; /* last seen of the reader's */
};

struct arena_reader {
    struct flow_shared *flow;
    const uint8_t *data;
    uint64_t capacity;
    uint64_t tail; /* the truth; flow->arena_tail follows at release */
};

void aimp__arena_writer_init(struct arena_writer *arena, struct flow_shared *flow, void *data,
                             uint64_t capacity);
void aimp__arena_reader_init(struct arena_reader *arena, struct flow_shared *flow, const void *data,
                             uint64_t capacity);

/* Room for `len` bytes (at most the capacity) at *position.
 * Kept only by the commit. return: 0, AIMP_EFULL, AIMP_ECORRUPT */
int aimp__arena_reserve(struct arena_writer *arena, uint64_t len, void **out, uint64_t *position);
void aimp__arena_commit(struct arena_writer *arena, uint64_t len);

/* Where the payload is that a frame says to be at `position`; NULL when it cannot be there. */
const void *aimp__arena_at(const struct arena_reader *arena, uint64_t position, uint64_t len);
void aimp__arena_release(struct arena_reader *arena, uint64_t len);

#endif
