/* The contract is in worker_main.h. */
/* SPDX-License-Identifier: MIT */
#include "lua/worker_main.h"

#include "lua/core.h"
#include "proc/port.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

/* A worker that cannot start says why on stderr: it has no other way yet. */
#define EXIT_CANNOT_START 70 /* EX_SOFTWARE of sysexits.h */

static _Noreturn void fail(uint32_t worker, const char *why)
{
    fprintf(stderr, "aimp: worker %u: %s\n", worker, why ? why : "error object is not a string");
    fflush(NULL);
    _Exit(EXIT_CANNOT_START);
}

static int traceback(lua_State *L)
{
    const char *message = lua_tostring(L, 1);
    if (message)
        luaL_traceback(L, L, message, 1);
    return 1;
}

int aimp__worker_main(lua_State *L, uint32_t worker, const struct worker_fds *fds)
{
    struct aimp_error err = {0};
    struct aimp_port *port = aimp__port_open(fds, &err);
    if (!port)
        fail(worker, err.text);
    aimp__core_set_port(L, port);
    lua_pushcfunction(L, traceback);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "aimp.worker.main");
    if (lua_pcall(L, 1, 1, -3) != 0)
        fail(worker, lua_tostring(L, -1));
    lua_pushinteger(L, (lua_Integer)worker);
    if (lua_pcall(L, 1, 1, -3) != 0)
        fail(worker, lua_tostring(L, -1));
    return (int)lua_tointeger(L, -1); /* the port is used until the process ends */
}
