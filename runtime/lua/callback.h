/* How luv calls Lua in the states that aimp makes itself.
 *
 * luv's own way ends the process with status 255 when a callback raises. Here the error,
 * with a traceback, goes to a Lua function, and the loop goes on. In a host's state luv's
 * setting is the host's and is never touched. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_LUA_CALLBACK_H
#define AIMP_LUA_CALLBACK_H

#include <lua.h>

/* Before luaopen_luv, in a state of our own. Where luv has a callback routine already it is kept.
 * return: 1 installed, 0 kept */
int aimp__callback_install(lua_State *L);

/* Takes the function at the top of the stack as the one that is told of errors:
 * called as report(err, traceback) outside the failed callback, protected. Without one, and
 * when it raises, the error goes to stderr. */
void aimp__callback_set_report(lua_State *L);

#endif
