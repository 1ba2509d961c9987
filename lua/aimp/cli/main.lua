-- SPDX-License-Identifier: MIT
--- aimprun from its command line to its exit status. Called once, by runtime/cli/main.c.
---
---   options ► steps, each a main task driven to its end ► other tasks cancelled ► shutdown hooks
---   ► errors nobody saw are reported ► status
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")
local native = require("aimp.cli.native")
local options_module = require("aimp.cli.options")
local requiring = require("aimp.cli.require")
local shutdown = require("aimp.shutdown")
local signals = require("aimp.cli.signals")
local spawning = require("aimp.task.spawn")
local tasks = require("aimp.task")

local M = {}

local WRONG_USAGE = 2
local SHUTDOWN_S = 5 -- hooks that take longer are left, and the process ends with its status
local CANCEL_S = 1   -- tasks that go on after their cancellation are left after this time

local main_task = nil ---@type aimp.Task?
local stop_reason = nil ---@type string?  set by the first signal
local failed = false    -- an error was reported, so the status is at least 1

-- Loaded when there is something to say only.
local function report()
  return require("aimp.cli.report")
end

--- Errors that have no task to go to.
local function report_stray(err, traceback)
  failed = true
  if not stop_reason then
    report().error(err, traceback)
  end
end

local function report_unseen(err)
  failed = true
  if not stop_reason then
    report().say("a task failed and nobody looked at its error:\n" .. report().text(err))
  end
end

local function on_signal(reason)
  stop_reason = reason
  if main_task then
    main_task:cancel(reason)
  end
end

-- ---- the main task ----

local function report_deadlock(task)
  local f = task._fiber
  report().error(("deadlock: the main task waits (for %s) and nothing is left that could wake it"):format(
    f and f.what or "its start"), f and debug.traceback(f.co))
end

--- Whether the main task ended well; reports when not.
local function check_outcome(task)
  local ok, err = pcall(task.exception, task)
  if ok and err == nil then
    return true
  end
  if not stop_reason then
    report().error(err)
  end
  return false
end

--- Runs fn as the main task to its end.
---@return boolean ok
local function run_main(fn, ...)
  local task = spawning.spawn(fn, ...)
  main_task = task
  local how = loop.run_until(function() return task:done() end)
  main_task = nil
  if how == "deadlock" then
    report_deadlock(task)
    return false
  end
  return check_outcome(task)
end

---@return boolean ok
local function run_step(fn, ...)
  if not fn then
    report().say((...))
    return false
  end
  return run_main(fn, ...)
end

local function run_steps(steps)
  for _, step in ipairs(steps) do
    if stop_reason or not run_step(step()) then
      return false
    end
  end
  return true
end

-- ---- the end ----

local function cancel_others()
  local left = spawning.live()
  for _, task in ipairs(left) do
    task:cancel("the main task has ended")
  end
  if #left > 0 then
    local late = false
    local timer = loop.timer(CANCEL_S, function() late = true end)
    loop.run_until(function() return late or spawning.live_count() == 0 end)
    timer:stop()
  end
end

local function run_shutdown(status)
  if shutdown.count() > 0 then
    native.deadline(signals.status() or status, SHUTDOWN_S)
    shutdown.run()
    native.deadline(0, 0)
  end
end

--- The global os.exit: from any task, at once.
local function exit(code, close)
  local status = tonumber(code)
  if code == nil or code == true then
    status = 0
  elseif code == false then
    status = 1
  elseif not status then
    error(("bad argument #1 to 'exit' (number expected, got %s)"):format(type(code)), 2)
  end
  run_shutdown(status)
  native.exit(status, close)
end

local function end_run(ok)
  failed = failed or not ok
  cancel_others()
  run_shutdown(failed and 1 or 0)
  tasks.flush_unseen()
  return signals.status() or (failed and 1 or 0)
end

-- ---- the beginning ----

local function install(options, argv)
  _G.arg = options_module.arg_table(argv, options.first)
  requiring.install()
  os.exit = exit -- luacheck: ignore 122
  fiber.on_error, shutdown.on_error = report_stray, report_stray
  tasks.on_unseen = report_unseen
  native.on_callback_error(report_stray)
  signals.watch(on_signal)
end

local function answer_help(options)
  if options.help == "version" then
    require("aimp.cli.steps").print_version()
  else
    io.stdout:write(options_module.HELP)
  end
  return 0
end

---@param argv string[]  argv[0] is the program
---@return integer status
function M.run(argv)
  local options, problem = options_module.parse(argv)
  if not options then
    report().say(problem .. "\n" .. options_module.USAGE)
    return WRONG_USAGE
  elseif options.help then
    return answer_help(options)
  end
  install(options, argv)
  return end_run(run_steps(require("aimp.cli.steps").list(options)))
end

return M
