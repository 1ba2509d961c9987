-- SPDX-License-Identifier: MIT
--- aimp: tasks on a libuv loop, and pools of worker processes.
---
--- The task layer is loaded with this module; all else on first use of its name.
local check = require("aimp.check")
local fiber = require("aimp.fiber")
local async = require("aimp.async")
local gather = require("aimp.gather")
local loop = require("aimp.loop")
local run = require("aimp.run")
local spawn = require("aimp.task.spawn")
local with = require("aimp.with")

-- What is loaded later is described where it is; editors read all of it in types/ (scripts/docs).
---@class aimp
local M = {
  run = run.run,
  spawn = spawn.spawn,
  current = spawn.current,
  gather = gather.gather,
  wait = gather.wait,
  as_completed = gather.as_completed,
  wait_for = gather.wait_for,
  timeout = gather.timeout,
  await = async.await,
  to_await = async.to_await,
  with = with.with,
  now = loop.now,
  step = loop.step,
  attach = loop.attach,
}

--- Lets the other tasks run for some seconds; `aimp.sleep(0)` lets each that is ready run once.
---
--- Raises nothing but misuse.
---
--- Example: `aimp.sleep(0.25)`
---@async
---@param seconds number  0 or more
function M.sleep(seconds)
  fiber.waiter(1, "aimp.sleep")
  check.arg(1, "aimp.sleep", 1, seconds, "seconds")
  if seconds == 0 then
    fiber.yield()
  else
    loop.sleep(seconds)
  end
end

--- The process id of this process.
---
--- Raises nothing.
---
--- Example: `print(aimp.pid())`
---@return integer pid
function M.pid()
  return loop.uv.os_getpid()
end

--- How many cores this process may use, at least 1: affinity and cgroup limits count.
---
--- Raises nothing.
---
--- Example: `local pool = aimp.Pool({ processes = 2 * aimp.cpu_count() })`
---@return integer cores
function M.cpu_count()
  return require("aimp.core").cpu_count()
end

--- Which worker of a pool this process is: `id` is its place in the pool, from 1, `pid` its process id,
--- `pool` the name of the pool.
---
--- Raises nothing.
---
--- Example: `local seed = aimp.worker() and aimp.worker().id or 0`
---@return { id: integer, pid: integer, pool: string }? worker  nil: none
function M.worker()
  local context = package.loaded["aimp.worker.context"] -- a worker has loaded it
  if not context or not context.id then
    return nil
  end
  return { id = context.id, pid = context.pid, pool = context.pool }
end

--- Where the other names are: the module itself, or its field of that name.
local modules = {
  Pool = "aimp.pool",
  set_start_method = "aimp.pool",
  Process = "aimp.process",
  Worker = "aimp.process",
  Queue = "aimp.shared.queue",
  Event = "aimp.shared.event",
  Lock = "aimp.shared.lock",
  Semaphore = "aimp.shared.semaphore",
  Barrier = "aimp.shared.barrier",
  Counter = "aimp.shared.counter",
  Dict = "aimp.shared.dict",
  RoundRobin = "aimp.pool.schedulers",
  LeastLoaded = "aimp.pool.schedulers",
  shm = "aimp.shm",
  retry = "aimp.retry",
  progress = "aimp.progress",
  TaskGroup = "aimp.task.supervised",
  shield = "aimp.task.shield",
  http = "aimp.http",
  errors = "aimp.errors",
}

local function load_lazily(self, name)
  local module = modules[name] and require(modules[name])
  if not module then
    return nil
  end
  local field = type(module) == "table" and rawget(module, name) or nil
  local value = field == nil and module or field
  rawset(self, name, value)
  return value
end

return setmetatable(M, { __index = load_lazily })
