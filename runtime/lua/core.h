/* The C module "aimp.core": what the Lua side needs to know about the C core.
 *
 * Linked into aimprun (package.preload) and, for other hosts, built as
 * aimp/core.so. The hot functions are not here: Lua reaches them through the FFI
 * (lua/aimp/ffi.lua). */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_LUA_CORE_H
#define AIMP_LUA_CORE_H

#include "aimp_api.h"
#include "proc/launcher.h"

#include <lua.h>

/* Gives a table: version, ffi_version, sizes (struct name -> bytes), library (path of
 * the shared library that holds the FFI functions, nil when they are in the executable),
 * cpu_count(), port() (the worker's struct aimp_port*, or nil), set_title(text) (os/title.h; for
 * workers). */
AIMP_API int luaopen_aimp_core(lua_State *L);

/* Makes this process's worker port known to aimp.core.port(). */
struct aimp_port;
void aimp__core_set_port(lua_State *L, struct aimp_port *port);

#endif
