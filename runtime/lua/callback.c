/* The contract is in callback.h. */
/* SPDX-License-Identifier: MIT */
#include "lua/callback.h"

#include <lauxlib.h>
#include <luv/luv.h>
#include <stdio.h>

/* Its address is the key of the report function in the registry. */
static const char report_key;

/* Message handler: {error value, traceback}. A table, since the value itself may be anything. */
static int with_traceback(lua_State *L)
{
    lua_settop(L, 1);
    lua_createtable(L, 2, 0);
    lua_insert(L, 1);
    lua_rawseti(L, 1, 1);
    luaL_traceback(L, L, NULL, 1);
    lua_rawseti(L, 1, 2);
    return 1;
}

static void print_error(lua_State *L, int index)
{
    const char *text = lua_tostring(L, index);
    fprintf(stderr, "aimp: error in a luv callback: %s\n",
            text ? text : "(error object is not a string)");
    fflush(stderr);
}

/* Pushes the error value and its traceback; a bare value when the handler itself failed. */
static void unpack_error(lua_State *L)
{
    if (!lua_istable(L, -1)) {
        lua_pushnil(L);
        return;
    }
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    lua_remove(L, -3);
}

/* Pops what lua_pcall left. */
static void report_error(lua_State *L)
{
    int top = lua_gettop(L) - 1;
    unpack_error(L);
    lua_pushlightuserdata(L, (void *)&report_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (lua_isfunction(L, -1)) {
        lua_pushvalue(L, top + 1);
        lua_pushvalue(L, top + 2);
        if (lua_pcall(L, 2, 0, 0) != 0)
            print_error(L, top + 1);
    } else {
        print_error(L, top + 1);
    }
    lua_settop(L, top);
}

static int protected_call(lua_State *L, int nargs, int nresults, int flags)
{
    int base = lua_gettop(L) - nargs; /* the function; the handler goes below it */
    lua_pushcfunction(L, with_traceback);
    lua_insert(L, base);
    int status = lua_pcall(L, nargs, nresults, base);
    lua_remove(L, base);
    if (status == 0)
        return nresults == LUA_MULTRET ? lua_gettop(L) - base + 1 : nresults;
    if (flags & LUVF_CALLBACK_NOERRMSG)
        lua_pop(L, 1);
    else
        report_error(L);
    return -status;
}

int aimp__callback_install(lua_State *L)
{
    if (luv_context(L)->cb_pcall)
        return 0;
    luv_set_callback(L, protected_call);
    return 1;
}

void aimp__callback_set_report(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&report_key);
    lua_insert(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}
