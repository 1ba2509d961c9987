-- SPDX-License-Identifier: MIT
--- The main task: runs the loop until it ends, then ends what it left behind.
---
--- Used by aimp.run and by aimprun.
local check = require("aimp.check")
local describe = require("aimp.task.describe")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local groups = require("aimp.task.group")
local loop = require("aimp.loop")
local spawn = require("aimp.task.spawn")
local tasks = require("aimp.task")

local M = {}

--- Seconds that tasks have for their cleanup once the main task has ended.
M.grace_s = 5

local main = nil ---@type aimp.Task?

--- The main task while it runs, and those that clean up after it.
---@return aimp.Task?
function M.main_task()
  return main
end

local function deadlock_error(task)
  local text = string.format("deadlock: the main task waits for %s, and nothing is left that could wake it",
    describe.waits_for(task))
  return errors.new("DEADLOCK", text)
end

--- A deadlock is raised at the main task's wait, so that it can clean up; one after that ends it.
local function drive(task)
  local function has_ended()
    return task:done()
  end
  if loop.run_until(has_ended) == "done" then
    return
  end
  local err = deadlock_error(task)
  fiber.throw(task._fiber, err)
  if loop.run_until(has_ended) == "deadlock" then
    err.traceback = debug.traceback(task._fiber.co)
    spawn.abandon({ task })
    task:_reject(err)
  end
end

local function report_abandoned()
  local list = spawn.live()
  io.stderr:write(string.format(
    "aimp: %d tasks did not end within %g s of their cancellation and were given up:\n%s\n",
    #list, M.grace_s, describe.dump()))
  spawn.abandon(list)
end

--- Cancels the tasks there are, and waits for their end and for the callbacks of it.
local function cancel_live(deadline)
  local group = groups.new(spawn.live(), groups.ALL)
  group:cancel("the main task has ended")
  loop.run_until(function()
    return (group:is_over() and not fiber.is_ready()) or loop.now() >= deadline
  end)
end

local function end_others()
  local deadline = loop.now() + M.grace_s
  local limit = loop.timer(M.grace_s, function() end) -- the loop must not sleep past the deadline
  repeat
    cancel_live(deadline) -- again for those which the cleanup started
  until spawn.live_count() == 0 or loop.now() >= deadline
  limit:stop()
  if spawn.live_count() > 0 then
    report_abandoned()
  end
end

--- Runs fn(...) as the main task. When it has ended, the other tasks are cancelled and have `grace_s` seconds
--- for their cleanup; what is left then is named on stderr and given up. Errors that nobody looked at are
--- reported last.
---@param fn function
---@return aimp.Task main    ended; its error is not raised here
---@return integer unseen    how many errors of other tasks nobody looked at
function M.main(fn, ...)
  local task = spawn.spawn(fn, ...)
  main = task
  drive(task)
  end_others()
  main = nil
  task:_mark_seen()
  local unseen = tasks.flush_unseen()
  loop.release()
  return task, unseen
end

--- Runs fn(...) as the main task, and the loop, until it ends. The tasks that are left then are cancelled
--- and have 5 seconds for their cleanup. Not for aimprun, where the script is the main task already.
---
--- Raises what fn raises, as `task:await` does; DEADLOCK, at the wait of the main task, when nothing is
--- left that could end it.
---
--- Example:
---     local total = aimp.run(function()
---       local task = aimp.spawn(function() return 40 end)
---       return task:await() + 2
---     end)
---@param fn function  may wait
---@param ... any      its arguments
---@return any ...  its results
function M.run(fn, ...)
  loop.refuse_drive(1, "aimp.run")
  check.arg(1, "aimp.run", 1, fn, "callable")
  local task = M.main(fn, ...)
  return task:_outcome(1) -- a tail call: the level is the caller's
end

return M
