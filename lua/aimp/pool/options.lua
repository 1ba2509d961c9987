--- The options of pools, submits and maps: names, types, bounds, defaults.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local errors = require("aimp.errors")

local M = {}

local MAX_PROCESSES = 1024

local function list_fault(value)
  return type(value) ~= "table" and "must be a list" or nil
end

local function scheduler_fault(value)
  if value == "round_robin" or value == "least_loaded" then
    return nil
  elseif type(value) == "string" then
    local near = errors.nearest(value, { "round_robin", "least_loaded" })
    return ("must be 'round_robin', 'least_loaded' or a scheduler object, got '%s'%s"):format(value,
      near and (", did you mean '" .. near .. "'?") or "")
  elseif type(value) ~= "table" then
    return "must be 'round_robin', 'least_loaded' or a scheduler object"
  end
  for _, method in ipairs({ "register_queue", "register_process", "schedule_task", "complete_task" }) do
    if type(value[method]) ~= "function" then
      return ("has no method '%s'"):format(method)
    end
  end
end

local function progress_fault(value)
  return type(value) ~= "boolean" and type(value) ~= "string" and "must be a label or true" or nil
end

---@class aimp.PoolOptions
---@field processes? integer         workers, 1 to 1024; default aimp.cpu_count()
---@field initializer? function      called once in each worker before its first task, with initargs; may wait
---@field initargs? any[]            a list of arguments, with field n where it holds nils; default: none
---@field finalizer? function        called in a worker that ends in order; may wait
---@field maxtasksperchild? integer  a worker is replaced after so many tasks, exactly; default 0: never
---@field childconcurrency? integer  tasks that one worker runs at once; default 16
---@field queuecount? integer        queues between the pool and its workers, at most as many as those;
---  default 1
---@field scheduler? "round_robin"|"least_loaded"|aimp.Scheduler  which queue a task goes to: by turns, the
---  one with the fewest tasks for each of its workers, or by an object of one's own; default "round_robin"
---@field loop_initializer? fun(uv: table)  called in each worker before the initializer, with luv
---@field exception_handler? fun(err: any)  called in the worker with what a task raised there; may wait
---@field start_method? "forkserver"|"fork"|"spawn"  default: that of aimp.set_start_method
---@field name? string               for messages; default "pool"
---@field timeout? number            seconds that a task may take from its start in a worker: then it is
---  cancelled there, and if it does not end within a second its worker is killed; default: no limit
---@field retries? integer           times that a task runs again after its worker died; default 0
local pool_schema = {
  processes = { type = "integer", min = 1, max = MAX_PROCESSES },
  initializer = { type = "callable" },
  initargs = { check = list_fault, default = { n = 0 } },
  finalizer = { type = "callable" },
  maxtasksperchild = { type = "integer", min = 0, max = 2 ^ 31, default = 0 },
  childconcurrency = { type = "integer", min = 1, max = 65536, default = 16 },
  queuecount = { type = "integer", min = 1, default = 1 },
  scheduler = { check = scheduler_fault, default = "round_robin" },
  loop_initializer = { type = "callable" },
  exception_handler = { type = "callable" },
  start_method = { choices = { "forkserver", "fork", "spawn" } },
  name = { type = "string", default = "pool" },
  timeout = { type = "seconds", max = 4e6 },
  retries = { type = "integer", min = 0, max = 2 ^ 31, default = 0 },
}

---@class aimp.SubmitOptions
---@field timeout? number    seconds, as the pool's option; 0: no limit; default: the pool's
---@field retries? integer   times that it runs again after WORKER_DIED; default: the pool's
---@field priority? integer  tasks of a higher priority leave their queue first; default 0
---@field key? any           tasks with the same key run in the same worker, while the pool keeps its size
---@field name? string       for messages
local submit_schema = {
  timeout = { type = "seconds", max = 4e6 },
  retries = { type = "integer", min = 0, max = 2 ^ 31 },
  priority = { type = "integer", min = -2 ^ 31, max = 2 ^ 31 - 1, default = 0 },
  key = { type = "any" },
  name = { type = "string" },
}

---@class aimp.MapOptions
---@field chunksize? integer  items that a worker gets at once; default: about a millisecond's worth, measured
---@field timeout? number     seconds for each item, as the pool's option; 0: no limit; default: the pool's
---@field retries? integer    times that an item runs again after WORKER_DIED; default: the pool's
---@field priority? integer   items of a higher priority leave their queue first; default 0
---@field window? integer     items that may be ahead of the consumer of a stream; default 16384
---@field progress? boolean|string  a progress bar, with this label, while it is awaited or iterated over
local map_schema = {
  chunksize = { type = "integer", min = 1, max = 2 ^ 20 },
  timeout = { type = "seconds", max = 4e6 },
  retries = { type = "integer", min = 0, max = 2 ^ 31 },
  priority = { type = "integer", min = -2 ^ 31, max = 2 ^ 31 - 1, default = 0 },
  window = { type = "integer", min = 1, max = 2 ^ 24, default = 16384 },
  progress = { check = progress_fault },
}

---@param opts any
---@param level integer
function M.pool(opts, level)
  local options = check.options(level + 1, "aimp.Pool", opts, pool_schema)
  options.processes = options.processes or require("aimp.core").cpu_count()
  if options.queuecount > options.processes then
    errors.raise_misuse(level + 2, "aimp.Pool: option 'queuecount' (%d) must be at most 'processes' (%d)",
      options.queuecount, options.processes)
  end
  return options
end

function M.submit(opts, level)
  local options = check.options(level + 1, "pool:submit", opts, submit_schema)
  return options
end

---@param fname string "pool:map" or "pool:starmap"
function M.map(fname, opts, level)
  local options = check.options(level + 1, fname, opts, map_schema)
  return options
end

--- Milliseconds for the C side; 0: none.
---@param seconds number?
function M.timeout_ms(seconds)
  if not seconds or seconds == 0 then
    return 0
  end
  return math.max(1, math.ceil(seconds * 1000))
end

return M
