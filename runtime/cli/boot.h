/* The Lua state of the executables, made in two steps: what may happen before a fork, then luv.
 *
 *   aimp__boot_open     standard libraries, aimp.core, print, package.path: no loop, no thread
 *   aimp__boot_add_luv  the state's own uv loop: an epoll fd, so after the fork only
 *
 * Before the second step `require "luv"` is an error, so nobody takes up a loop by accident. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_CLI_BOOT_H
#define AIMP_CLI_BOOT_H

#include "base/error.h"

#include <limits.h>
#include <lua.h>
#include <uv.h>

struct lua_boot {
    lua_State *L;
    uv_loop_t loop;        /* luv's; valid after aimp__boot_add_luv */
    char exe[PATH_MAX];    /* this executable */
    char prefix[PATH_MAX]; /* the folder above its bin/ */
};

/* return: 0, AIMP_ENOMEM, AIMP_ESYS. On failure nothing is left. */
int aimp__boot_open(struct lua_boot *boot, struct aimp_error *err);
/* return: 0, AIMP_ESYS */
int aimp__boot_add_luv(struct lua_boot *boot, struct aimp_error *err);
/* True while requests are on their way that threads may be working on: the state must then not
 * be closed, and exit would wait for the threads. */
int aimp__boot_has_requests(const struct lua_boot *boot);

#endif
