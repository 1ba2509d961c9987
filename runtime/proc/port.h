/* The worker's side of its channel, as the executor (lua/aimp/worker) sees it.
 *
 * Exported for the FFI: every function here is a small leaf that LuaJIT can call
 * from compiled code; none waits, none calls Lua. The declarations are repeated
 * in lua/aimp/ffi.lua, which checks AIMP_FFI_VERSION and the struct sizes. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_PROC_PORT_H
#define AIMP_PROC_PORT_H

#include "aimp_api.h"
#include "base/error.h"
#include "ipc/channel.h"
#include "proc/launcher.h"

struct aimp_port;

/* Attaches to the channel whose fds the worker inherited (they stay open, owned by
 * the process). NULL: err says why. */
struct aimp_port *aimp__port_open(const struct worker_fds *fds, struct aimp_error *err);
void aimp__port_close(struct aimp_port *port);

/* The fd that becomes readable when the parent rings; drain after waking. */
AIMP_API int aimp_port_wake_fd(const struct aimp_port *port);
/* Becomes readable when the parent is gone. */
AIMP_API int aimp_port_hangup_fd(const struct aimp_port *port);
AIMP_API void aimp_port_drain_wake(struct aimp_port *port);

/* Next frame from the parent; *payload lives until the next receive.
 * return: 1, 0 nothing, or a negative code: the channel is unusable. */
AIMP_API int aimp_port_receive(struct aimp_port *port, struct frame *frame, const void **payload);
/* The descriptor that came with the last frame: the caller's, -1: none; see aimp__channel_take_fd.
 */
AIMP_API int aimp_port_take_fd(struct aimp_port *port);
AIMP_API int aimp_port_has_input(const struct aimp_port *port);

/* Claims at most max items of the unit; see aimp__cell_claim. */
AIMP_API uint32_t aimp_port_claim(struct aimp_port *port, uint32_t cell, uint32_t generation,
                                  uint32_t max, uint32_t *item);
/* Marks the item as started. */
AIMP_API void aimp_port_progress(struct aimp_port *port, uint32_t cell, uint32_t item);

/* Sends a frame to the parent, or keeps it until there is room; never waits.
 * return: 0 or a negative code: the channel is unusable. */
AIMP_API int aimp_port_send(struct aimp_port *port, const struct frame *frame, const void *payload);
/* True while frames wait for room: take on no new work then. */
AIMP_API int aimp_port_is_congested(const struct aimp_port *port);
/* Sends what waits and wakes the parent if it sleeps. Once a batch. */
AIMP_API int aimp_port_flush(struct aimp_port *port);

AIMP_API int aimp_port_sleep_begin(struct aimp_port *port); /* 1: sleep now; 0: input came */
AIMP_API void aimp_port_sleep_end(struct aimp_port *port);
/* Spins a bounded, adaptive time for input. 1: there is some. */
AIMP_API int aimp_port_spin(struct aimp_port *port);

AIMP_API uint64_t aimp_clock_ns(void);

#endif
