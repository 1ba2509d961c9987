/* aimp.http.core's transfers: settings in, response out. */
/* SPDX-License-Identifier: MIT */
#include "http/lua_http.h"
#include "http/result.h"

#include <uv.h>

#define TRANSFER_CLASS "aimp.http.core.transfer"

int aimp__http_lua_transfer_new(lua_State *L, const char *url)
{
    struct aimp__http_transfer **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, TRANSFER_CLASS);
    lua_setmetatable(L, -2);
    struct aimp_error err;
    if (aimp__http_transfer_new(box, url, &err))
        return luaL_error(L, "%s", err.text);
    return 1;
}

struct aimp__http_transfer *aimp__http_lua_transfer_check(lua_State *L, int index)
{
    struct aimp__http_transfer **box = luaL_checkudata(L, index, TRANSFER_CLASS);
    if (!*box)
        luaL_error(L, "the transfer is closed");
    return *box;
}

static struct aimp__http_transfer *check_new(lua_State *L)
{
    struct aimp__http_transfer *transfer = aimp__http_lua_transfer_check(L, 1);
    if (transfer->state != AIMP__HTTP_NEW)
        luaL_error(L, "the transfer was started");
    return transfer;
}

/* transfer:set_method(name), after set_body */
static int set_method(lua_State *L)
{
    aimp__http_transfer_set_method(check_new(L), luaL_checkstring(L, 2));
    return 0;
}

/* transfer:set_body(text) */
static int set_body(lua_State *L)
{
    size_t length = 0;
    const char *data = luaL_checklstring(L, 2, &length);
    aimp__http_transfer_set_body(check_new(L), data, length);
    return 0;
}

/* transfer:add_header(line) */
static int add_header(lua_State *L)
{
    aimp__http_transfer_add_header(check_new(L), luaL_checkstring(L, 2));
    return 0;
}

/* transfer:set_tls(verify, ca_file or nil) */
static int set_tls(lua_State *L)
{
    const char *ca_file = luaL_optstring(L, 3, NULL);
    aimp__http_transfer_set_tls(check_new(L), lua_toboolean(L, 2), ca_file);
    return 0;
}

/* transfer:set_connect_timeout(ms) */
static int set_connect_timeout(lua_State *L)
{
    aimp__http_transfer_set_connect_timeout(check_new(L), (long)luaL_checkinteger(L, 2));
    return 0;
}

/* transfer:set_max_body(bytes) */
static int set_max_body(lua_State *L)
{
    lua_Number bytes = luaL_checknumber(L, 2);
    luaL_argcheck(L, bytes >= 0 && bytes < 9007199254740992.0, 2, "out of range");
    aimp__http_transfer_set_max_body(check_new(L), (uint64_t)bytes);
    return 0;
}

/* transfer:set_stream() */
static int set_stream(lua_State *L)
{
    aimp__http_transfer_set_stream(check_new(L));
    return 0;
}

/* transfer:set_redirect_muted() */
static int set_redirect_muted(lua_State *L)
{
    aimp__http_transfer_set_redirect_muted(check_new(L));
    return 0;
}

/* transfer:take() → the body so far, since the last take; goes on if paused */
static int take(lua_State *L)
{
    struct aimp__http_transfer *transfer = aimp__http_lua_transfer_check(L, 1);
    lua_pushlstring(L, transfer->body.length ? transfer->body.data : "", transfer->body.length);
    aimp__http_multi_take(transfer);
    return 1;
}

/* transfer:response() → status, head, URL */
static int response(lua_State *L)
{
    struct aimp__http_transfer *transfer = aimp__http_lua_transfer_check(L, 1);
    long status = 0;
    char *url = NULL;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL, &url);
    lua_pushinteger(L, (lua_Integer)status);
    lua_pushlstring(L, transfer->head.length ? transfer->head.data : "", transfer->head.length);
    lua_pushstring(L, url);
    return 3;
}

static const char *limit_name(enum aimp__http_limit limit)
{
    static const char *const names[] = {
        [AIMP__HTTP_LIMIT_BODY] = "body",
        [AIMP__HTTP_LIMIT_HEAD] = "head",
        [AIMP__HTTP_LIMIT_REDIRECT] = "redirect",
        [AIMP__HTTP_LIMIT_MEMORY] = "memory",
    };
    return names[limit];
}

/* transfer:failure() → nothing when it went well, else the code's name, its
 * text, curl's detail, the system's text or nil, the limit or nil */
static int failure(lua_State *L)
{
    struct aimp__http_transfer *transfer = aimp__http_lua_transfer_check(L, 1);
    if (aimp__http_transfer_is_ok(transfer))
        return 0;
    long os_errno = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
    lua_pushstring(L, aimp__http_result_name(transfer->code));
    lua_pushstring(L, curl_easy_strerror(transfer->code));
    lua_pushstring(L, transfer->detail);
    lua_pushstring(L, os_errno ? uv_strerror(-(int)os_errno) : NULL);
    lua_pushstring(L, limit_name(transfer->limit));
    return 5;
}

/* transfer:close(); idempotent, ends it if it runs, and what a collected one does */
static int transfer_close(lua_State *L)
{
    struct aimp__http_transfer **box = luaL_checkudata(L, 1, TRANSFER_CLASS);
    if (!*box)
        return 0;
    aimp__http_multi_drop(*box);
    aimp__http_transfer_free(*box);
    *box = NULL;
    return 0;
}

void aimp__http_lua_transfer_init(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"set_method", set_method},
        {"set_body", set_body},
        {"add_header", add_header},
        {"set_tls", set_tls},
        {"set_connect_timeout", set_connect_timeout},
        {"set_max_body", set_max_body},
        {"set_stream", set_stream},
        {"set_redirect_muted", set_redirect_muted},
        {"take", take},
        {"response", response},
        {"failure", failure},
        {"close", transfer_close},
        {"__gc", transfer_close},
        {NULL, NULL},
    };
    luaL_newmetatable(L, TRANSFER_CLASS);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_register(L, NULL, methods);
    lua_pop(L, 1);
}
