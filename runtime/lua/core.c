/* The contract is in core.h. */
/* SPDX-License-Identifier: MIT */
#include "lua/core.h"

#include "os/cpus.h"
#include "os/shm.h"
#include "os/title.h"
#include "proc/pool.h"
#include "proc/port.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define PORT_KEY "aimp.core.port"

static const struct {
    const char *name;
    size_t size;
} shared_structs[] = {
    {"aimp_error", sizeof(struct aimp_error)},
    {"frame", sizeof(struct frame)},
    {"sched_config", sizeof(struct sched_config)},
    {"aimp_pool_config", sizeof(struct aimp_pool_config)},
    {"sched_spec", sizeof(struct sched_spec)},
    {"launch_request", sizeof(struct launch_request)},
    {"launch_event", sizeof(struct launch_event)},
    {"aimp_event", sizeof(struct aimp_event)},
    {"sched_slot_stats", sizeof(struct sched_slot_stats)},
    {"sched_stats", sizeof(struct sched_stats)},
    {"chunker", sizeof(struct chunker)},
    {"aimp_shm", sizeof(struct aimp_shm)},
};

/* ---- the launcher's exported names: launcher.h itself is private to C ---- */

AIMP_API int aimp_launcher_open(struct launcher **out, const char *exe, struct aimp_error *err);
AIMP_API int aimp_launcher_fd(const struct launcher *launcher);
AIMP_API int aimp_launcher_pid(const struct launcher *launcher);
AIMP_API int aimp_launcher_fork(struct launcher *launcher, const struct launch_request *request,
                                struct aimp_error *err);
AIMP_API int aimp_launcher_next(struct launcher *launcher, struct launch_event *event);
AIMP_API const struct aimp_error *aimp_launcher_error(const struct launcher *launcher);
AIMP_API void aimp_launcher_close(struct launcher *launcher);

int aimp_launcher_open(struct launcher **out, const char *exe, struct aimp_error *err)
{
    return aimp__launcher_open(out, exe, err);
}

int aimp_launcher_fd(const struct launcher *launcher)
{
    return aimp__launcher_fd(launcher);
}

int aimp_launcher_pid(const struct launcher *launcher)
{
    return aimp__launcher_pid(launcher);
}

int aimp_launcher_fork(struct launcher *launcher, const struct launch_request *request,
                       struct aimp_error *err)
{
    return aimp__launcher_fork(launcher, request, err);
}

int aimp_launcher_next(struct launcher *launcher, struct launch_event *event)
{
    return aimp__launcher_next(launcher, event);
}

const struct aimp_error *aimp_launcher_error(const struct launcher *launcher)
{
    return aimp__launcher_error(launcher);
}

void aimp_launcher_close(struct launcher *launcher)
{
    aimp__launcher_close(launcher);
}

/* ---- the module ---- */

static int core_cpu_count(lua_State *L)
{
    lua_pushinteger(L, aimp__cpus_usable());
    return 1;
}

static int core_set_title(lua_State *L)
{
    aimp__title_set(luaL_checkstring(L, 1));
    return 0;
}

static int core_port(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, PORT_KEY);
    return 1;
}

void aimp__core_set_port(lua_State *L, struct aimp_port *port)
{
    lua_pushlightuserdata(L, port);
    lua_setfield(L, LUA_REGISTRYINDEX, PORT_KEY);
}

static void push_sizes(lua_State *L)
{
    lua_newtable(L);
    for (size_t i = 0; i < sizeof shared_structs / sizeof shared_structs[0]; i++) {
        lua_pushinteger(L, (lua_Integer)shared_structs[i].size);
        lua_setfield(L, -2, shared_structs[i].name);
    }
}

/* In an executable the FFI finds exported functions by itself. */
static void push_library(lua_State *L)
{
    Dl_info info;
    const char *name = NULL;
    if (dladdr((void *)luaopen_aimp_core, &info) && strstr(info.dli_fname, ".so"))
        name = info.dli_fname;
    if (name)
        lua_pushstring(L, name);
    else
        lua_pushnil(L);
}

int luaopen_aimp_core(lua_State *L)
{
    lua_newtable(L);
    lua_pushliteral(L, AIMP_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushinteger(L, AIMP_FFI_VERSION);
    lua_setfield(L, -2, "ffi_version");
    push_sizes(L);
    lua_setfield(L, -2, "sizes");
    push_library(L);
    lua_setfield(L, -2, "library");
    lua_pushcfunction(L, core_cpu_count);
    lua_setfield(L, -2, "cpu_count");
    lua_pushcfunction(L, core_port);
    lua_setfield(L, -2, "port");
    lua_pushcfunction(L, core_set_title);
    lua_setfield(L, -2, "set_title");
    return 1;
}
