--- Compiles aimp's Lua modules into a C file, which aimprun is linked with: a process then starts
--- without reading and compiling them. Run by the build (runtime/cli/CMakeLists.txt) with luajit:
---
---   luajit embed.lua LUA_DIR OUTPUT.c FILE...      the files' paths are relative to LUA_DIR
---
--- The bytecode is of the luajit that runs this, which is of the same package as the library.
-- SPDX-License-Identifier: MIT
local lua_dir, output = arg[1], arg[2]

package.path = lua_dir .. "/?.lua;" .. lua_dir .. "/?/init.lua"
local plan = dofile(lua_dir .. "/aimp/cli/preload.lua").plan()

local BYTES_A_LINE = 24

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function write_bytes(out, bytes)
  for first = 1, #bytes, BYTES_A_LINE do
    local line = bytes:sub(first, first + BYTES_A_LINE - 1):gsub(".", function(byte)
      return byte:byte() .. ","
    end)
    out:write(line, "\n")
  end
end

-- The module's code, unstripped: errors and tracebacks name "builtin:aimp/…".
local function compile(file)
  return string.dump(assert(loadstring(read(lua_dir .. "/" .. file), "@builtin:" .. file)))
end

local out = assert(io.open(output, "wb"))
out:write('/* Made by scripts/lib/embed.lua. */\n#include "cli/embedded.h"\n')
local rows = {}
for i = 3, #arg do
  local file = arg[i]
  local name = file:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
  local code = compile(file)
  out:write(("static const unsigned char code_%d[] = {\n"):format(i))
  write_bytes(out, code)
  out:write("};\n")
  local is_early = plan[name] ~= nil and not plan[name].needs_luv
  rows[#rows + 1] = ('    {"%s", "@builtin:%s", code_%d, sizeof code_%d, %d},\n'):format(name, file, i, i,
    is_early and 1 or 0)
end
out:write("const struct embedded_module aimp__embedded_modules[] = {\n", table.concat(rows), "    {0},\n};\n")
out:close()
