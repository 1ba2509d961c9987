-- SPDX-License-Identifier: MIT
--- A group: one fiber that waits for many tasks. One object is the waiter of all, no closure per child.
---
--- Its registrations are taken back when the wait ends, so a long-lived task that is waited for again and
--- again does not gather dead waiters.
local fiber = require("aimp.fiber")
local tasks = require("aimp.task")
local timers = require("aimp.timers")

local M = {}

local PENDING, DONE, FAILED = tasks.PENDING, tasks.DONE, tasks.FAILED

-- When the wait is over, beside "all have ended":
M.ALL = "all"             -- never sooner
M.ANY = "any"             -- one has ended
M.FAILURE = "failure"     -- one has failed or was cancelled
M.EXCEPTION = "exception" -- one has failed

---@class aimp.task.Awaited
---@field tasks aimp.Task[]
---@field first_failure aimp.Task|false  the first that failed or was cancelled, in order of time
---@field timed_out boolean
local Group = {}
Group.__index = Group

---@param list aimp.Task[]
---@param mode string
---@return aimp.task.Awaited
function M.new(list, mode)
  local group = setmetatable({
    tasks = list, first_failure = false, timed_out = false,
    _mode = mode, _left = #list, _over = #list == 0, _fiber = false, _slot = false,
  }, Group)
  for i = 1, #list do
    local task = list[i]
    if task._state == PENDING then
      task:_add_waiter(group)
    else
      group:_settled_now(task)
    end
  end
  return group
end

local function is_reason(mode, state)
  return mode == M.ANY or (mode == M.FAILURE and state ~= DONE) or (mode == M.EXCEPTION and state == FAILED)
end

function Group:_wake()
  local f = self._fiber
  if f then
    self._fiber = false
    fiber.wake(f)
  end
end

--- Called by a task at its end.
function Group:_settled_now(task)
  local state = task._state
  self._left = self._left - 1
  if state ~= DONE and not self.first_failure then
    self.first_failure = task
  end
  if self._left == 0 or is_reason(self._mode, state) then
    self._over = true
    self:_wake()
  end
end

--- Called by the timers.
function Group:_on_time()
  self.timed_out = true
  self:_wake()
end

--- Takes all registrations back.
function Group:leave()
  timers.remove(self)
  self._fiber = false
  for _, task in ipairs(self.tasks) do
    if task._state == PENDING then
      task:_remove_waiter(self)
    end
  end
end

local function withdraw(f)
  f.awaits:leave()
  f.awaits = false
end

local function suspend(group, f, seconds)
  if seconds then
    timers.add(group, seconds)
  end
  group._fiber, f.awaits = f, group
  fiber.wait(withdraw, "tasks")
  f.awaits = false
end

--- Waits until it is over or the time is up, whichever is first; then the group is used up.
---@async
---@param f aimp.Fiber  the running one
---@param seconds? number
function Group:wait(f, seconds)
  if not self._over and seconds ~= 0 then
    suspend(self, f, seconds)
  end
  self.timed_out = not self._over
  self:leave()
  fiber.raise_pending(f)
end

function Group:cancel(reason)
  for _, task in ipairs(self.tasks) do
    if task._state == PENDING then
      task:cancel(reason)
    end
  end
end

--- Cancels all and waits for their end.
---@async
---@param f aimp.Fiber
function Group:finish(f, reason)
  self:cancel(reason)
  M.new(self.tasks, M.ALL):wait(f)
end

--- As `wait`; when the waiting fiber is cancelled, so are the tasks, and the error is raised at their end.
---@async
---@param f aimp.Fiber
---@param seconds? number
function Group:own(f, seconds)
  local ok, err = pcall(self.wait, self, f, seconds)
  if not ok then
    self:finish(f, "the waiting task was cancelled")
    error(err, 0)
  end
end

--- Whether a wait would return at once.
---@return boolean
function Group:is_over()
  return self._over
end

---@return aimp.Task?
function Group:first_pending()
  for _, task in ipairs(self.tasks) do
    if task._state == PENDING then
      return task
    end
  end
end

---@return string
function Group:describe()
  return string.format("%d of %d tasks", self._left, #self.tasks)
end

return M
