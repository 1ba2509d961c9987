/* The start of a worker process, after the template's fork (or exec). */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_LUA_WORKER_MAIN_H
#define AIMP_LUA_WORKER_MAIN_H

#include "proc/launcher.h"

#include <lua.h>

/* Attaches to the channel and runs lua/aimp/worker/main.lua in `L`, a state with
 * the standard libraries, luv (with its own loop) and aimp.core in place.
 * Returns the exit status when the worker is to end in order; ends the process when it cannot
 * start. */
int aimp__worker_main(lua_State *L, uint32_t worker, const struct worker_fds *fds);

#endif
