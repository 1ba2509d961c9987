--- aimp.Process and aimp.Worker: a function that runs in a process of its own.
---
--- Here: what users call. What happens is in life.lua, fields are in object.lua, what is done in the process
--- in child.lua, and what becomes of processes at the program's end in running.lua.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local gather = require("aimp.gather")
local life = require("aimp.process.life")
local object = require("aimp.process.object")
local options_module = require("aimp.process.options")
local with = require("aimp.with")

local check_self, check_usable = object.check_self, object.check_usable
local each = pairs -- see lua/aimp/check.lua

local SIGKILL, SIGTERM = 9, 15

local M = {}

--- A function that runs in a process of its own, as a task there, beside the script's. What it returns is
--- dropped, what it raises goes to stderr. How it ended is told by `exitcode`: 0 when the target returned, 1
--- when it raised, what it gave os.exit, or a negative number when a signal killed it. For results see
--- aimp.Worker.
---
--- Example:
---     local process = aimp.Process({ target = print, args = { "hello" } })
---     process:start()
---     process:join()
---     print(process.exitcode)
---@class aimp.Process
---@field name string        for messages; may be set before the start
---@field daemon boolean     killed when the script ends, which else waits for it; may be set before the start
---@field pid? integer       its process id; nil before the start; read-only
---@field exitcode? integer  its exit status, or minus the signal that killed it; nil until its end; read-only
local Process = {}

--- A process whose target's results are wanted: they, or the error it raised, come from `await` and `result`.
---
--- Example:
---     local worker = aimp.Worker({ target = math.max, args = { 1, 3, 2 } })
---     print(worker:await())
---@class aimp.Worker: aimp.Process
local Worker = {}

for name, method in each(life) do
  Process[name] = method
end

-- ---- methods of both ----

--- Starts the process and returns at once; its own code begins soon after.
---
--- Raises ENCODE when the target, its arguments or the initializer cannot be sent, START where no process can
--- be made; it may be tried again then. Starting it twice is misuse.
---
--- Example: `local process = aimp.Process({ target = work }):start()`
---@return aimp.Process self
function Process:start()
  check_usable(self, "start")
  if self._state ~= "new" then
    errors.raise_misuse(2, "%s:start: %s was started before; a process starts once, make another one",
      self._class.kind, self:_label())
  end
  self:_start()
  return self
end

--- Waits until the process has ended, for some time at most; it goes on when the time is up. What went wrong
--- in it is not raised: look at `exitcode`, or use `await`.
---
--- Raises nothing but misuse, as when it was not started, and CANCELLED for the caller.
---
--- Example: `if not process:join(5) then process:terminate() end`
---@async
---@param timeout? number  seconds; default: as long as it takes
---@return boolean ended
function Process:join(timeout)
  check_usable(self, "join")
  fiber.waiter(1, self._class.kind .. ":join")
  check.arg(1, self._class.kind .. ":join", 1, timeout, "seconds?")
  if self._state == "new" then
    errors.raise_misuse(2, "%s:join: %s was not started", self._class.kind, self:_label())
  end
  gather.wait({ self._outcome }, { timeout = timeout })
  return self._outcome:done()
end

--- Starts the process if need be, and waits for its end; any number of times, from any number of tasks.
---
--- Raises START when it could not be started, REMOTE when its initializer raised, DECODE when it could not
--- read its arguments, and what `start` raises. An error of the target is told by the exit code alone.
---
--- Example: `local exitcode = aimp.Process({ target = work }):await()`
---@async
---@return integer exitcode
function Process:await()
  check_usable(self, "await")
  fiber.waiter(1, "process:await")
  if self._state == "new" then
    self:_start()
  end
  return self._outcome:await()
end

local function start_and_pawait(self)
  if self._state == "new" then
    local ok, err = pcall(self._start, self)
    if not ok then
      return false, err
    end
  end
  return self._outcome:pawait()
end

--- The same as await without raising what went wrong.
---
--- Raises nothing but misuse, and CANCELLED for the caller.
---
--- Example: `local ok, exitcode = process:pawait()`
---@async
---@return boolean ok
---@return any ...  the exit code (a worker's: the target's results), or the error
function Process:pawait()
  check_usable(self, "pawait")
  fiber.waiter(1, self._class.kind .. ":pawait")
  return start_and_pawait(self)
end

--- Whether it was started and has not ended. The end is noticed while the caller waits for something.
---
--- Raises nothing but misuse.
---
--- Example: `while process:is_alive() do aimp.sleep(0.1) end`
---@return boolean
function Process:is_alive()
  check_usable(self, "is_alive")
  return self._state == "running"
end

local function signal(self, method, number)
  if self._state == "new" then
    errors.raise_misuse(3, "%s:%s: %s was not started", self._class.kind, method, self:_label())
  end
  self:_signal(number)
end

--- Sends SIGTERM, which ends the process at once unless its code handles that signal: `exitcode` will be -15.
--- Returns without waiting for it; does nothing when it has ended.
---
--- Raises nothing but misuse, as when it was not started.
---
--- Example: `process:terminate() process:join()`
function Process:terminate()
  check_usable(self, "terminate")
  signal(self, "terminate", SIGTERM)
end

--- Sends SIGKILL, which nothing survives: `exitcode` will be -9. Returns without waiting for it; does nothing
--- when it has ended.
---
--- Raises nothing but misuse, as when it was not started.
---
--- Example: `process:kill() process:join()`
function Process:kill()
  check_usable(self, "kill")
  signal(self, "kill", SIGKILL)
end

--- Gives up the object, which cannot be used any more but for its name; again does nothing.
---
--- Raises nothing but misuse: it must not run.
---
--- Example: `process:join() process:close()`
function Process:close()
  check_self(self, "close")
  if self._state == "running" then
    errors.raise_misuse(2, "%s:close: %s still runs; join it first, or terminate it", self._class.kind,
      self:_label())
  end
  self._state = "closed"
end

local function leave(self, ok, ...)
  if self._state == "running" then
    if not ok then
      self:_signal(SIGTERM)
    end
    self:join()
  end
  self:close()
  if not ok then
    error((...), 0)
  end
  return ...
end

--- For those that wait for it among tasks, such as aimp.gather, and cancel what they wait for.
function Process:_cancel()
  self:_signal(SIGTERM)
end

--- For aimp.with: afterwards it is joined, if it was started, and closed; terminated first when fn raised.
function Process:__aimp_with(fn)
  check_usable(self, "with")
  return leave(self, xpcall(fn, with.keep_traceback, self))
end

-- The target's call is over, or there was none (an error says why).
function Process:_settle(call, err)
  if call or errors.is(err, "WORKER_DIED") then
    self._outcome:_resolve1(self._exitcode)
  else
    self._outcome:_reject(err)
  end
end

-- ---- methods of Worker ----

for name, method in each(Process) do
  Worker[name] = method
end

--- Starts the worker if need be, waits for its end and gives what its target returned; any number of
--- times, from any number of tasks.
---
--- Raises REMOTE with what the target or the initializer raised as `cause`, WORKER_DIED when the process
--- ended before the target had returned, ENCODE and DECODE for arguments and results, START when it could not
--- be started.
---
--- Example: `local sum, count = aimp.Worker({ target = add_up, args = { list } }):await()`
---@async
---@return any ...  all results of the target
function Worker:await()
  check_usable(self, "await")
  fiber.waiter(1, "worker:await")
  if self._state == "new" then
    self:_start()
  end
  return self._outcome:await()
end

--- What its target returned, without waiting.
---
--- Raises what `await` raises; before the worker's end it is misuse.
---
--- Example: `worker:join() print(worker:result())`
---@return any ...
function Worker:result()
  check_usable(self, "result")
  if not self._outcome:done() then
    errors.raise_misuse(2, "worker:result: %s has not ended; await it", self:_label())
  end
  return self._outcome:result()
end

local function resolve(outcome, ...)
  outcome:_resolve(select("#", ...), ...)
end

function Worker:_settle(call, err)
  if call then
    resolve(self._outcome, call:result())
  else
    self._outcome:_reject(err)
  end
end

-- ---- constructors ----

local function has_returned(call)
  return call:state() == "done"
end

object.define(Process, {
  name = "Process", kind = "process", returns = false,
  succeeded = function(call) return has_returned(call) and call:result() == true end, -- see child.lua
})

object.define(Worker, {
  name = "Worker", kind = "worker", returns = true,
  succeeded = has_returned,
})

--- A process that is not started yet.
---
--- Raises nothing but misuse.
---
--- Example: `local process = aimp.Process({ target = serve, args = { 8080 }, daemon = true })`
---@param opts aimp.ProcessOptions
---@return aimp.Process
function M.Process(opts)
  local options = options_module.read(1, "aimp.Process", opts)
  return object.new(Process, options)
end

--- A process that is not started yet, and whose target's results are wanted.
---
--- Raises nothing but misuse.
---
--- Example: `local worker = aimp.Worker({ target = render, args = { "page" } })`
---@param opts aimp.ProcessOptions
---@return aimp.Worker
function M.Worker(opts)
  local options = options_module.read(1, "aimp.Worker", opts)
  return object.new(Worker, options)
end

return M
