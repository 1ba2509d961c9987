--- Makes a fresh process like the parent's: directory, environment, search paths,
--- arguments; and seeds its random numbers.
-- SPDX-License-Identifier: MIT
local context = require("aimp.worker.context")
local core = require("aimp.core")
local uv = require("luv")

local M = {}

---@class aimp.WorkerConfig   what the parent sends as the first frame; plain data
---@field pool string        or the process's name
---@field title? string      as ps shows it; default: the one it has
---@field is_process? boolean  of an aimp.Process or aimp.Worker
---@field concurrency integer
---@field cwd string
---@field path string         package.path
---@field cpath string
---@field arg? table
---@field env table<string, string>
---@field seed number

local function apply_environment(env)
  local here = uv.os_environ()
  for name in pairs(here) do
    if env[name] == nil then
      uv.os_unsetenv(name)
    end
  end
  for name, value in pairs(env) do
    if here[name] ~= value then
      uv.os_setenv(name, value)
    end
  end
end

---@param config aimp.WorkerConfig
---@param number integer
function M.apply(config, number)
  context.id, context.pid, context.pool = number, uv.os_getpid(), config.pool
  context.concurrency, context.is_process = config.concurrency, config.is_process
  if config.title then
    core.set_title(config.title)
  end
  if uv.cwd() ~= config.cwd then
    uv.chdir(config.cwd)
  end
  package.path, package.cpath = config.path, config.cpath
  _G.arg = config.arg
  apply_environment(config.env)
  math.randomseed(config.seed)
end

return M
