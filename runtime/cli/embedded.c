/* The contract is in embedded.h. */
/* SPDX-License-Identifier: MIT */
#include "cli/embedded.h"

#include <lauxlib.h>

/* package.preload[name](name): upvalue 1 is the module. */
static int load_module(lua_State *L)
{
    const struct embedded_module *module = lua_touserdata(L, lua_upvalueindex(1));
    if (luaL_loadbuffer(L, (const char *)module->code, module->size, module->chunk) != 0)
        return lua_error(L);
    lua_pushstring(L, module->name);
    lua_call(L, 1, 1);
    return 1;
}

static int list_early(lua_State *L)
{
    int count = 0;
    lua_newtable(L);
    for (const struct embedded_module *module = aimp__embedded_modules; module->name; module++) {
        if (!module->is_early)
            continue;
        lua_pushstring(L, module->name);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

void aimp__embedded_preload(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    for (const struct embedded_module *module = aimp__embedded_modules; module->name; module++) {
        lua_pushlightuserdata(L, (void *)module);
        lua_pushcclosure(L, load_module, 1);
        lua_setfield(L, -2, module->name);
    }
    lua_pushcfunction(L, list_early);
    lua_setfield(L, -2, "aimp.cli.early");
    lua_pop(L, 2);
}
