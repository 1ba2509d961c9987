/* The Lua module aimp.http.core: luaopen. */
/* SPDX-License-Identifier: MIT */
#include "http/lua_http.h"

__attribute__((visibility("default"))) int luaopen_aimp_http_core(lua_State *L);

/* core.resolve(base, reference) → the absolute URL that a page at base means by
 * the reference, whatever its scheme; nil when that is none */
static int resolve(lua_State *L)
{
    const char *base = luaL_checkstring(L, 1);
    const char *reference = luaL_checkstring(L, 2);
    CURLU *parts = curl_url();
    char *url = NULL;
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, base, 0);
    if (!code)
        code = curl_url_set(parts, CURLUPART_URL, reference,
                            CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE);
    if (!code)
        (void)curl_url_get(parts, CURLUPART_URL, &url, 0);
    curl_url_cleanup(parts);
    lua_pushstring(L, url); /* nil for NULL; out of memory here loses the copy */
    curl_free(url);
    return 1;
}

int luaopen_aimp_http_core(lua_State *L)
{
    aimp__http_lua_session_init(L);
    aimp__http_lua_transfer_init(L);
    lua_createtable(L, 0, 4);
    lua_pushcfunction(L, resolve);
    lua_setfield(L, -2, "resolve");
    lua_pushcfunction(L, aimp__http_lua_session_open);
    lua_setfield(L, -2, "open");
    lua_pushliteral(L, AIMP_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushstring(L, curl_version_info(CURLVERSION_NOW)->version);
    lua_setfield(L, -2, "curl_version");
    return 1;
}
