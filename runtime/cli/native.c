/* The contract is in native.h. */
/* SPDX-License-Identifier: MIT */
#include "cli/native.h"

#include "cli/output.h"
#include "cli/signals.h"
#include "lua/callback.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <unistd.h>

#define BEFORE_EXIT_KEY "aimp.cli.before_exit"

static struct lua_boot *home(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static int native_signal_fd(lua_State *L)
{
    lua_pushinteger(L, aimp__signals_fd());
    return 1;
}

static int native_signal(lua_State *L)
{
    lua_pushinteger(L, aimp__signals_first());
    return 1;
}

static int native_deadline(lua_State *L)
{
    aimp__signals_deadline((int)luaL_checkinteger(L, 1), (unsigned)luaL_checkinteger(L, 2));
    return 0;
}

static int native_on_callback_error(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    aimp__callback_set_report(L);
    return 0;
}

static int native_is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

static int native_before_exit(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, BEFORE_EXIT_KEY);
    return 0;
}

static int os_exit(lua_State *L)
{
    int status = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : luaL_optint(L, 1, EXIT_SUCCESS);
    int is_closing = lua_toboolean(L, 2);
    lua_getfield(L, LUA_REGISTRYINDEX, BEFORE_EXIT_KEY);
    if (lua_isfunction(L, -1)) {
        lua_pushinteger(L, status);
        lua_call(L, 1, 0);
    }
    aimp__native_exit(home(L), status, is_closing);
}

/* table[name] = function, for the table at the top */
static void set_function(lua_State *L, struct lua_boot *boot, const char *name, lua_CFunction fn)
{
    lua_pushlightuserdata(L, boot);
    lua_pushcclosure(L, fn, 1);
    lua_setfield(L, -2, name);
}

static int open_native(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"signal_fd", native_signal_fd},
        {"signal", native_signal},
        {"deadline", native_deadline},
        {"on_callback_error", native_on_callback_error},
        {"is_terminal", native_is_terminal},
        {"before_exit", native_before_exit},
        {NULL, NULL},
    };
    lua_newtable(L);
    for (const luaL_Reg *reg = functions; reg->name; reg++)
        set_function(L, home(L), reg->name, reg->func);
    lua_pushstring(L, home(L)->exe);
    lua_setfield(L, -2, "exe");
    lua_pushliteral(L, AIMP_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}

void aimp__native_install(struct lua_boot *boot)
{
    lua_State *L = boot->L;
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    set_function(L, boot, "aimp.cli.native", open_native);
    lua_getglobal(L, "os");
    set_function(L, boot, "exit", os_exit);
    lua_pop(L, 3);
}

_Noreturn void aimp__native_exit(struct lua_boot *boot, int status, int is_closing)
{
    int is_busy = aimp__boot_has_requests(boot);
    if (is_closing && !is_busy)
        lua_close(boot->L);
    status = aimp__output_finish(status);
    if (is_busy)
        _exit(status); /* exit would join threads that may wait for ever */
    exit(status);
}
