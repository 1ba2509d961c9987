/* What the files of the Lua module aimp.http.core share.
 *
 * The module is the thin edge of the http layer: no options are parsed and no
 * policy is made here (lua/aimp/http does both). Lua runs only from on_ready,
 * under lua_pcall, on a coroutine of the session's own. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_HTTP_LUA_HTTP_H
#define AIMP_HTTP_LUA_HTTP_H

#include "http/multi.h"

#include <lauxlib.h>
#include <lua.h>

/* Register the two metatables; once for each Lua state. */
void aimp__http_lua_session_init(lua_State *L);
void aimp__http_lua_transfer_init(lua_State *L);

/* core.open(id, on_ready, max_connections) → session, or nil and a message.
 * on_ready(id) is called from the loop and must not raise. */
int aimp__http_lua_session_open(lua_State *L);

/* Pushes a new transfer; the caller has a session, so curl runs. */
int aimp__http_lua_transfer_new(lua_State *L, const char *url);

/* The new or running transfer at `index`, or a Lua error. */
struct aimp__http_transfer *aimp__http_lua_transfer_check(lua_State *L, int index);

#endif
