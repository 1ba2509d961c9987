-- SPDX-License-Identifier: MIT
--- Task: something that will have results, an error, or be cancelled; each exactly once.
---
---   pending ──► done | failed | cancelled
---
--- Two kinds share the class: spawned ones run a function in a fiber of their own (aimp.task.spawn); the
--- others are settled by a producer, such as a pool, through `_resolve1`, `_resolve` and `_reject`.
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local unseen = require("aimp.task.unseen")
local waiters = require("aimp.task.waiters")

local notify = waiters.notify

local M = {}

local PENDING, DONE, FAILED, CANCELLED = 0, 1, 2, 3
M.PENDING, M.DONE, M.FAILED, M.CANCELLED = PENDING, DONE, FAILED, CANCELLED

--- Something that will have results, an error, or be cancelled; each exactly once. `aimp.spawn` gives tasks
--- of this process, `pool:apply` and `pool:submit` those of a pool; what is said here holds for both.
---
--- An error that nobody has looked at (awaited, asked for, handed to on_done) when the task is collected or
--- the program ends is reported on stderr; under aimprun it also makes the exit status 1.
---@class aimp.Task
---@field _state integer
---@field _n integer      pending: arguments; done: results
---@field _a any          the argument or result when there is one; a list of them when more; the error
---@field _fn any         pending: the function of a spawned task
---@field _fiber any      while a spawned task runs
---@field _on_cancel? fun(task: aimp.Task, reason?: string): boolean  producer's: true: it will settle later
---@field _traceback? string  of the error, as it was when the task failed
local Task = {}
Task.__index = Task
Task.__name = "aimp.Task"
M.Task = Task

--- A pending task that its producer settles.
---@return aimp.Task
function M.new()
  return setmetatable({
    _state = PENDING, _n = 0, _a = nil, _fn = false, _fiber = false, _w1 = false, _slot = false,
  }, Task)
end

---@param value any
---@return boolean
function M.is_task(value)
  return type(value) == "table" and getmetatable(value) == Task
end

local function check_self(self, method)
  if not M.is_task(self) then
    errors.raise_misuse(3, "%s: not a task; call it as task:%s()", method, method)
  end
end

local function refuse_again()
  error("aimp.task: settled twice", 4)
end

local function settle(task, state, n, a)
  if task._state ~= PENDING then
    refuse_again()
  end
  task._state, task._n, task._a = state, n, a
  task._fn, task._fiber = false, false
  notify(task)
end

--- Producer: done, with one result.
function Task:_resolve1(value)
  settle(self, DONE, 1, value)
end

--- Producer: done, with n results.
---@param n integer
function Task:_resolve(n, ...)
  if n <= 1 then
    settle(self, DONE, n, (...))
  else
    settle(self, DONE, n, { ... })
  end
end

--- Producer: failed; cancelled when that is what the error says.
---@param err any  made an Error object when it is none
function Task:_reject(err)
  if self._state ~= PENDING then
    refuse_again()
  end
  err = errors.wrap(err)
  self._traceback = err.traceback
  if err.code == "CANCELLED" then
    settle(self, CANCELLED, 0, err)
    return
  end
  unseen.note(self, err)
  settle(self, FAILED, 0, err)
end

Task._add_waiter = waiters.add
Task._remove_waiter = waiters.remove

--- The error counts as looked at.
function Task:_mark_seen()
  if self._unseen then
    unseen.forget(self)
  end
end

local function withdraw(f)
  waiters.remove(f.awaits, f)
  f.awaits = false
end

local function wait_settled(task, fname)
  local f = fiber.waiter(2, fname)
  if task._fiber == f then
    errors.raise_misuse(3, "%s: a task cannot await itself", fname)
  end
  f.awaits = task
  waiters.add(task, f)
  fiber.wait(withdraw, "a task")
  f.awaits = false
  fiber.raise_pending(f)
end

local function results(task)
  local n = task._n
  if n == 1 then
    return task._a
  elseif n > 1 then
    return unpack(task._a, 1, n)
  end
end

--- The error of a failed or cancelled task, with the stack of who awaits it (from the given level up) put
--- after the task's own. Awaiting again replaces that part.
---@param level integer
---@return aimp.Error
function Task:_awaited_error(level)
  self:_mark_seen()
  local err = self._a
  err.traceback = errors.join_tracebacks(self._traceback, debug.traceback("", level + 1):sub(2))
  return err
end

--- Its results or the error, for what has awaited it already. Level 1 is who calls this.
function Task:_outcome(level)
  if self._state == DONE then
    return results(self)
  end
  error(self:_awaited_error(level + 1), 0)
end

--- Waits for its end and gives its results; any number of times, from any number of tasks. A waiter that is
--- cancelled meanwhile stops waiting; the task itself goes on.
---
--- Raises the task's error: REMOTE for what its function raised, CANCELLED when it was cancelled, for a
--- pool's task those of `pool:apply`.
---
--- Example: `local width, height = pool:apply(measure, path):await()`
---@async
---@return any ...  all that its function returned
function Task:await()
  check_self(self, "await")
  if self._state == PENDING then
    wait_settled(self, "task:await()")
  end
  if self._state == DONE then
    return results(self)
  end
  error(self:_awaited_error(2), 0)
end

--- Waits for its end without raising the task's error.
---
--- Raises only what concerns the one who waits: CANCELLED when it is cancelled itself.
---
--- Example:
---     local ok, result = task:pawait()
---     if not ok and result.code == "WORKER_DIED" then
---       print("worker " .. result.pid .. " is gone")
---     end
---@async
---@return boolean ok  whether it has results
---@return any ...     the results, or the error object
function Task:pawait()
  check_self(self, "pawait")
  if self._state == PENDING then
    wait_settled(self, "task:pawait()")
  end
  if self._state == DONE then
    return true, results(self)
  end
  return false, self:_awaited_error(2)
end

--- Asks for cancellation. A task that did not start never will; one that waits has CANCELLED raised at its
--- wait, and may catch it and go on; one that runs, or was woken already, at its next wait. Work of a pool
--- is taken back where it is queued and cancelled in its worker where it runs; when it does not end there
--- within a second, as in a loop that never waits, the worker is killed and replaced.
---
--- Raises nothing but misuse.
---
--- Example: `task:cancel("the user left")`
---@param reason? string  for the error's message
---@return boolean asked  false: it had ended already
function Task:cancel(reason)
  check_self(self, "cancel")
  check.arg(1, "task:cancel", 1, reason, "string?")
  if self._state ~= PENDING then
    return false
  end
  if self._fiber then
    fiber.throw(self._fiber, M.cancel_error(reason))
  elseif not (self._on_cancel and self:_on_cancel(reason)) and self._state == PENDING then
    self:_reject(M.cancel_error(reason))
  end
  return true
end

---@param reason? string
---@return aimp.Error
function M.cancel_error(reason)
  return errors.new("CANCELLED", reason and "cancelled: " .. reason or "cancelled")
end

--- Whether it has ended: with results, an error, or cancelled.
---
--- Raises nothing but misuse.
---
--- Example: `if task:done() then print(task:state()) end`
---@return boolean
function Task:done()
  check_self(self, "done")
  return self._state ~= PENDING
end

--- Whether it ended by being cancelled. One that was asked to, caught that and returned, was not.
---
--- Raises nothing but misuse.
---
--- Example: `if task:cancelled() then print("given up") end`
---@return boolean
function Task:cancelled()
  check_self(self, "cancelled")
  return self._state == CANCELLED
end

local function refuse_pending(task, method)
  if task._state == PENDING then
    error(errors.new("STATE", string.format("task:%s(): the task has not ended", method),
      { traceback = debug.traceback("", 3):sub(2) }), 0)
  end
end

--- Its results without waiting, of a task that has ended.
---
--- Raises STATE while it is pending, else as `await` does.
---
--- Example: `local value = task:done() and task:result() or nil`
---@return any ...  all that its function returned
function Task:result()
  check_self(self, "result")
  refuse_pending(self, "result")
  if self._state == DONE then
    return results(self)
  end
  error(self:_awaited_error(2), 0)
end

--- Its error without waiting, of a task that has ended.
---
--- Raises CANCELLED when it was cancelled, STATE while it is pending.
---
--- Example:
---     local err = task:exception()
---     if err then
---       print(err.code, err.message)
---     end
---@return aimp.Error? err  nil: it has results
function Task:exception()
  check_self(self, "exception")
  refuse_pending(self, "exception")
  if self._state == CANCELLED then
    error(self:_awaited_error(2), 0)
  end
  self:_mark_seen()
  return self._state == FAILED and self._a or nil
end

--- Has fn(task) called from the loop when the task ends; soon, if it has ended. fn runs outside every task,
--- so it must not wait; what it raises is reported on stderr.
---
--- Raises nothing but misuse.
---
--- Example: `aimp.spawn(fetch, url):on_done(function(task) show(task:exception() or task:result()) end)`
---@param fn fun(task: aimp.Task)  called once
---@return aimp.Task self
function Task:on_done(fn)
  check_self(self, "on_done")
  check.arg(1, "task:on_done", 1, fn, "function")
  if self._state ~= PENDING then
    self:_mark_seen()
    fiber.soon(fn, self)
    return self
  end
  waiters.add(self, function(task)
    task:_mark_seen()
    fn(task)
  end)
  return self
end

local state_names = { [PENDING] = "pending", [DONE] = "done", [FAILED] = "failed", [CANCELLED] = "cancelled" }

--- How far it is. Unlike `exception` this does not count as having looked at its error.
---
--- Raises nothing but misuse.
---
--- Example: `print(task:state())`
---@return "pending"|"done"|"failed"|"cancelled"
function Task:state()
  check_self(self, "state")
  return state_names[self._state]
end

function Task:__tostring()
  return string.format("aimp.Task: %p (%s)", self, state_names[self._state] or "?")
end

--- Told of each error that nobody looked at; replaceable.
---@param err aimp.Error
M.on_unseen = unseen.report

function unseen.report(err)
  M.on_unseen(err)
end

--- Reports the errors that nobody has looked at so far; says how many there were.
---@return integer
M.flush_unseen = unseen.flush

--- Starts a function as a task; it runs first when the caller waits.
---@param fn function
---@return aimp.Task
function M.spawn(fn, ...)
  return require("aimp.task.spawn").spawn(fn, ...)
end

return M
