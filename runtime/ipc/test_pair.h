/* For the tests of this layer: both sides of a channel in one process, and
 * payloads whose bytes tell which one they are. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_IPC_TEST_PAIR_H
#define AIMP_IPC_TEST_PAIR_H

#include "ipc/channel.h"
#include "os/fdpass.h"
#include "os/wake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

struct pair {
    int ctl[2];  /* by side */
    int wake[2]; /* the eventfd that the side sleeps on */
    struct channel *end[2];
};

static inline void pair_attach(struct pair *pair)
{
    assert_int_equal(aimp__channel_attach(&pair->end[CHANNEL_WORKER],
                                          aimp__channel_memfd(pair->end[CHANNEL_PARENT]),
                                          pair->ctl[CHANNEL_WORKER], pair->wake[CHANNEL_WORKER],
                                          pair->wake[CHANNEL_PARENT], NULL),
                     0);
}

/* The parent's side only; the worker's, in this process or another, by pair_attach. */
static inline void pair_create(struct pair *pair, size_t ring_bytes, size_t arena_bytes,
                               uint32_t cells)
{
    struct channel_sizes sizes = {ring_bytes, arena_bytes, cells};
    assert_int_equal(aimp__fdpass_pair(pair->ctl, NULL), 0);
    for (int side = 0; side < 2; side++) {
        pair->wake[side] = aimp__wake_open(NULL);
        pair->end[side] = NULL;
    }
    assert_int_equal(aimp__channel_create(&pair->end[CHANNEL_PARENT], &sizes,
                                          pair->ctl[CHANNEL_PARENT], pair->wake[CHANNEL_PARENT],
                                          pair->wake[CHANNEL_WORKER], NULL),
                     0);
}

static inline void pair_open(struct pair *pair, size_t ring_bytes, size_t arena_bytes,
                             uint32_t cells)
{
    pair_create(pair, ring_bytes, arena_bytes, cells);
    pair_attach(pair);
}

static inline void pair_close(struct pair *pair)
{
    for (int side = 0; side < 2; side++) {
        aimp__channel_free(pair->end[side]);
        close(pair->ctl[side]);
        close(pair->wake[side]);
    }
}

/* A kind that `side` may send. */
static inline uint32_t kind_from(enum channel_side side)
{
    return side == CHANNEL_PARENT ? FRAME_CALL : FRAME_RESULT;
}

static inline uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 33;
    return x * 0xc4ceb9fe1a85ec53u;
}

/* Byte i of payload number `seed`: eight at a time, as the tests move gigabytes. */
static inline void fill(uint8_t *data, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = mix(seed << 32 | i);
        memcpy(data + i, &word, len - i < 8 ? len - i : 8);
    }
}

static inline bool is_filled(const uint8_t *data, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = mix(seed << 32 | i);
        if (memcmp(data + i, &word, len - i < 8 ? len - i : 8) != 0)
            return false;
    }
    return true;
}

/* Sends frame number `seed` with `len` bytes that belong to it. */
static inline int send_numbered(struct channel *channel, enum channel_side side, uint32_t seed,
                                size_t len, struct aimp_error *err)
{
    uint8_t *data = malloc(len + 1);
    fill(data, len, seed);
    struct frame frame = {
        .kind = kind_from(side), .first = seed, .fn = ~seed, .aux = mix(seed), .len = len};
    int rc = aimp__channel_send(channel, &frame, data, err);
    free(data);
    return rc;
}

/* Is this frame number `seed` of `len` bytes, whole? */
static inline bool is_numbered(const struct frame *frame, const void *payload, uint32_t seed,
                               size_t len)
{
    return frame->first == seed && frame->fn == ~seed && frame->aux == mix(seed) &&
           frame->len == len && is_filled(payload, len, seed);
}

static inline void expect_numbered(struct channel *channel, uint32_t seed, size_t len)
{
    struct frame frame;
    const void *payload = NULL;
    assert_int_equal(aimp__channel_receive(channel, &frame, &payload, NULL), 1);
    assert_non_null(payload);
    assert_true(is_numbered(&frame, payload, seed, len));
}

static inline void expect_nothing(struct channel *channel)
{
    struct frame frame;
    const void *payload;
    assert_int_equal(aimp__channel_receive(channel, &frame, &payload, NULL), 0);
}

#endif
