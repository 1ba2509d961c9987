/* What a channel's memfd holds. Both processes see exactly these structs.
 *
 *   header, flows, sleepers | cells | ring down | arena down | ring up | arena up
 *   (one part, page aligned)         (each page aligned and mapped twice in a row)
 *
 * The mapping may outlive either process and is written by both, so it holds
 * counters and offsets, never pointers. Each word has one writer, but `range`
 * of a cell and `state` of a sleeper, which are only changed by atomic
 * read-modify-write. Words of different writers are 128 bytes apart: processors
 * fetch cache lines in pairs. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_IPC_LAYOUT_H
#define AIMP_IPC_LAYOUT_H

#include "ipc/channel.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LAYOUT_MAGIC   0x706d6961u /* "aimp" */
#define LAYOUT_VERSION 2u
#define LAYOUT_LINE    128

#define RING_ALIGN  8u  /* of frames in a ring */
#define ARENA_ALIGN 64u /* of payloads in an arena */

/* Written once, before the worker exists. */
struct layout_header {
    alignas(LAYOUT_LINE) uint32_t magic;
    uint32_t version;
    uint64_t ring_bytes;
    uint64_t arena_bytes;
    uint64_t cells;
};

/* One direction's indices: free-running, of bytes. */
struct flow_shared {
    alignas(LAYOUT_LINE) _Atomic uint64_t head; /* producer: end of the committed frames */
    alignas(LAYOUT_LINE) _Atomic uint64_t tail; /* consumer: end of the consumed frames */
    _Atomic uint64_t arena_tail;                /* consumer: end of the consumed payloads */
};

/* One side's sleep; the other side clears `state` when it rings. */
struct sleep_shared {
    alignas(LAYOUT_LINE) _Atomic uint32_t state; /* enum sleep_state */
    uint32_t unused;
    _Atomic uint64_t ring_at;  /* with SLEEP_FOR_RING: ring when tail gets here */
    _Atomic uint64_t arena_at; /* with SLEEP_FOR_ARENA: when arena_tail gets here */
};

enum sleep_state {
    SLEEP_NOT = 0,
    SLEEP_FOR_INPUT = 1, /* always; the others only together with it */
    SLEEP_FOR_RING = 2,
    SLEEP_FOR_ARENA = 4,
};

struct cell_shared {
    _Atomic uint64_t range;      /* next in the low half, end in the high one */
    _Atomic uint32_t generation; /* parent */
    _Atomic uint32_t running;    /* worker, after the parent's open */
    _Atomic uint64_t claim_ns;   /* the same */
    uint64_t unused;
};

struct channel_shared {
    struct layout_header header;
    struct flow_shared flow[2];   /* by the side that sends: enum channel_side */
    struct sleep_shared sleep[2]; /* by the side that sleeps */
    alignas(LAYOUT_LINE) struct cell_shared cells[];
};

/* A frame as it stands in a ring, followed by an inline payload, all padded to
 * RING_ALIGN. */
struct wire_frame {
    struct frame frame;
    uint64_t where; /* enum wire_place in the high bits, a position in the others */
};

enum wire_place {
    WIRE_INLINE = 1, /* position: of this frame in the ring */
    WIRE_ARENA,      /* of the payload in the arena */
    WIRE_ONESHOT,    /* number of the one-shot */
    WIRE_FD,         /* inline, with a descriptor: its number */
};

#define WIRE_PLACE_SHIFT 60
#define WIRE_POSITION    (((uint64_t)1 << WIRE_PLACE_SHIFT) - 1)

static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "shared words are atomic");
static_assert(sizeof(struct layout_header) == 128, "layout");
static_assert(offsetof(struct flow_shared, tail) == 128, "layout");
static_assert(offsetof(struct flow_shared, arena_tail) == 136, "layout");
static_assert(sizeof(struct flow_shared) == 256, "layout");
static_assert(offsetof(struct sleep_shared, ring_at) == 8, "layout");
static_assert(sizeof(struct sleep_shared) == 128, "layout");
static_assert(offsetof(struct cell_shared, running) == 12, "layout");
static_assert(sizeof(struct cell_shared) == 32, "layout");
static_assert(offsetof(struct channel_shared, flow) == 128, "layout");
static_assert(offsetof(struct channel_shared, sleep) == 640, "layout");
static_assert(offsetof(struct channel_shared, cells) == 896, "layout");
static_assert(sizeof(struct frame) == 48 && offsetof(struct frame, len) == 40, "layout");
static_assert(sizeof(struct wire_frame) == 56, "layout");

/* Where the parts are, in the memfd and, with the rings and arenas mapped
 * twice, in the mapping. Computed by each side from the sizes. */
struct layout {
    struct channel_sizes sizes;
    size_t file_bytes;
    size_t ring[2]; /* offsets in the mapping, by the side that sends */
    size_t arena[2];
};

/* return: 0; AIMP_EINVAL (a size out of range) */
int aimp__layout_compute(struct layout *layout, const struct channel_sizes *sizes,
                         struct aimp_error *err);

/* Maps the memfd; NULL with err. Release with aimp__memfd_unmap. */
struct channel_shared *aimp__layout_map(const struct layout *layout, int memfd, size_t *mapped,
                                        struct aimp_error *err);

/* Reads and checks the header of a memfd: AIMP_ECORRUPT, AIMP_EVERSION. */
int aimp__layout_read(struct layout *layout, int memfd, struct aimp_error *err);

#endif
