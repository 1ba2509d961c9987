/* The Lua module aimp.http.core: luaopen. */
/* SPDX-License-Identifier: MIT */
#include "http/lua_http.h"

__attribute__((visibility("default"))) int luaopen_aimp_http_core(lua_State *L);

int luaopen_aimp_http_core(lua_State *L)
{
    aimp__http_lua_session_init(L);
    aimp__http_lua_transfer_init(L);
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, aimp__http_lua_session_open);
    lua_setfield(L, -2, "open");
    lua_pushliteral(L, AIMP_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushstring(L, curl_version_info(CURLVERSION_NOW)->version);
    lua_setfield(L, -2, "curl_version");
    return 1;
}
