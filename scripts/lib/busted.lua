-- SPDX-License-Identifier: MIT
--- busted's command line, to be run by aimprun so that specs can wait:
---   aimprun scripts/lib/busted.lua [busted's options] FILE...
--- The options of every run stand in .busted.
---
--- busted gives spec files an environment of their own. A function made there
--- cannot be sent to a worker, so here specs run in the real one, like any script:
--- busted's names are found behind it, and `assert` is a local of each file.

-- The innermost of the nested elements that knows the name: `finally` belongs to
-- one spec, `it` to all.
local function find(context, element, name)
  if not element then
    return nil
  end
  local value = element.env and element.env[name]
  if value ~= nil then
    return value
  end
  return find(context, context.parent(element), name)
end

package.loaded["busted.environment"] = function(context)
  setmetatable(_G, {
    __index = function(_, name)
      return find(context, context.get(), name)
    end,
  })
  local environment = {}
  function environment.wrap(fn)
    return fn
  end
  function environment.set(name, value)
    local element = context.get()
    element.env = element.env or {}
    element.env[name] = value
  end
  return environment
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local files = require("busted.modules.files.lua")
local load_plain = files.load
function files.load(busted, path)
  local chunk, trace = load_plain(busted, path) -- reports what is no Lua
  if chunk then
    chunk = assert(loadstring("local assert = require('luassert') " .. read(path), "@" .. path))
  end
  return chunk, trace
end

-- So that specs may load a module again, busted makes some functions of the FFI remember what
-- they did. Not ffi.typeof: every value that it was given would stay for ever, and "$ *" always
-- be the pointer that it was at first.
local ffi, patch = require("ffi"), require("busted.luajit")
package.loaded["busted.luajit"] = function()
  local typeof = ffi.typeof
  patch()
  ffi.typeof = typeof
end

-- Without a command line of its own busted tells failures by error(nil).
local ok, err = pcall(function()
  require("busted.runner")({ standalone = false })
end)
if not ok then
  if err ~= nil then
    io.stderr:write(tostring(err), "\n")
  end
  os.exit(1, true)
end
