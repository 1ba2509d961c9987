--- Whether a loop still goes over an object.
---
--- A `for` loop that is left by `break` or an error tells nobody. But it keeps what it calls in a hidden
--- local variable, which the coroutine's stack has as long as the loop runs, and no longer.
-- SPDX-License-Identifier: MIT
local M = {}

-- A stack that is deeper is not looked through; what is further down is taken to be there.
local LEVELS_MAX = 1000

-- One function: a level counts from the function that asks, if that runs in the same coroutine.
local function stack_has(thread, object, also_self)
  for level = 0, LEVELS_MAX do
    if not debug.getinfo(thread, level, "l") then
      return false
    end
    local i, name, value = 1, debug.getlocal(thread, level, 1)
    while name do
      if rawequal(value, object) and (name == "(for generator)" or also_self and name == "self") then
        return true
      end
      i = i + 1
      name, value = debug.getlocal(thread, level, i)
    end
  end
  return true
end

--- Whether a `for` loop of the coroutine calls the object.
---@param thread thread
---@param object table
---@return boolean
function M.is_looping(thread, object)
  return coroutine.status(thread) ~= "dead" and stack_has(thread, object, false)
end

--- The same, or one of the object's methods is being called.
---@param thread thread
---@param object table
---@return boolean
function M.is_used(thread, object)
  return coroutine.status(thread) ~= "dead" and stack_has(thread, object, true)
end

return M
