--- What the specs of events, locks, semaphores, barriers and counters share.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local assert = require("luassert")
local pool_support = require("spec.pool.support")
local task_support = require("spec.task.support")

local M = {
  failure = pool_support.failure,
  misuse = pool_support.misuse,
  task = task_support.task,
  turns = task_support.turns,
  fake_clock = task_support.fake_clock,
}

--- Starts fn(...) as a task and lets it run until it waits.
---@async
---@return aimp.Task
function M.started(fn, ...)
  local task = aimp.spawn(fn, ...)
  aimp.sleep(0)
  return task
end

--- Each method refuses what is no object of its class, and says how it is called.
---@param object table
---@param noun string  "lock"
---@param methods string[]
function M.assert_needs_self(object, noun, methods)
  for _, method in ipairs(methods) do
    local pattern = ("sync_support%%.lua:%%d+: %s: not an? %s; call it as %s:%s")
      :format(method, noun, noun, method)
    for _, self in ipairs({ {}, "x", 0 }) do
      local ok, message = pcall(function() object[method](self) end)
      assert.is_false(ok)
      assert.matches(pattern, message)
    end
  end
end

--- A wait outside of every task is refused at the line that asked for it.
---@async
---@param pattern string
---@param fn function
function M.assert_needs_task(pattern, fn)
  local message
  aimp.spawn(function() end):on_done(function()
    message = select(2, pcall(fn))
  end)
  M.turns(3)
  assert.matches("_spec%.lua:%d+: " .. pattern, message)
end

return M
