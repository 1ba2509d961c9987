/* Sending and receiving frames; the contract is in channel.h.
 *
 * A frame is written in full before one store of the ring's head makes it
 * visible, and copied out in full before one store of the ring's tail gives it
 * back. So whoever dies in between, the other side sees whole frames only. */
/* SPDX-License-Identifier: MIT */
#include "base/failpoint.h"
#include "ipc/channel_state.h"

#include <string.h>

#define HEADER sizeof(struct wire_frame)

static int no_room(struct channel *channel, uint32_t what, uint64_t at, struct aimp_error *err)
{
    aimp__sleeper_want(&channel->sleeper, what, at);
    return aimp__error_set(err, AIMP_EFULL, "no room for a frame now");
}

/* Room for a frame in the ring. NULL: *rc says why, and it is marked. */
static inline void *reserve(struct channel *channel, uint64_t size, int *rc, struct aimp_error *err)
{
    struct ring_writer *ring = &channel->out;
    void *at;
    *rc = aimp__ring_reserve(ring, size, &at);
    if (__builtin_expect(*rc == 0, 1))
        return at;
    if (*rc == AIMP_EFULL)
        no_room(channel, SLEEP_FOR_RING, ring->head + size - ring->capacity, err);
    else
        aimp__channel_corrupt(channel, err, "the peer's ring index makes no sense");
    return NULL;
}

static inline void put_header(void *at, const struct frame *frame, enum wire_place place,
                              uint64_t position)
{
    struct wire_frame *wire = at;
    wire->frame = *frame;
    AIMP_FAILPOINT("send.header");
    wire->where = (uint64_t)place << WIRE_PLACE_SHIFT | (position & WIRE_POSITION);
    AIMP_FAILPOINT("send.where");
}

static inline int commit(struct channel *channel, uint64_t size)
{
    aimp__ring_commit(&channel->out, size);
    channel->sleeper.has_sent = true;
    return 0;
}

static int send_in_arena(struct channel *channel, const struct frame *frame, const void *payload,
                         struct aimp_error *err)
{
    struct arena_writer *arena = &channel->arena_out;
    void *to;
    uint64_t position;
    int rc;
    void *at = reserve(channel, HEADER, &rc, err);
    if (!at)
        return rc;
    rc = aimp__arena_reserve(arena, frame->len, &to, &position);
    if (rc == AIMP_EFULL)
        return no_room(channel, SLEEP_FOR_ARENA,
                       arena->head + ARENA_PAD(frame->len) - arena->capacity, err);
    if (rc < 0)
        return aimp__channel_corrupt(channel, err, "the peer's arena index makes no sense");
    AIMP_FAILPOINT("arena.reserved");
    memcpy(to, payload, frame->len);
    AIMP_FAILPOINT("arena.payload");
    put_header(at, frame, WIRE_ARENA, position);
    aimp__arena_commit(arena, frame->len);
    return commit(channel, HEADER);
}

/* Over the socket, before the frame: what the payload is in, or with fd >= 0 that. */
static int pass(struct channel *channel, const struct frame *frame, const void *payload, int fd,
                struct aimp_error *err)
{
    return fd < 0 ? aimp__oneshot_send(&channel->oneshot, payload, frame->len, err)
                  : aimp__oneshot_pass(&channel->oneshot, fd, err);
}

/* Nobody rings when there is room again: the caller sees os_errno. */
static int refused(struct aimp_error *err)
{
    if (err)
        err->code = AIMP_EFULL;
    return AIMP_EFULL;
}

/* The same; a full socket is full of what the peer has yet to receive, and rings for. */
static int pass_or_wait(struct channel *channel, const struct frame *frame, const void *payload,
                        int fd, struct aimp_error *err)
{
    struct ring_writer *ring = &channel->out;
    int rc = pass(channel, frame, payload, fd, err);
    if (rc == AIMP_EAGAIN) {
        if (aimp__ring_writer_refresh(ring) < 0)
            return aimp__channel_corrupt(channel, err, "the peer's ring index makes no sense");
        if (ring->tail != ring->head)
            return no_room(channel, SLEEP_FOR_RING, ring->tail + RING_ALIGN, err);
        rc = pass(channel, frame, payload, fd, err); /* it has received all meanwhile */
    }
    return rc == AIMP_EAGAIN || rc == AIMP_EFULL ? refused(err) : rc;
}

static int send_oneshot(struct channel *channel, const struct frame *frame, const void *payload,
                        struct aimp_error *err)
{
    int rc;
    void *at = reserve(channel, HEADER, &rc, err);
    if (!at)
        return rc;
    rc = pass_or_wait(channel, frame, payload, -1, err);
    if (rc < 0)
        return rc;
    put_header(at, frame, WIRE_ONESHOT, channel->oneshot.sent);
    return commit(channel, HEADER);
}

int aimp__channel_send_fd(struct channel *channel, const struct frame *frame, const void *payload,
                          int fd, struct aimp_error *err)
{
    int rc;
    if (channel->is_corrupt)
        return aimp__channel_corrupt(channel, err, "the channel is corrupt");
    if (frame->len > CHANNEL_FD_PAYLOAD)
        return aimp__error_set(err, AIMP_EINVAL, "%llu bytes are too many beside a descriptor",
                               (unsigned long long)frame->len);
    uint64_t size = HEADER + RING_PAD(frame->len);
    void *at = reserve(channel, size, &rc, err);
    if (!at)
        return rc;
    rc = pass_or_wait(channel, frame, payload, fd, err);
    if (rc < 0)
        return rc;
    put_header(at, frame, WIRE_FD, channel->oneshot.sent);
    if (frame->len > 0)
        memcpy((uint8_t *)at + HEADER, payload, frame->len);
    AIMP_FAILPOINT("send.fd");
    return commit(channel, size);
}

int aimp__channel_send(struct channel *channel, const struct frame *frame, const void *payload,
                       struct aimp_error *err)
{
    if (__builtin_expect(channel->is_corrupt, 0))
        return aimp__channel_corrupt(channel, err, "the channel is corrupt");
    if (frame->len > channel->inline_limit)
        return frame->len <= channel->arena_limit ? send_in_arena(channel, frame, payload, err)
                                                  : send_oneshot(channel, frame, payload, err);
    uint64_t size = HEADER + RING_PAD(frame->len);
    int rc;
    void *at = reserve(channel, size, &rc, err);
    if (__builtin_expect(!at, 0))
        return rc;
    AIMP_FAILPOINT("send.reserved");
    put_header(at, frame, WIRE_INLINE, channel->out.head);
    if (frame->len > 0)
        memcpy((uint8_t *)at + HEADER, payload, frame->len);
    AIMP_FAILPOINT("send.payload");
    return commit(channel, size);
}

/* ---- receiving ---- */

/* Ends the use of a frame's bytes in the ring. */
static inline int done(struct channel *channel, uint64_t size)
{
    aimp__ring_release(&channel->in, size);
    channel->sleeper.has_freed = true;
    return 1;
}

static int receive_from_arena(struct channel *channel, const struct wire_frame *wire,
                              const void **payload, struct aimp_error *err)
{
    struct arena_reader *arena = &channel->arena_in;
    uint64_t len = wire->frame.len;
    const void *at = aimp__arena_at(arena, wire->where & WIRE_POSITION, len);
    if (!at || len > channel->arena_limit)
        return aimp__channel_corrupt(channel, err, "a payload is not where it must be");
    if (aimp__buffer_fit(&channel->buffer, len) < 0)
        return aimp__error_set(err, AIMP_ENOMEM, "no memory to receive %llu bytes",
                               (unsigned long long)len);
    memcpy(channel->buffer.data, at, len);
    AIMP_FAILPOINT("receive.copied");
    *payload = channel->buffer.data;
    aimp__arena_release(arena, len);
    return done(channel, HEADER);
}

static int receive_oneshot(struct channel *channel, const struct wire_frame *wire,
                           const void **payload, struct aimp_error *err)
{
    int rc =
        aimp__oneshot_receive(&channel->oneshot, wire->where & WIRE_POSITION, wire->frame.len, err);
    if (rc == AIMP_ECORRUPT)
        channel->is_corrupt = true;
    if (rc < 0)
        return rc;
    *payload = channel->oneshot.mapping;
    return done(channel, HEADER);
}

static bool is_inline(const struct channel *channel, uint64_t len, uint64_t available)
{
    return len <= channel->inline_limit && HEADER + RING_PAD(len) <= available;
}

/* Of a length that is_inline. */
static int take_inline(struct channel *channel, uint64_t len, const void *at, const void **payload)
{
    aimp__buffer_fit(&channel->buffer, len); /* never fails: at least inline_limit */
    memcpy(channel->buffer.data, (const uint8_t *)at + HEADER, len);
    AIMP_FAILPOINT("receive.copied");
    *payload = channel->buffer.data;
    return done(channel, HEADER + RING_PAD(len));
}

static int receive_inline(struct channel *channel, const struct wire_frame *wire, const void *at,
                          uint64_t available, const void **payload, struct aimp_error *err)
{
    if (!is_inline(channel, wire->frame.len, available) ||
        (wire->where & WIRE_POSITION) != (channel->in.tail & WIRE_POSITION))
        return aimp__channel_corrupt(channel, err, "an inline payload makes no sense");
    return take_inline(channel, wire->frame.len, at, payload);
}

static int receive_fd(struct channel *channel, const struct wire_frame *wire, const void *at,
                      uint64_t available, const void **payload, struct aimp_error *err)
{
    if (!is_inline(channel, wire->frame.len, available))
        return aimp__channel_corrupt(channel, err, "a payload beside a descriptor makes no sense");
    int rc = aimp__oneshot_receive_fd(&channel->oneshot, wire->where & WIRE_POSITION, err);
    if (rc < 0)
        return aimp__channel_corrupt(channel, err, "a descriptor did not come");
    AIMP_FAILPOINT("receive.fd");
    return take_inline(channel, wire->frame.len, at, payload);
}

/* The frame's header as it was at one moment: the barrier keeps the compiler
 * from reading shared memory again where the copy is meant. */
static inline bool take_header(const struct channel *channel, const void *at, uint64_t available,
                               struct wire_frame *wire)
{
    if (available < HEADER)
        return false;
    memcpy(wire, at, HEADER);
    atomic_signal_fence(memory_order_seq_cst);
    return wire->frame.kind >= channel->kind_first && wire->frame.kind < channel->kind_end;
}

int aimp__channel_receive(struct channel *channel, struct frame *frame, const void **payload,
                          struct aimp_error *err)
{
    const void *at;
    uint64_t available;
    struct wire_frame wire;
    if (__builtin_expect(channel->is_corrupt, 0))
        return aimp__channel_corrupt(channel, err, "the channel is corrupt");
    aimp__oneshot_release(&channel->oneshot);
    int rc = aimp__ring_peek(&channel->in, &at, &available);
    if (rc == 0)
        return 0;
    if (rc < 0 || !take_header(channel, at, available, &wire))
        return aimp__channel_corrupt(channel, err, "a frame makes no sense");
    AIMP_FAILPOINT("receive.header");
    *frame = wire.frame;
    switch (wire.where >> WIRE_PLACE_SHIFT) {
    case WIRE_INLINE:
        return receive_inline(channel, &wire, at, available, payload, err);
    case WIRE_ARENA:
        return receive_from_arena(channel, &wire, payload, err);
    case WIRE_ONESHOT:
        return receive_oneshot(channel, &wire, payload, err);
    case WIRE_FD:
        return receive_fd(channel, &wire, at, available, payload, err);
    default:
        return aimp__channel_corrupt(channel, err, "a payload of no known place");
    }
}

int aimp__channel_take_fd(struct channel *channel)
{
    int fd = channel->oneshot.passed_fd;
    channel->oneshot.passed_fd = -1;
    return fd;
}
