-- SPDX-License-Identifier: MIT
--- Waiting for several tasks: gather, wait, as_completed, wait_for, timeout.
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local groups = require("aimp.task.group")
local lists = require("aimp.task.list")
local spawn = require("aimp.task.spawn")
local tasks = require("aimp.task")

local M = {}

local PENDING, DONE, CANCELLED = tasks.PENDING, tasks.DONE, tasks.CANCELLED

--- What can be waited for: a task, or anything else that has a method `await`, such as a pool's result, for
--- which a task is made.
---@alias aimp.Awaitable aimp.Task|aimp.PoolResult|aimp.Process|{ await: fun(self: table): ... }

---@class aimp.GatherOptions
---@field return_exceptions? boolean  error objects take their place among the results; default false
local gather_options = {
  return_exceptions = { type = "boolean", default = false },
}

---@class aimp.WaitOptions
---@field timeout? number  seconds; when they are over, wait returns and cancels nothing; default: none
---@field return_when? "ALL_COMPLETED"|"FIRST_COMPLETED"|"FIRST_EXCEPTION"  all have ended; one has; one has
---  failed, or all have ended; default "ALL_COMPLETED"
local wait_options = {
  timeout = { type = "seconds" },
  return_when = {
    choices = { "ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION" },
    default = "ALL_COMPLETED",
  },
}

local modes = {
  ALL_COMPLETED = groups.ALL,
  FIRST_COMPLETED = groups.ANY,
  FIRST_EXCEPTION = groups.EXCEPTION,
}

local function first_result(task)
  if task._n > 1 then
    return task._a[1]
  end
  return task._a
end

--- The first failure is raised; nobody will look at those that came with it.
local function abort(group)
  group:cancel("another task of the gather failed")
  for _, task in ipairs(group.tasks) do
    task:_mark_seen()
  end
  group.first_failure:_outcome(3)
end

local function outcomes(list)
  local results = {}
  for i = 1, #list do
    local task = list[i]
    if task._state == DONE then
      results[i] = first_result(task)
    else
      results[i] = task:_awaited_error(3)
    end
  end
  return results
end

--- Waits for all tasks of a list. When the caller is cancelled, so are they, and the caller goes on when
--- they have ended.
---
--- Raises the first failure at once, and cancels the other tasks; with `return_exceptions` none of theirs.
---
--- Example:
---     local aimp = require("aimp")
---     local function slow(word)
---       aimp.sleep(0.01 * #word)
---       return word
---     end
---     local words = aimp.gather({ aimp.spawn(slow, "later"), aimp.spawn(slow, "now") })
---     print(table.concat(words, ", ")) --> later, now
---@async
---@param list aimp.Awaitable[]     may be empty
---@param opts? aimp.GatherOptions
---@return any[] results  the first result of each, in the order of the list
function M.gather(list, opts)
  local f = fiber.waiter(1, "aimp.gather")
  local options = check.options(1, "aimp.gather", opts, gather_options)
  local copy = lists.many(1, "aimp.gather", list)
  local group = groups.new(copy, options.return_exceptions and groups.ALL or groups.FAILURE)
  group:own(f)
  if group.first_failure and not options.return_exceptions then
    abort(group)
  end
  local results = outcomes(copy)
  return results
end

local function split(list)
  local done, pending = {}, {}
  for _, task in ipairs(list) do
    local side = task._state == PENDING and pending or done
    side[#side + 1] = task
  end
  return done, pending
end

--- Waits until all tasks of a list, or one of them, have ended. Being cancelled does not cancel the tasks.
---
--- Raises nothing but misuse: the tasks' errors stay with them.
---
--- Example:
---     local done, pending = aimp.wait(tasks, { return_when = "FIRST_COMPLETED", timeout = 2 })
---     for _, task in ipairs(pending) do
---       task:cancel()
---     end
---@async
---@param list aimp.Awaitable[]   at least one
---@param opts? aimp.WaitOptions
---@return aimp.Task[] done       those that have ended, in the order of the list
---@return aimp.Task[] pending    the others
function M.wait(list, opts)
  local f = fiber.waiter(1, "aimp.wait")
  local options = check.options(1, "aimp.wait", opts, wait_options)
  local copy = lists.many(1, "aimp.wait", list)
  if #copy == 0 then
    errors.raise_misuse(2, "aimp.wait: the list of tasks is empty")
  end
  groups.new(copy, modes[options.return_when]):wait(f, options.timeout)
  return split(copy)
end

---@class aimp.Completed
local Completed = {}
Completed.__index = Completed

function Completed:_settled_now(task)
  self.ended[#self.ended + 1] = task
  local f = self.fiber
  if f then
    self.fiber = false
    fiber.wake(f)
  end
end

function Completed:describe()
  return string.format("one of %d tasks", self.count - #self.ended)
end

--- None in particular.
function Completed.first_pending()
  return nil
end

local function withdraw(f)
  f.awaits.fiber = false
  f.awaits = false
end

---@async
function Completed:__call()
  local f = fiber.waiter(1, "aimp.as_completed")
  self.taken = self.taken + 1
  if self.taken > self.count then
    return nil
  elseif self.taken > #self.ended then
    self.fiber, f.awaits = f, self
    fiber.wait(withdraw, "tasks")
    f.awaits = false
  end
  return self.ended[self.taken]
end

--- Iterates over the tasks of a list in the order in which they end. Each step waits; breaking out leaves the
--- other tasks alone.
---
--- Raises nothing but misuse: each task's error comes when it is awaited.
---
--- Example:
---     local aimp = require("aimp")
---     local function slow(word)
---       aimp.sleep(0.01 * #word)
---       return word
---     end
---     for task in aimp.as_completed({ aimp.spawn(slow, "later"), aimp.spawn(slow, "now") }) do
---       print(task:await())
---     end
---     --> now
---     --> later
---@async
---@param list aimp.Awaitable[]  may be empty
---@return async fun(): aimp.Task? next  for the loop
function M.as_completed(list)
  fiber.waiter(1, "aimp.as_completed")
  local copy = lists.many(1, "aimp.as_completed", list)
  local completed = setmetatable({ ended = {}, taken = 0, count = #copy, fiber = false }, Completed)
  for _, task in ipairs(copy) do
    if task._state == PENDING then
      task:_add_waiter(completed)
    else
      completed:_settled_now(task)
    end
  end
  return completed --[[@as fun(): aimp.Task?]]
end

local function late(task, seconds)
  local err = errors.new("TIMEOUT", string.format("not done within %g s", seconds), { cause = task._a })
  err.traceback = errors.join_tracebacks(task._traceback, debug.traceback("", 4):sub(2))
  error(err, 0)
end

local function wait_for(f, task, seconds)
  local group = groups.new({ task }, groups.ALL)
  group:own(f, seconds)
  if group.timed_out then
    group:finish(f, "timeout")
    if task._state == CANCELLED then
      late(task, seconds)
    end
  end
end

--- Waits for a task for some time; when it is late, cancels it and waits for its end. A task that ends
--- otherwise in spite of the cancellation keeps its outcome. Being cancelled cancels the task too.
---
--- Raises TIMEOUT when it was late, else the task's error.
---
--- Example: `local answer = aimp.wait_for(pool:apply(ask, question), 2.5)`
---@async
---@param task aimp.Awaitable
---@param seconds? number  counted from this call; default: no limit
---@return any ...  its results
function M.wait_for(task, seconds)
  local f = fiber.waiter(1, "aimp.wait_for")
  task = lists.one(1, "aimp.wait_for", task)
  check.arg(1, "aimp.wait_for", 2, seconds, "seconds?")
  wait_for(f, task, seconds)
  return task:_outcome(1) -- a tail call: the level is the caller's
end

--- Runs fn(...) as a task, for so long at most, as `aimp.wait_for` does.
---
--- Raises TIMEOUT when it was late, else what fn raises, as `task:await` does.
---
--- Example: `local ok, err = pcall(aimp.timeout, 5, download, url)`
---@async
---@param seconds number  counted from this call
---@param fn function     may wait
---@param ... any         its arguments
---@return any ...  its results
function M.timeout(seconds, fn, ...)
  local f = fiber.waiter(1, "aimp.timeout")
  check.arg(1, "aimp.timeout", 1, seconds, "seconds")
  check.arg(1, "aimp.timeout", 2, fn, "callable")
  local task = spawn.spawn(fn, ...)
  wait_for(f, task, seconds)
  return task:_outcome(1) -- a tail call: the level is the caller's
end

return M
