/* aimp.http.core's sessions: a multi handle, and the one call into Lua. */
/* SPDX-License-Identifier: MIT */
#include "http/lua_http.h"

#include <luv/luv.h>
#include <stdio.h>

#define SESSION_CLASS "aimp.http.core.session"

struct lua_session {
    struct aimp__http_multi *multi; /* owned; NULL once closed */
    lua_State *thread;              /* a coroutine that on_ready runs on */
    int thread_ref, on_ready_ref;   /* in the registry while open */
    lua_Integer id;
};

static int traceback(lua_State *L)
{
    const char *message = lua_tostring(L, 1);
    luaL_traceback(L, L, message ? message : "(error object)", 1);
    return 1;
}

/* Called from the loop: an error may neither pass through uv nor be lost. */
static void on_ready(void *data)
{
    struct lua_session *session = data;
    lua_State *L = session->thread;
    lua_pushcfunction(L, traceback);
    lua_rawgeti(L, LUA_REGISTRYINDEX, session->on_ready_ref);
    lua_pushinteger(L, session->id);
    if (lua_pcall(L, 1, 0, 1))
        fprintf(stderr, "aimp.http: error in a callback: %s\n", lua_tostring(L, -1));
    lua_settop(L, 0);
}

static struct lua_session *check_session(lua_State *L)
{
    struct lua_session *session = luaL_checkudata(L, 1, SESSION_CLASS);
    if (!session->multi)
        luaL_error(L, "the session is closed");
    return session;
}

static int push_failure(lua_State *L, const struct aimp_error *err)
{
    lua_pushnil(L);
    lua_pushstring(L, err->text);
    return 2;
}

static void session_close(lua_State *L, struct lua_session *session)
{
    if (!session->multi)
        return;
    aimp__http_multi_close(session->multi);
    session->multi = NULL;
    luaL_unref(L, LUA_REGISTRYINDEX, session->thread_ref);
    luaL_unref(L, LUA_REGISTRYINDEX, session->on_ready_ref);
}

int aimp__http_lua_session_open(lua_State *L)
{
    lua_Integer id = luaL_checkinteger(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    long max_connections = (long)luaL_checkinteger(L, 3);
    uv_loop_t *loop = luv_loop(L);
    if (!loop)
        return luaL_error(L, "aimp.http.core needs luv to be loaded first");
    struct lua_session *session = lua_newuserdata(L, sizeof *session);
    *session = (struct lua_session){.id = id};
    luaL_getmetatable(L, SESSION_CLASS);
    lua_setmetatable(L, -2);
    session->thread = lua_newthread(L);
    session->thread_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, 2);
    session->on_ready_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    struct aimp_error err;
    if (aimp__http_multi_open(&session->multi, loop, max_connections, on_ready, session, &err)) {
        luaL_unref(L, LUA_REGISTRYINDEX, session->thread_ref);
        luaL_unref(L, LUA_REGISTRYINDEX, session->on_ready_ref);
        return push_failure(L, &err);
    }
    return 1;
}

/* session:transfer(url) → transfer */
static int session_transfer(lua_State *L)
{
    check_session(L);
    return aimp__http_lua_transfer_new(L, luaL_checkstring(L, 2));
}

/* session:start(transfer, id) → true, or nil and a message */
static int session_start(lua_State *L)
{
    struct lua_session *session = check_session(L);
    struct aimp__http_transfer *transfer = aimp__http_lua_transfer_check(L, 2);
    luaL_argcheck(L, transfer->state == AIMP__HTTP_NEW, 2, "already started");
    transfer->id = luaL_checkinteger(L, 3);
    struct aimp_error err;
    if (aimp__http_multi_start(session->multi, transfer, &err))
        return push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* session:next() → id and whether it is done, or nothing */
static int session_next(lua_State *L)
{
    struct lua_session *session = check_session(L);
    struct aimp__http_transfer *transfer = aimp__http_multi_next(session->multi);
    if (!transfer)
        return 0;
    lua_pushinteger(L, (lua_Integer)transfer->id);
    lua_pushboolean(L, transfer->state == AIMP__HTTP_DONE);
    return 2;
}

/* session:close(); idempotent, and what a collected session does */
static int session_end(lua_State *L)
{
    session_close(L, luaL_checkudata(L, 1, SESSION_CLASS));
    return 0;
}

void aimp__http_lua_session_init(lua_State *L)
{
    static const luaL_Reg methods[] = {{"transfer", session_transfer}, {"start", session_start},
                                       {"next", session_next},         {"close", session_end},
                                       {"__gc", session_end},          {NULL, NULL}};
    luaL_newmetatable(L, SESSION_CLASS);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_register(L, NULL, methods);
    lua_pop(L, 1);
}
