/* The contract is in layout.h. */
/* SPDX-License-Identifier: MIT */
#include "ipc/layout.h"

#include "os/memfd.h"

#include <stdbool.h>
#include <unistd.h>

#define SIZE_MIN       ((size_t)4 << 10)
#define SIZE_MAX_BYTES ((size_t)1 << 30)
#define CELLS_MAX      65536u

/* A part that is mapped twice must consist of whole pages. */
static bool is_size(size_t bytes)
{
    return bytes >= SIZE_MIN && bytes <= SIZE_MAX_BYTES && (bytes & (bytes - 1)) == 0 &&
           bytes % (size_t)sysconf(_SC_PAGESIZE) == 0;
}

static size_t first_part_bytes(uint32_t cells)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = sizeof(struct channel_shared) + cells * sizeof(struct cell_shared);
    return (bytes + page - 1) / page * page;
}

int aimp__layout_compute(struct layout *layout, const struct channel_sizes *sizes,
                         struct aimp_error *err)
{
    if (!is_size(sizes->ring_bytes))
        return aimp__error_set(err, AIMP_EINVAL, "ring_bytes: %zu is out of range",
                               sizes->ring_bytes);
    if (!is_size(sizes->arena_bytes))
        return aimp__error_set(err, AIMP_EINVAL, "arena_bytes: %zu is out of range",
                               sizes->arena_bytes);
    if (sizes->cells < 1 || sizes->cells > CELLS_MAX)
        return aimp__error_set(err, AIMP_EINVAL, "cells: %u is out of range", sizes->cells);
    size_t first = first_part_bytes(sizes->cells);
    layout->sizes = *sizes;
    layout->file_bytes = first + 2 * (sizes->ring_bytes + sizes->arena_bytes);
    layout->ring[CHANNEL_PARENT] = first;
    layout->arena[CHANNEL_PARENT] = layout->ring[CHANNEL_PARENT] + 2 * sizes->ring_bytes;
    layout->ring[CHANNEL_WORKER] = layout->arena[CHANNEL_PARENT] + 2 * sizes->arena_bytes;
    layout->arena[CHANNEL_WORKER] = layout->ring[CHANNEL_WORKER] + 2 * sizes->ring_bytes;
    return 0;
}

struct channel_shared *aimp__layout_map(const struct layout *layout, int memfd, size_t *mapped,
                                        struct aimp_error *err)
{
    size_t first = layout->ring[CHANNEL_PARENT];
    size_t ring = layout->sizes.ring_bytes;
    size_t arena = layout->sizes.arena_bytes;
    const struct memfd_part parts[] = {
        {0, first, 0},
        {first, ring, 1},
        {first + ring, arena, 1},
        {first + ring + arena, ring, 1},
        {first + 2 * ring + arena, arena, 1},
    };
    return aimp__memfd_map_parts(memfd, parts, sizeof parts / sizeof parts[0], mapped, err);
}

int aimp__layout_read(struct layout *layout, int memfd, struct aimp_error *err)
{
    struct layout_header header;
    size_t bytes;
    int rc = aimp__memfd_size(memfd, &bytes, err);
    if (rc < 0)
        return rc;
    if (pread(memfd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        header.magic != LAYOUT_MAGIC)
        return aimp__error_set(err, AIMP_ECORRUPT, "not a channel");
    if (header.version != LAYOUT_VERSION)
        return aimp__error_set(err, AIMP_EVERSION, "channel has layout %u, not %u", header.version,
                               LAYOUT_VERSION);
    struct channel_sizes sizes = {header.ring_bytes, header.arena_bytes, (uint32_t)header.cells};
    if (header.cells > CELLS_MAX || aimp__layout_compute(layout, &sizes, err) < 0 ||
        layout->file_bytes != bytes)
        return aimp__error_set(err, AIMP_ECORRUPT, "channel's sizes make no sense");
    return 0;
}
