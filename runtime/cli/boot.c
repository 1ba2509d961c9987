/* The contract is in boot.h. */
/* SPDX-License-Identifier: MIT */
#include "cli/boot.h"

#include "cli/embedded.h"
#include "cli/output.h"
#include "lua/callback.h"
#include "lua/core.h"

#include <lauxlib.h>
#include <lualib.h>
#include <luv/luv.h>
#include <string.h>
#include <unistd.h>

static int luv_too_early(lua_State *L)
{
    return luaL_error(L, "luv has no loop before the fork");
}

static void preload(lua_State *L, const char *name, lua_CFunction open)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, open);
    lua_setfield(L, -2, name);
    lua_pop(L, 2);
}

/* package[field] = prefix .. first .. prefix .. second .. package[field] */
static void prepend_path(lua_State *L, const char *field, const char *prefix,
                         const char *const *tails)
{
    luaL_Buffer path;
    lua_getglobal(L, "package");
    luaL_buffinit(L, &path);
    for (; *tails; tails++) {
        luaL_addstring(&path, prefix);
        luaL_addstring(&path, *tails);
    }
    lua_getfield(L, 1, field);
    luaL_addvalue(&path);
    luaL_pushresult(&path);
    lua_setfield(L, 1, field);
    lua_settop(L, 0);
}

/* Protected, since any of it may run out of memory. */
static int open_protected(lua_State *L)
{
    static const char *const lua_tails[] = {"/share/lua/5.1/?.lua;", "/share/lua/5.1/?/init.lua;",
                                            NULL};
    static const char *const c_tails[] = {"/lib/lua/5.1/?.so;", NULL};
    const struct lua_boot *boot = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_pushboolean(L, 1); /* LUA_PATH: lua/aimp/cli/main.lua, which knows about -E */
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    luaL_openlibs(L);
    prepend_path(L, "path", boot->prefix, lua_tails);
    prepend_path(L, "cpath", boot->prefix, c_tails);
    aimp__embedded_preload(L);
    preload(L, "luv", luv_too_early);
    preload(L, "aimp.core", luaopen_aimp_core);
    lua_pushcfunction(L, aimp__output_print);
    lua_setglobal(L, "print");
    return 0;
}

static int add_protected(lua_State *L)
{
    luv_set_loop(L, lua_touserdata(L, 1));
    aimp__callback_install(L);
    preload(L, "luv", luaopen_luv);
    return 0;
}

static int find_self(struct lua_boot *boot, struct aimp_error *err)
{
    ssize_t n = readlink("/proc/self/exe", boot->exe, sizeof boot->exe - 1);
    if (n < 0)
        return aimp__error_errno(err, "/proc/self/exe");
    boot->exe[n] = '\0';
    memcpy(boot->prefix, boot->exe, (size_t)n + 1);
    for (int up = 0; up < 2; up++) { /* the file's name, then bin */
        char *slash = strrchr(boot->prefix, '/');
        if (slash)
            *slash = '\0';
    }
    return 0;
}

static int call(lua_State *L, lua_CFunction fn, void *argument, struct aimp_error *err)
{
    if (lua_cpcall(L, fn, argument) == 0)
        return 0;
    const char *text = lua_tostring(L, -1);
    int code = aimp__error_set(err, AIMP_ENOMEM, "Lua state: %s", text ? text : "unknown error");
    lua_settop(L, 0);
    return code;
}

int aimp__boot_open(struct lua_boot *boot, struct aimp_error *err)
{
    memset(boot, 0, sizeof *boot);
    int code = find_self(boot, err);
    if (code)
        return code;
    boot->L = luaL_newstate();
    if (!boot->L)
        return aimp__error_set(err, AIMP_ENOMEM, "cannot create a Lua state");
    lua_gc(boot->L, LUA_GCSTOP, 0); /* nothing of what is loaded now is garbage */
    code = call(boot->L, open_protected, boot, err);
    lua_gc(boot->L, LUA_GCRESTART, -1);
    if (code) {
        lua_close(boot->L);
        boot->L = NULL;
    }
    return code;
}

int aimp__boot_add_luv(struct lua_boot *boot, struct aimp_error *err)
{
    int status = uv_loop_init(&boot->loop);
    if (status < 0)
        return aimp__error_set(err, AIMP_ESYS, "cannot make a loop: %s", uv_strerror(status));
    return call(boot->L, add_protected, &boot->loop, err);
}

int aimp__boot_has_requests(const struct lua_boot *boot)
{
    return boot->loop.active_reqs.count > 0;
}
