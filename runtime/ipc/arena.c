/* The contract is in arena.h. */
/* SPDX-License-Identifier: MIT */
#include "ipc/arena.h"

#include "base/failpoint.h"

void aimp__arena_writer_init(struct arena_writer *arena, struct flow_shared *flow, void *data,
                             uint64_t capacity)
{
    *arena = (struct arena_writer){.flow = flow, .data = data, .capacity = capacity};
}

void aimp__arena_reader_init(struct arena_reader *arena, struct flow_shared *flow, const void *data,
                             uint64_t capacity)
{
    *arena = (struct arena_reader){.flow = flow, .data = data, .capacity = capacity};
}

static int refresh(struct arena_writer *arena)
{
    uint64_t tail = atomic_load_explicit(&arena->flow->arena_tail, memory_order_acquire);
    if (tail - arena->tail > arena->head - arena->tail || tail % ARENA_ALIGN != 0)
        return AIMP_ECORRUPT;
    arena->tail = tail;
    return 0;
}

static bool has_room(const struct arena_writer *arena, uint64_t len)
{
    return arena->capacity - (arena->head - arena->tail) >= ARENA_PAD(len);
}

int aimp__arena_reserve(struct arena_writer *arena, uint64_t len, void **out, uint64_t *position)
{
    if (!has_room(arena, len)) {
        int rc = refresh(arena);
        if (rc < 0)
            return rc;
        if (!has_room(arena, len))
            return AIMP_EFULL;
    }
    *out = arena->data + (arena->head & (arena->capacity - 1));
    *position = arena->head & WIRE_POSITION;
    return 0;
}

void aimp__arena_commit(struct arena_writer *arena, uint64_t len)
{
    arena->head += ARENA_PAD(len);
}

const void *aimp__arena_at(const struct arena_reader *arena, uint64_t position, uint64_t len)
{
    if (position != (arena->tail & WIRE_POSITION) || len > arena->capacity)
        return NULL;
    return arena->data + (arena->tail & (arena->capacity - 1));
}

void aimp__arena_release(struct arena_reader *arena, uint64_t len)
{
    AIMP_FAILPOINT("arena.release");
    arena->tail += ARENA_PAD(len);
    atomic_store_explicit(&arena->flow->arena_tail, arena->tail, memory_order_release);
    AIMP_FAILPOINT("arena.released");
}
