/* The inside of struct channel, for the files that implement channel.h. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_IPC_CHANNEL_STATE_H
#define AIMP_IPC_CHANNEL_STATE_H

#include "ipc/arena.h"
#include "ipc/buffer.h"
#include "ipc/channel.h"
#include "ipc/layout.h"
#include "ipc/oneshot.h"
#include "ipc/ring.h"
#include "ipc/sleeper.h"

/* What the parent knows of a cell by itself. */
struct cell_own {
    uint32_t first;
    uint32_t end;
    uint32_t next; /* last seen; only grows */
};

struct channel {
    struct ring_writer out;
    struct ring_reader in;
    struct arena_writer arena_out;
    struct arena_reader arena_in;
    struct sleeper sleeper;
    struct buffer buffer;
    struct oneshot oneshot;
    bool is_corrupt;     /* for ever */
    uint32_t kind_first; /* what this side receives: [kind_first, kind_end) */
    uint32_t kind_end;
    uint64_t inline_limit; /* payload bytes */
    uint64_t arena_limit;
    struct cell_shared *cells;
    uint32_t cell_count;
    struct cell_own *own; /* parent only; owned */
    int memfd;            /* parent only; owned */
    struct channel_shared *shared;
    size_t mapped;
};

/* Marks the channel; returns AIMP_ECORRUPT. */
int aimp__channel_corrupt(struct channel *channel, struct aimp_error *err, const char *what);

#endif
