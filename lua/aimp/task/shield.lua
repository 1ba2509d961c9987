-- SPDX-License-Identifier: MIT
--- aimp.shield: a task that follows another one and may be cancelled without it.
local lists = require("aimp.task.list")
local tasks = require("aimp.task")

local M = {}

local PENDING, DONE = tasks.PENDING, tasks.DONE

--- A waiter of the inner task, for the outer one.
local Relay = {}
Relay.__index = Relay

local function resolve(outer, ...)
  outer:_resolve(select("#", ...), ...)
end

function Relay:_child_done(inner)
  local outer = self.outer
  if outer._state ~= PENDING then
    return -- cancelled since this was on its way; the inner task's error is its own again
  elseif inner._state == DONE then
    resolve(outer, inner:result())
  else
    inner:_mark_seen() -- by the outer task, whose error it is now
    outer:_reject(inner._a)
  end
end

-- The outer task is being cancelled, and ends by that at once.
local function leave(outer)
  outer._inner:_remove_waiter(outer._relay)
  return false
end

--- A task that ends as the given one does, but whose cancellation does not reach that: cancelling it, or
--- whoever cancels what they wait for (`aimp.gather`, `aimp.wait_for`, a task group), leaves the given task
--- alone. When the given task is cancelled itself, so is this one. An error that nobody is left to see is
--- reported as for any task.
---
--- Raises nothing but misuse; awaiting the new task raises what the given one does, or CANCELLED.
---
--- Example: `local saved = aimp.wait_for(aimp.shield(saving), 5)`
---@param task aimp.Task  or anything else with an `await`, as a pool's result
---@return aimp.Task
function M.shield(task)
  local inner = lists.one(1, "aimp.shield", task)
  if inner._state ~= PENDING then
    return inner -- cancelling it does nothing any more
  end
  local outer = tasks.new()
  outer._inner, outer._relay, outer._on_cancel = inner, setmetatable({ outer = outer }, Relay), leave
  inner:_add_waiter(outer._relay)
  return outer
end

return M
