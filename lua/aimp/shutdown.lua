-- SPDX-License-Identifier: MIT
--- What is to be undone before the process ends: pools end their workers here.
---
--- aimprun calls `run` at the end of the script, at os.exit and after Ctrl-C. In another host its owner may;
--- nothing here hooks into the host.
local errors = require("aimp.errors")

local M = {}

---@alias aimp.ShutdownHook fun()  must not wait for tasks nor run the loop, and be quick

local hooks = {} ---@type aimp.ShutdownHook[]

--- Told of an error in a hook.
---@param err any
function M.on_error(err)
  io.stderr:write("aimp: error at shutdown: ", errors.describe(err), "\n")
end

--- Has fn called at the end, once; later ones first. Again for the same fn does nothing.
---@param fn aimp.ShutdownHook
---@return aimp.ShutdownHook fn  for `off`
function M.on(fn)
  M.off(fn)
  hooks[#hooks + 1] = fn
  return fn
end

---@param fn aimp.ShutdownHook
function M.off(fn)
  for i = #hooks, 1, -1 do
    if hooks[i] == fn then
      table.remove(hooks, i)
    end
  end
end

--- Calls all hooks. Each is forgotten before it is called, so calling this again, in a hook too, is harmless.
function M.run()
  while #hooks > 0 do
    local ok, err = xpcall(table.remove(hooks), errors.handler)
    if not ok then
      pcall(M.on_error, err)
    end
  end
end

---@return integer
function M.count()
  return #hooks
end

return M
