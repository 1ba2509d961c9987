/* One worker's channel: everything that parent and worker share in memory.
 *
 * A channel is one memfd with two frame rings (calls towards the worker,
 * results towards the parent), one payload arena for each direction and a table
 * of claim cells. The parent creates it, the worker attaches to the fd. Either
 * process may die at any instruction; the other stays sound:
 *
 *   - single producer, single consumer; each index has one writer; no locks
 *   - free-running 64-bit indices, offsets and lengths, never pointers
 *   - nothing read from the mapping is used before it was checked against
 *     private copies; what does not fit is AIMP_ECORRUPT, and the caller ends
 *     the worker (parent) or itself (worker)
 *   - payloads are copied out before they are looked at, so that a peer that
 *     goes on writing cannot change what was checked
 *
 * Payload classes, chosen by size: inline in the frame ring, in the arena of
 * that direction, or in a one-shot memfd passed over the socket pair, as are
 * descriptors that a caller wants the other process to have.
 *
 * One struct channel is one side's private handle. Not thread safe: one thread
 * of each process. Not here: what frames mean (the callers), when to sleep
 * (lua/aimp/loop.lua), who runs what (sched/). */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_IPC_CHANNEL_H
#define AIMP_IPC_CHANNEL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum channel_side { CHANNEL_PARENT, CHANNEL_WORKER };

/* What a frame is. The kinds above 64 go from the worker to the parent. */
enum frame_kind {
    FRAME_START = 1,  /* the worker's configuration, always the first frame */
    FRAME_DEFINE,     /* fn = key, payload = a definition for the codec */
    FRAME_FORGET,     /* fn = key: the definition is not needed any more */
    FRAME_CALL,       /* a unit: items [first, first+count) of payload, claimed through `cell` */
    FRAME_CANCEL,     /* cancel item `first` of the unit in `cell` at its wait */
    FRAME_STOP,       /* finish what runs, run the finalizer, exit 0 */
    FRAME_NOTE,       /* a message between the Lua sides: payload, tag = what */
    FRAME_TELL,       /* about a shared object: an answer, or news; lua/aimp/shared */
    FRAME_DOWN_END,   /* no kind: stays behind the last one towards the worker */
    FRAME_HELLO = 65, /* the worker took its configuration */
    FRAME_READY,      /* the initializer ran; FRAME_ERROR with payload: it failed */
    FRAME_RESULT,     /* results of items [first, first+count); see flags */
    FRAME_ASK,        /* about a shared object: a request; lua/aimp/shared */
    FRAME_UP_END,     /* no kind: stays behind the last one towards the parent */
};

enum frame_flag {
    FRAME_END = 1,   /* RESULT: the worker's last word about this use of the cell */
    FRAME_ERROR = 2, /* RESULT of one item, READY, TELL: the payload is an error */
};

/* A frame's header as callers see it; the channel adds where the payload is.
 * For the channel all fields but kind and len are opaque. */
struct frame {
    uint32_t kind;       /* enum frame_kind */
    uint32_t flags;      /* enum frame_flag */
    uint32_t cell;       /* claim cell of the unit */
    uint32_t generation; /* of this use of the cell */
    uint32_t first;      /* first item */
    uint32_t count;      /* items */
    uint32_t fn;         /* function or definition key */
    uint32_t tag;        /* payload format; the codec's business */
    uint64_t aux;        /* CALL: timeout_ms; RESULT: wall time of the items in ns */
    uint64_t len;        /* payload bytes */
};

struct channel_sizes {
    size_t ring_bytes;  /* each frame ring; a power of two, 4 KiB to 1 GiB */
    size_t arena_bytes; /* each arena; a power of two, 4 KiB to 1 GiB */
    uint32_t cells;     /* claim cells, 1 to 65536 */
};

struct channel;

/* Creates the memory (memfd, sized up front with fallocate, sealed against
 * resizing) and maps it for the parent.
 *
 * ctl_fd, wake_fd, peer_wake_fd are borrowed until channel_free: this side's end
 * of the SOCK_SEQPACKET pair that carries one-shot memfds, the eventfd this side
 * sleeps on, the eventfd that wakes the other side. -1 for a side that never
 * sleeps or never sends one-shots (unit tests).
 * return: 0; AIMP_EINVAL for sizes out of range; AIMP_ENOMEM, AIMP_ESYS */
int aimp__channel_create(struct channel **out, const struct channel_sizes *sizes, int ctl_fd,
                         int wake_fd, int peer_wake_fd, struct aimp_error *err);

/* The worker's view of a channel that a parent created. Takes nothing: memfd may
 * be closed afterwards. AIMP_ECORRUPT when the header makes no sense,
 * AIMP_EVERSION when it was made by another version. */
int aimp__channel_attach(struct channel **out, int memfd, int ctl_fd, int wake_fd, int peer_wake_fd,
                         struct aimp_error *err);

/* The channel's memfd, owned by the channel (parent side; -1 on the worker's). */
int aimp__channel_memfd(const struct channel *channel);

/* Unmaps and frees. Borrowed fds stay open. NULL is allowed. */
void aimp__channel_free(struct channel *channel);

/* Sends one frame; the payload is copied, the caller's memory is free at return.
 * Does not wake the peer (aimp__channel_wake_peer, once a batch).
 * return: 0; AIMP_EFULL: nothing was sent. With err->os_errno 0 there is no room
 * now, and this side is rung when there is; otherwise the system refused the memory
 * or fd for a one-shot, nobody rings, and a retry is the caller's choice.
 * AIMP_ECORRUPT; AIMP_ECLOSED (one-shots only: the peer is gone); AIMP_EINVAL (a
 * payload that needs the socket, and there is none) */
int aimp__channel_send(struct channel *channel, const struct frame *frame, const void *payload,
                       struct aimp_error *err);

/* Bytes that a frame with a descriptor may have: they fit into any ring. */
#define CHANNEL_FD_PAYLOAD 512u

/* The same with a descriptor, which is borrowed, and at most CHANNEL_FD_PAYLOAD bytes; AIMP_EINVAL
 * for more. The receiver gets the frame and the descriptor together. */
int aimp__channel_send_fd(struct channel *channel, const struct frame *frame, const void *payload,
                          int fd, struct aimp_error *err);

/* Takes the next frame. *payload points to a private copy that lives until the
 * next receive on this channel, for a one-shot a private mapping of sealed memory;
 * either may be written to, is never NULL and is aligned for any type. Space in
 * the ring and the arena is free again at return. Small frames cost no system call.
 * The parent takes only kinds above 64, the worker only those below.
 * return: 1 got one; 0 nothing there; AIMP_ECORRUPT (for ever: every later call
 * says so); AIMP_ENOMEM (nothing was taken, try again) */
int aimp__channel_receive(struct channel *channel, struct frame *frame, const void **payload,
                          struct aimp_error *err);

/* The descriptor that came with the last frame: close-on-exec, the caller's, and of any kind: a
 * peer may have sent what it likes. What is not taken by the next receive is closed.
 * return: -1: none came, it was taken, or this process may open no more files */
int aimp__channel_take_fd(struct channel *channel);

/* True when a frame waits to be received (one acquire load). */
bool aimp__channel_has_input(const struct channel *channel);

/* True when a send failed with AIMP_EFULL and the peer has made the room that it
 * needed; may stay true until the next sleep, and then ends one sleep_begin. */
bool aimp__channel_has_room(const struct channel *channel);

/* Rings the peer's eventfd if it sleeps (exchange asleep 1 -> 0). Call after a
 * batch of sends, and after receives that may have made room for a peer that
 * waits for it (the peer's has_room wait also sets asleep). */
void aimp__channel_wake_peer(struct channel *channel);

/* Announces that this side is about to sleep on its eventfd, until input or, after
 * AIMP_EFULL, room comes. Always true for a corrupt channel: nothing comes of it.
 * return: true, sleep now; false, something came in between (asleep is withdrawn).
 * When that was room, has_room is true until the next sleep_begin or failed send;
 * a caller that does not retry by then is not woken for it again. */
bool aimp__channel_sleep_begin(struct channel *channel);

/* After waking for whatever reason; cheap. The caller drains the eventfd when it
 * was readable (aimp__wake_drain in os/wake.h). */
void aimp__channel_sleep_end(struct channel *channel);

/* ---- claim cells: one 64-bit word (next, end) over a unit's items ---- */

/* Parent: opens the cell for items [first, first+count) as `generation`. */
void aimp__cell_open(struct channel *channel, uint32_t cell, uint32_t generation, uint32_t first,
                     uint32_t count);

/* Worker: claims at most `max` items by CAS on next. Returns how many (0: none are left,
 * or `generation` is not the cell's) and the first in *item. For a cell number out of range:
 * 0. The time of the claim is stored in the cell (aimp__cell_started_ns). */
uint32_t aimp__cell_claim(struct channel *channel, uint32_t cell, uint32_t generation, uint32_t max,
                          uint32_t *item);

/* Worker: item `item` starts now; a plain store, so that after a death the parent
 * can tell the claimed items that never started from the one that ran. */
void aimp__cell_progress(struct channel *channel, uint32_t cell, uint32_t item);

/* Parent: takes back at most `max` unclaimed items from the tail by CAS on end.
 * Returns how many: items [old end - n, old end) are the parent's again.
 * 0 also when the cell is corrupt, which the next call on the channel reports. */
uint32_t aimp__cell_take_back(struct channel *channel, uint32_t cell, uint32_t max);

/* Parent: the state of a cell, as far as it is plausible.
 * return: 0 or AIMP_ECORRUPT (for ever, as with receive) */
struct cell_state {
    uint32_t next;     /* first unclaimed item */
    uint32_t end;      /* first item after the unit */
    uint32_t running;  /* last item the worker started, or first - 1 (may be UINT32_MAX) */
    uint64_t claim_ns; /* CLOCK_MONOTONIC of the last claim, 0 before; unchecked, a hint */
};
int aimp__cell_read(struct channel *channel, uint32_t cell, struct cell_state *out);

#endif
