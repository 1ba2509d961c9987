--- What is done in the process of an aimp.Process or aimp.Worker, beside what every worker does.
-- SPDX-License-Identifier: MIT
local context = require("aimp.worker.context")
local errors = require("aimp.errors")
local run = require("aimp.run")

local M = {}

local function nothing() end

-- Calls it; its results are nobody's, its error goes to stderr.
local function call(target, ...)
  local ok, err = xpcall(target, errors.handler, ...)
  if not ok then
    local text = require("aimp.cli.report").text(err)
    io.stderr:write(("aimp: process '%s' (pid %d): %s\n"):format(context.pool, context.pid, text))
  end
  return ok
end
M.call = call

--- What is sent in place of a Process's target.
---@param target function
---@return fun(...): boolean  whether the target returned
function M.reporting(target)
  return function(...)
    return M.call(target, ...)
  end
end

--- Called at the end of the process, outside of tasks. The tasks that the target left behind are cancelled,
--- and processes that it started are waited for.
function M.finish()
  run.main(nothing)
  local running = package.loaded["aimp.process.running"]
  if running then
    running.join()
  end
end

return M
