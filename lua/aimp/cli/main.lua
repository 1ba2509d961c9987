-- SPDX-License-Identifier: MIT
--- aimprun from its command line to its exit status. Called once, by runtime/cli/main.c.
---
---   options ► main task: LUA_INIT, options, script, prompt ► other tasks end ► processes that are no daemons
---   end ► shutdown hooks ► status
local fiber = require("aimp.fiber")
local native = require("aimp.cli.native")
local options_module = require("aimp.cli.options")
local requiring = require("aimp.cli.require")
local run = require("aimp.run")
local shutdown = require("aimp.shutdown")
local signals = require("aimp.cli.signals")
local tasks = require("aimp.task")

local M = {}

local WRONG_USAGE = 2
local SHUTDOWN_S = 5 -- hooks that take longer are left, and the process ends with its status

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
  local task = run.main_task()
  stop_reason = reason
  if task then
    task:cancel(reason)
  end
end

-- ---- the main task ----

--- The name `main_chunk` stands in tracebacks, where aimp.cli.report knows it.
local function run_step(main_chunk, ...)
  if not main_chunk then
    report().say((...))
    return false
  end
  main_chunk(...)
  return not stop_reason
end

---@param steps aimp.cli.Step[]
---@return boolean ok  errors are raised; false: the reason was reported
local function main_body(steps)
  for _, step in ipairs(steps) do
    if not run_step(step()) then
      return false
    end
  end
  return true
end

---@return boolean ok
local function run_main(steps)
  local task, unseen = run.main(main_body, steps)
  if task:state() == "done" then
    return task:result() and unseen == 0
  elseif not stop_reason then
    report().error(task._a)
  end
  return false
end

-- ---- the end ----

local function run_shutdown(status)
  if shutdown.count() > 0 then
    native.deadline(signals.status() or status, SHUTDOWN_S)
    shutdown.run()
    if not signals.status() then -- else the deadline holds to the very end
      native.deadline(0, 0)
    end
  end
end

-- Processes that are no daemons have the time they need, but for a signal.
---@return boolean ok
local function await_processes()
  local running = package.loaded["aimp.process.running"] -- loaded when there were any
  return not running or stop_reason ~= nil or running.join() == 0
end

---@return integer status
local function end_run(ok)
  ok = await_processes() and ok
  failed = failed or not ok
  run_shutdown(failed and 1 or 0)
  return signals.status() or (failed and 1 or 0)
end

-- ---- the beginning ----

--- package.path is aimp's own folders and the built-in default until here, as it was not known whether the
--- environment counts.
local function apply_path(field, variable, own)
  local value = os.getenv(variable)
  if value then
    local first, default = package[field]:match("^(" .. own .. ")(.*)$")
    package[field] = first .. value:gsub(";;", function() return ";" .. default .. ";" end)
  end
end

local function install(options, argv)
  if not options.no_environment then
    apply_path("path", "LUA_PATH", "[^;]*;[^;]*;")
    apply_path("cpath", "LUA_CPATH", "[^;]*;")
  end
  _G.arg = options_module.arg_table(argv, options.first)
  requiring.install()
  native.before_exit(run_shutdown)
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
  return end_run(run_main(require("aimp.cli.steps").list(options)))
end

return M
