/* What the launcher and the template say to each other: fixed structs over a
 * SOCK_SEQPACKET pair, one message a packet, native byte order.
 *
 *   launcher ── HELLO (version, pidfd of the parent) ─────────────► template
 *   launcher ◄─ READY (version), or REFUSED (version) and its end ─ template
 *   launcher ── LAUNCH (four fds of the worker) ──────────────────► template
 *   launcher ◄─ EVENT (FORKED with a pidfd, FAILED, EXITED) ─────── template
 *
 * struct wire_hello never changes, so that any two versions can refuse each other;
 * all else may change with the version. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_WIRE_H
#define AIMP_PROC_WIRE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MAGIC      0x706d6961u /* "aimp" */
#define WIRE_LAUNCH_FDS 4           /* channel, ctl, wake, peer wake: as struct worker_fds */

enum wire_kind {
    WIRE_HELLO = 1,
    WIRE_READY,
    WIRE_REFUSED,
    WIRE_LAUNCH,
    WIRE_EVENT,
};

struct wire_header {
    uint32_t magic;
    uint32_t kind; /* enum wire_kind */
};

/* HELLO, READY, REFUSED */
struct wire_hello {
    struct wire_header header;
    char version[24]; /* AIMP_VERSION, zeros behind */
};

struct wire_launch {
    struct wire_header header;
    uint32_t id;
    uint32_t worker;
    uint32_t is_spawn;
};

/* struct launch_event without its pidfd, which travels as a descriptor */
struct wire_event {
    struct wire_header header;
    uint32_t kind; /* enum launch_event_kind, never LAUNCH_LOST */
    uint32_t id;
    int32_t pid;
    int32_t status;
    int32_t max_rss_kib;
};

union wire_message {
    struct wire_header header;
    struct wire_hello hello;
    struct wire_launch launch;
    struct wire_event event;
};

static_assert(sizeof(struct wire_header) == 8, "wire format");
static_assert(sizeof(struct wire_hello) == 32, "wire format");
static_assert(offsetof(struct wire_hello, version) == 8, "wire format");
static_assert(sizeof(struct wire_launch) == 20, "wire format");
static_assert(sizeof(struct wire_event) == 28, "wire format");

#define WIRE_HEADER(wire_kind) ((struct wire_header){WIRE_MAGIC, (wire_kind)})

/* The size that a message of this kind has; 0: no such kind. */
size_t aimp__wire_size(uint32_t kind);
/* Whether `len` received bytes are a whole message of a known kind. */
int aimp__wire_is_valid(const union wire_message *message, size_t len);
/* A HELLO, READY or REFUSED with our version. */
struct wire_hello aimp__wire_greet(enum wire_kind kind);
int aimp__wire_is_our_version(const struct wire_hello *hello);

#endif
