-- SPDX-License-Identifier: MIT
--- The `os.exit` of aimprun and its workers: from any task, at once, with everything flushed. LuaJIT's own
--- would wait for requests that are still with libuv's threads.
local native = require("aimp.cli.native")

local M = {}

local function status_of(code)
  if code == nil or code == true then
    return 0
  elseif code == false then
    return 1
  end
  return tonumber(code)
end

--- Makes it the global one.
---@param before? fun(status: integer)  called first
function M.install(before)
  -- luacheck: ignore 122
  function os.exit(code, close)
    local status = status_of(code)
    if not status then
      error(("bad argument #1 to 'exit' (number expected, got %s)"):format(type(code)), 2)
    end
    if before then
      before(status)
    end
    native.exit(status, close)
  end
end

return M
