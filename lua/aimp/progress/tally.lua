--- How many of some tasks have ended, whoever awaits them.
-- SPDX-License-Identifier: MIT
local M = {}

---@class aimp.progress.Tally  a waiter of its tasks, see task/waiters.lua
local Tally = {}
Tally.__index = Tally

--- Called by a task at its end.
function Tally:_settled_now()
  self.ended = self.ended + 1
end

---@param list aimp.Task[]
---@return fun(): integer, integer  the number of those that have ended, and of all
function M.of(list)
  local tally = setmetatable({ ended = 0 }, Tally)
  for _, task in ipairs(list) do
    if task:done() then
      tally:_settled_now()
    else
      task:_add_waiter(tally)
    end
  end
  return function()
    return tally.ended, #list
  end
end

return M
