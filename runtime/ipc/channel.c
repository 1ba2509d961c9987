/* Life and sleep of a channel; the contract is in channel.h. Frames are in
 * frames.c, cells in cell.c. */
/* SPDX-License-Identifier: MIT */
#include "ipc/channel.h"

#include "ipc/channel_state.h"
#include "os/memfd.h"

#include <stdlib.h>
#include <unistd.h>

/* An inline payload is copied through the ring; above this an arena is better. */
#define INLINE_MAX ((uint64_t)8 << 10)

static_assert(INLINE_MAX <= BUFFER_KEEP, "inline payloads always fit the buffer");

/* Points the handle into the mapping: what is out for one side is in for the other. */
static void bind_views(struct channel *channel, const struct layout *layout, enum channel_side side)
{
    struct channel_shared *shared = channel->shared;
    uint8_t *base = (uint8_t *)shared;
    enum channel_side peer = side == CHANNEL_PARENT ? CHANNEL_WORKER : CHANNEL_PARENT;
    uint64_t ring = layout->sizes.ring_bytes;
    uint64_t arena = layout->sizes.arena_bytes;
    aimp__ring_writer_init(&channel->out, &shared->flow[side], base + layout->ring[side], ring);
    aimp__ring_reader_init(&channel->in, &shared->flow[peer], base + layout->ring[peer], ring);
    aimp__arena_writer_init(&channel->arena_out, &shared->flow[side], base + layout->arena[side],
                            arena);
    aimp__arena_reader_init(&channel->arena_in, &shared->flow[peer], base + layout->arena[peer],
                            arena);
    channel->sleeper.mine = &shared->sleep[side];
    channel->sleeper.peer = &shared->sleep[peer];
    channel->cells = shared->cells;
}

static void set_limits(struct channel *channel, const struct layout *layout, enum channel_side side)
{
    uint64_t eighth = layout->sizes.ring_bytes / 8;
    channel->inline_limit = eighth < INLINE_MAX ? eighth : INLINE_MAX;
    channel->arena_limit = layout->sizes.arena_bytes / 2;
    channel->cell_count = layout->sizes.cells;
    channel->kind_first = side == CHANNEL_PARENT ? FRAME_HELLO : FRAME_START;
    channel->kind_end = side == CHANNEL_PARENT ? FRAME_UP_END : FRAME_DOWN_END;
}

static struct channel *new_channel(int ctl_fd, int peer_wake_fd, struct aimp_error *err)
{
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel || aimp__buffer_init(&channel->buffer) < 0) {
        free(channel);
        aimp__error_set(err, AIMP_ENOMEM, "no memory for a channel");
        return NULL;
    }
    channel->memfd = -1;
    channel->sleeper.peer_wake_fd = peer_wake_fd;
    if (aimp__oneshot_init(&channel->oneshot, ctl_fd, err) == 0)
        return channel;
    aimp__channel_free(channel);
    return NULL;
}

static int map(struct channel *channel, const struct layout *layout, int memfd,
               enum channel_side side, struct aimp_error *err)
{
    channel->shared = aimp__layout_map(layout, memfd, &channel->mapped, err);
    if (!channel->shared)
        return AIMP_ENOMEM;
    bind_views(channel, layout, side);
    set_limits(channel, layout, side);
    return 0;
}

static int create_memory(struct channel *channel, const struct layout *layout,
                         struct aimp_error *err)
{
    channel->own = calloc(layout->sizes.cells, sizeof *channel->own);
    if (!channel->own)
        return aimp__error_set(err, AIMP_ENOMEM, "no memory for %u cells", layout->sizes.cells);
    channel->memfd = aimp__memfd_create("aimp-channel", layout->file_bytes, err);
    if (channel->memfd < 0)
        return channel->memfd;
    int rc = map(channel, layout, channel->memfd, CHANNEL_PARENT, err);
    if (rc == 0)
        channel->shared->header = (struct layout_header){
            .magic = LAYOUT_MAGIC,
            .version = LAYOUT_VERSION,
            .ring_bytes = layout->sizes.ring_bytes,
            .arena_bytes = layout->sizes.arena_bytes,
            .cells = layout->sizes.cells,
        };
    return rc;
}

int aimp__channel_create(struct channel **out, const struct channel_sizes *sizes, int ctl_fd,
                         int wake_fd, int peer_wake_fd, struct aimp_error *err)
{
    struct aimp_error local;
    struct layout layout;
    (void)wake_fd; /* the caller polls and drains it */
    err = err ? err : &local;
    int rc = aimp__layout_compute(&layout, sizes, err);
    if (rc < 0)
        return rc;
    struct channel *channel = new_channel(ctl_fd, peer_wake_fd, err);
    if (!channel)
        return err->code;
    rc = create_memory(channel, &layout, err);
    if (rc < 0)
        aimp__channel_free(channel);
    else
        *out = channel;
    return rc;
}

int aimp__channel_attach(struct channel **out, int memfd, int ctl_fd, int wake_fd, int peer_wake_fd,
                         struct aimp_error *err)
{
    struct aimp_error local;
    struct layout layout;
    (void)wake_fd;
    err = err ? err : &local;
    int rc = aimp__layout_read(&layout, memfd, err);
    if (rc < 0)
        return rc;
    struct channel *channel = new_channel(ctl_fd, peer_wake_fd, err);
    if (!channel)
        return err->code;
    rc = map(channel, &layout, memfd, CHANNEL_WORKER, err);
    if (rc < 0)
        aimp__channel_free(channel);
    else
        *out = channel;
    return rc;
}

int aimp__channel_memfd(const struct channel *channel)
{
    return channel->memfd;
}

void aimp__channel_free(struct channel *channel)
{
    if (!channel)
        return;
    aimp__oneshot_fini(&channel->oneshot);
    aimp__buffer_fini(&channel->buffer);
    if (channel->shared)
        aimp__memfd_unmap(channel->shared, channel->mapped);
    if (channel->memfd >= 0)
        close(channel->memfd);
    free(channel->own);
    free(channel);
}

int aimp__channel_corrupt(struct channel *channel, struct aimp_error *err, const char *what)
{
    channel->is_corrupt = true;
    return aimp__error_set(err, AIMP_ECORRUPT, "%s", what);
}

/* ---- sleep: nothing will come of a corrupt channel any more ---- */

bool aimp__channel_has_input(const struct channel *channel)
{
    return aimp__ring_has_input(&channel->in) && !channel->is_corrupt;
}

bool aimp__channel_has_room(const struct channel *channel)
{
    return aimp__sleeper_has_room(&channel->sleeper, channel->out.flow) && !channel->is_corrupt;
}

void aimp__channel_wake_peer(struct channel *channel)
{
    aimp__sleeper_wake_peer(&channel->sleeper, channel->in.tail, channel->arena_in.tail);
}

bool aimp__channel_sleep_begin(struct channel *channel)
{
    struct sleeper *sleeper = &channel->sleeper;
    sleeper->is_told = false;
    aimp__sleeper_announce(sleeper);
    bool has_room = aimp__channel_has_room(channel);
    if (!has_room && !aimp__channel_has_input(channel))
        return true;
    aimp__sleeper_withdraw(sleeper);
    if (has_room) {
        sleeper->wants = 0;
        sleeper->is_told = true;
    }
    return false;
}

void aimp__channel_sleep_end(struct channel *channel)
{
    aimp__sleeper_withdraw(&channel->sleeper);
}
