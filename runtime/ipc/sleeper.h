/* Who sleeps and who rings: the agreement that makes wake-ups neither lost nor
 * needless. One struct sleeper is one side's half.
 *
 * A sleeper announces in its `state` what it sleeps for, then looks once more,
 * then sleeps on its eventfd. The other side makes its change (a frame, room) visible,
 * then looks at `state`. Both touch `state` only by read-modify-write, so one of
 * the two comes later and sees what the other did before: either the sleeper
 * finds the change or the other side finds the sleeper. Whoever clears
 * `state` rings, so a sleeper is rung once. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_IPC_SLEEPER_H
#define AIMP_IPC_SLEEPER_H

#include "ipc/layout.h"

struct sleeper {
    struct sleep_shared *mine;
    struct sleep_shared *peer;
    int peer_wake_fd; /* borrowed; -1: the peer never sleeps */
    bool is_asleep;   /* announced */
    bool has_sent;    /* frames since the last wake */
    bool has_freed;   /* room since the last wake */
    uint32_t wants;   /* SLEEP_FOR_RING, SLEEP_FOR_ARENA: room that a send did not find */
    uint64_t ring_at; /* where the peer's indices must be for that */
    uint64_t arena_at;
    bool is_told; /* room came; told by wake-up, not retried yet */
};

/* A send found no room: what to wait for. */
void aimp__sleeper_want(struct sleeper *sleeper, uint32_t what, uint64_t at);

/* Is there what was wanted, with the peer's indices so far? */
bool aimp__sleeper_has_room(const struct sleeper *sleeper, const struct flow_shared *out);

void aimp__sleeper_announce(struct sleeper *sleeper);
void aimp__sleeper_withdraw(struct sleeper *sleeper);

/* Rings the peer if it sleeps for something that happened since the last call.
 * ring_tail, arena_tail: how far this side has consumed. */
void aimp__sleeper_wake_peer(struct sleeper *sleeper, uint64_t ring_tail, uint64_t arena_tail);

#endif
