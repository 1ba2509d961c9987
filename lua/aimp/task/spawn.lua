-- SPDX-License-Identifier: MIT
--- Spawned tasks: a function that runs in a fiber, which is taken when the task starts and used again after.
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local tasks = require("aimp.task")

local M = {}

local Task, PENDING = tasks.Task, tasks.PENDING
local park, enter = fiber.park, fiber.enter

local FREE_MAX = 1024 -- parked fibers kept for the next tasks

local free, free_count = {}, 0

-- Tasks that have not ended, the truth about who must be cancelled at the end; live[task._slot] == task.
local live, live_count = {}, 0

local function enlist(task)
  live_count = live_count + 1
  live[live_count] = task
  task._slot = live_count
end

local function delist(task)
  local slot, last = task._slot, live[live_count]
  if not slot then
    return -- it had been given up
  end
  live[slot], last._slot = last, slot
  live[live_count] = nil
  live_count = live_count - 1
  task._slot = false
end

local function call(task)
  local fn, n, a = task._fn, task._n, task._a
  task._a = nil -- the arguments are the function's now
  if n == 0 then
    return fn()
  elseif n == 1 then
    return fn(a)
  end
  return fn(unpack(a, 1, n))
end

local function finish(task, ...)
  delist(task)
  task:_resolve(select("#", ...), ...)
end

local function body(task)
  while true do
    finish(task, call(task))
    task = nil -- luacheck: ignore  (a parked fiber must not keep it)
    task = park()
  end
end

--- The stack where it was raised; what `aimp.with` raised again knows an older one.
local function traceback_of(f, err)
  local raised = f.raised
  if raised and rawequal(raised.value, err) then
    return raised.traceback
  end
  return debug.traceback(f.co)
end

local function fail(f, err)
  local task = f.task
  f.task = false
  delist(task)
  task:_reject(errors.wrap(err, traceback_of(f, err)))
end

local function on_stop(f, how, err)
  if how == "park" then
    f.task, f.raised = false, false
    if free_count < FREE_MAX then
      free_count = free_count + 1
      free[free_count] = f
    end
  elseif how == "error" then
    fail(f, err)
  end
end

local function take_fiber()
  if free_count > 0 then
    local f = free[free_count]
    free[free_count] = nil
    free_count = free_count - 1
    return f
  end
  local f = fiber.new(body)
  f.on_stop, f.task, f.awaits, f.raised = on_stop, false, false, false
  return f
end

--- Called by the ready queue: the start.
function Task:_go()
  if self._state == PENDING then
    local f = take_fiber()
    self._fiber, f.task = f, self
    enter(f, self)
  end
end

--- A task that is cancelled before its start has no fiber and ends at once.
local function forget_unstarted(task)
  delist(task)
  return false
end

--- Starts fn(...) as a task. It runs first when the caller waits, so nothing of it has happened when this
--- returns.
---
--- Raises nothing but misuse; what fn raises is the task's error.
---
--- Example:
---     local first = aimp.spawn(fetch, "https://example.org/1")
---     local second = aimp.spawn(fetch, "https://example.org/2")
---     print(first:await(), second:await())
---@param fn function  may wait
---@param ... any      its arguments
---@return aimp.Task
function M.spawn(fn, ...)
  if type(fn) ~= "function" then
    check.arg(1, "aimp.spawn", 1, fn, "callable")
  end
  local n, a = select("#", ...), ...
  if n > 1 then
    a = { ... }
  end
  local task = setmetatable({
    _state = PENDING, _n = n, _a = a, _fn = fn, _fiber = false, _w1 = false, _slot = false,
    _on_cancel = forget_unstarted,
  }, Task)
  enlist(task)
  fiber.defer(task)
  return task
end

--- The task that runs now: under aimprun the main one, or one that was spawned. nil in a callback, and in a
--- pool's worker, where what runs is no Task of that process.
---
--- Raises nothing.
---
--- Example: `local me = aimp.current()`
---@return aimp.Task?
function M.current()
  local f = fiber.current()
  return f and f.task or nil
end

--- Those that have not ended, in no particular order.
---@return aimp.Task[]
function M.live()
  local list = {}
  for i = 1, live_count do
    list[i] = live[i]
  end
  return list
end

---@return integer
function M.live_count()
  return live_count
end

--- Gives up tasks that did not end: they are no longer among the live ones.
---@param list aimp.Task[]
function M.abandon(list)
  for _, task in ipairs(list) do
    if task._slot then
      delist(task)
    end
  end
end

return M
