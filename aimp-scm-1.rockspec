-- SPDX-License-Identifier: MIT
-- The rock of aimp: aimprun, its Lua modules and the C module of aimp.http. In a clone, `luarocks make`
-- builds and installs it. aimprun finds the modules of the tree that it is in, other rocks included.
rockspec_format = "3.0"
package = "aimp"
version = "scm-1"

-- The folder that `luarocks make` runs in. aimp is not on luarocks.org; who publishes it says where it is.
source = { url = "file://." }

description = {
  summary = "async multiprocess runtime for Lua scripts",
  detailed = [[
aimprun runs a Lua script on an event loop (LuaJIT, libuv) and spreads its work over worker processes.
Needs Linux and the development files of LuaJIT 2.1, libuv, luv (built as a library) and libcurl, which
CMake looks for.]],
  license = "MIT",
  labels = { "async", "multiprocess", "coroutine", "http" },
}

supported_platforms = { "linux" }

-- LuaJIT's Lua. luv is no rock here: aimprun is linked with it, and the modules run in aimprun. JSON bodies of
-- aimp.http need cjson, the system's or the rock lua-cjson; nothing else does.
dependencies = { "lua == 5.1" }

build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    AIMP_LUA_DIR = "$(LUADIR)",
    AIMP_MODULE_DIR = "$(LIBDIR)",
    AIMP_DOC_DIR = "doc",
    AIMP_TESTS = "OFF",
  },
}
