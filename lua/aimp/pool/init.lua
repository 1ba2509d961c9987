--- aimp.Pool: work spread over processes. Here: its making and single tasks; maps are in maps.lua and
--- result.lua, closing and resizing in life.lua.
---
--- Not here: where work goes (local.lua, the backend) and processes (supervisor.lua).
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local check = require("aimp.check")
local calls = require("aimp.pool.calls")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local guard = require("aimp.pool.guard")
local launcher = require("aimp.pool.launcher")
local local_backend = require("aimp.pool.local")
local options_module = require("aimp.pool.options")
local schedulers = require("aimp.pool.schedulers")
local shutdown = require("aimp.shutdown")
local buffer = require("string.buffer")

local check_open = guard.check_open
local lshift = bit.lshift
local select, type = select, type

--- Worker processes that run functions for this one. A pool is open until `close` or `terminate`;
--- `aimp.with` calls them and `join` by itself.
---
--- A function is sent with its captured variables and the script's globals that it uses, as they are at the
--- call. A captured variable that has not changed here since it was last sent is left alone in the worker,
--- so what the worker stored there stays.
---@class aimp.Pool
local Pool = {}
Pool.__index = Pool
Pool.__name = "aimp.Pool"
for _, part in ipairs({ require("aimp.pool.life"), require("aimp.pool.maps") }) do
  for name, method in pairs(part) do
    Pool[name] = method
  end
end

local M = {}

--- Workers that resize() may reach beyond the number at the start.
local RESIZE_ROOM = 64

local start_method = "forkserver"
local pool_count = 0

--- How workers of the pools made from now on are started: "forkserver", the default, forks them from one
--- process that is started with the first pool; "spawn" executes each anew. "fork" is the same as
--- "forkserver".
---
--- Raises nothing but misuse.
---
--- Example: `aimp.set_start_method("spawn")`
---@param method "forkserver"|"fork"|"spawn"  unless the pool's options say another
function M.set_start_method(method)
  if method ~= "forkserver" and method ~= "fork" and method ~= "spawn" then
    errors.raise_misuse(2, "aimp.set_start_method: unknown method '%s' (known: forkserver, fork, spawn)",
      errors.describe(method))
  end
  start_method = method
end

--- What set_start_method chose.
---@return string
function M._start_method()
  return start_method
end

-- ---- life ----

local function on_change(self)
  self:advance()
end

local function at_exit(self)
  return function()
    self:kill_now("the program ended")
  end
end

--- A pool of worker processes. They are started at once, in the background.
---
--- Raises START where no process can be made, ENCODE for a hook that cannot be sent. Failures to start that
--- come later are raised by the pool's tasks.
---
--- Example:
---     local aimp = require("aimp")
---     local function square(n)
---       return n * n
---     end
---     aimp.with(aimp.Pool({ processes = 2 }), function(pool)
---       print(table.concat(pool:map(square, { 1, 2, 3 }):await(), " ")) --> 1 4 9
---     end)
---@param opts? aimp.PoolOptions
---@return aimp.Pool
function M.Pool(opts)
  local options = options_module.pool(opts, 1)
  pool_count = pool_count + 1
  options.start_method = options.start_method or start_method
  local self = setmetatable({
    options = options,
    state = "open",
    scheduler = schedulers.open(options.scheduler, options.queuecount, options.processes),
    maps = setmetatable({}, { __mode = "k" }), -- live PoolResults
    last_task = 0,           -- ids for the scheduler object
    waiters = {},            -- fibers in join()
    args = buffer.new(),
  }, Pool)
  local max_slots = options.processes + RESIZE_ROOM
  self.backend = local_backend.new(options, max_slots, function() on_change(self) end)
  self.single_queue = options.queuecount == 1 and type(options.scheduler) == "string"
  local spec = self.backend.spec
  spec.count, spec.pin = 1, -1
  launcher.register_exit()
  self.hook = shutdown.on(at_exit(self))
  local ok, err = pcall(self.backend.start, self.backend)
  if not ok then
    self:kill_now("its workers cannot be started")
    error(err, 0)
  end
  return self
end

-- ---- single tasks ----

--- The queue of a task, by the pool's scheduler, and its number there.
function Pool:_choose_queue(fn, args)
  self.last_task = self.last_task + 1
  local id = self.last_task
  local qid = self.scheduler:schedule_task(id, fn, args)
  if type(qid) ~= "number" or qid < 1 or qid > self.options.queuecount or qid % 1 ~= 0 then
    errors.raise_misuse(3, "the pool's scheduler chose queue %s; there are 1 to %d", errors.describe(qid),
      self.options.queuecount)
  end
  return qid, id
end

-- The scheduler's code runs in the middle of ours: its errors are reported, no more.
local function complete(self, id)
  local ok, err = xpcall(self.scheduler.complete_task, errors.handler, self.scheduler, id)
  if not ok then
    fiber.on_error(err)
  end
end

-- Packs arguments into self.args. Hot for no and for one scalar argument.
local function pack(self, n, ...)
  local buf = self.args
  buf:reset()
  if n == 0 then
    return 0, 0
  elseif n == 1 then
    local a = ...
    local kind = type(a)
    if kind == "number" or kind == "string" or kind == "boolean" or kind == "nil" then
      buf:encode(a)
      return 0, 0
    end
  end
  -- __aimp_send of what is packed may submit: that has another buffer
  self.args, self.spare_args = self.spare_args or buffer.new(), nil
  local format, needs = self.backend.sender:pack(buf, n, ...)
  self.args, self.spare_args = buf, self.args
  return format, needs
end

-- Starts a call; self.backend.spec holds all but what is set here.
local function start_call(self, fn, n, ...)
  local backend, spec = self.backend, self.backend.spec
  local queue, pin, priority = spec.queue, spec.pin, spec.priority
  local retries, timeout_ms = spec.retries, spec.timeout_ms
  local key, needs = backend.sender:prepare(fn)
  local format, argument_needs = pack(self, n, ...)
  -- again, as encoding may have submitted something else
  spec.queue, spec.pin, spec.priority = queue, pin, priority
  spec.retries, spec.timeout_ms = retries, timeout_ms
  needs = (argument_needs or 0) > needs and argument_needs or needs
  return calls.start(backend, key, needs, format + lshift(n, 8), self.args)
end

local function set_defaults(self, spec)
  local options = self.options
  spec.queue, spec.pin, spec.priority = 1, -1, 0
  spec.retries = options.retries
  spec.timeout_ms = options_module.timeout_ms(options.timeout)
end

-- The same for a call that the scheduler has the number `id` for; nil: no scheduler was asked.
local function start_scheduled(self, id, fn, n, ...)
  if not id then
    return start_call(self, fn, n, ...)
  end
  local ok, task = pcall(start_call, self, fn, n, ...)
  if not ok then
    complete(self, id)
    error(task, 0)
  end
  task.on_settled = function()
    complete(self, id)
  end
  return task
end

local function call_of(self, fn, n, ...)
  set_defaults(self, self.backend.spec)
  if self.single_queue then
    return start_call(self, fn, n, ...)
  end
  local qid, id = self:_choose_queue(fn, { n = n, ... })
  self.backend.spec.queue = qid
  return start_scheduled(self, id, fn, n, ...)
end

--- Calls fn(...) in a worker. It is queued at once; the task is the handle on it.
---
--- Raises ENCODE for what cannot be sent, with the path to it. The task's errors are REMOTE for what fn
--- raises, WORKER_DIED, TIMEOUT (the pool's), CANCELLED, CLOSED when the pool is terminated, ENCODE and
--- DECODE for results.
---
--- Example:
---     local task = pool:apply(string.rep, "ab", 3)
---     print(task:await()) -- ababab
---@param fn function  may wait
---@param ... any      its arguments; what can be sent
---@return aimp.Task task  its results are all that fn returns
function Pool:apply(fn, ...)
  check_open(self, 1)
  if type(fn) ~= "function" then
    check.arg(1, "pool:apply", 1, fn, "callable")
  end
  return call_of(self, fn, select("#", ...), ...)
end

-- The worker of a key: the same for equal keys while the number of workers stays.
local function slot_of_key(self, key)
  local text = type(key) == "string" and key or tostring(key)
  local hash = 5381 -- djb2 (D. J. Bernstein): short, and good enough to spread keys over few workers
  for i = 1, #text do
    hash = (hash * 33 + text:byte(i)) % 4294967296
  end
  return hash % self.options.processes
end

--- The same as `apply`, with options for this one call.
---
--- Raises ENCODE for what cannot be sent. The task's errors are those of `apply`.
---
--- Example: `local task = pool:submit(render, { page }, { timeout = 5, retries = 1, key = page.user })`
---@param fn function              may wait
---@param args? any[]              its arguments: a list, with field n where it holds nils
---@param opts? aimp.SubmitOptions
---@return aimp.Task task  its results are all that fn returns
function Pool:submit(fn, args, opts)
  check_open(self, 1)
  check.arg(1, "pool:submit", 1, fn, "callable")
  check.arg(1, "pool:submit", 2, args, "table?")
  local options = options_module.submit(opts, 1)
  args = args or { n = 0 }
  local n = args.n or #args
  local spec = self.backend.spec
  local qid, id = 1, nil
  if not self.single_queue then
    qid, id = self:_choose_queue(fn, args)
  end
  set_defaults(self, spec)
  spec.queue, spec.priority = qid, options.priority
  if options.key ~= nil then
    spec.pin = slot_of_key(self, options.key)
  end
  if options.timeout then
    spec.timeout_ms = options_module.timeout_ms(options.timeout)
  end
  if options.retries then
    spec.retries = options.retries
  end
  local task = start_scheduled(self, id, fn, n, unpack(args, 1, n))
  task.name = options.name
  return task
end

--- Calls fn(...) once in every worker, and waits for all. A worker that is replaced later has not been
--- called.
---
--- Raises the first failure, one of those of `apply`, and cancels the other calls.
---
--- Example:
---     local pids = pool:broadcast(function()
---       return require("aimp").pid()
---     end)
---@async
---@param fn function  may wait
---@param ... any      its arguments; what can be sent
---@return any[] values  the first result of each, by worker
function Pool:broadcast(fn, ...)
  check_open(self, 1)
  fiber.waiter(1, "pool:broadcast")
  check.arg(1, "pool:broadcast", 1, fn, "callable")
  local tasks, spec = {}, self.backend.spec
  for slot = 0, self.options.processes - 1 do
    set_defaults(self, spec)
    spec.pin = slot
    tasks[slot + 1] = start_call(self, fn, select("#", ...), ...)
  end
  return require("aimp.gather").gather(tasks)
end

-- ---- the rest ----

--- Figures of the pool and its workers; after its end those of its end.
---
--- Raises nothing but misuse.
---
--- Example:
---     for _, worker in ipairs(pool:stats().workers) do
---       print(worker.id, worker.state, worker.done)
---     end
---@return aimp.PoolStats
function Pool:stats()
  return require("aimp.pool.stats").of(self)
end

--- A pool belongs to the process that made it.
function Pool.__aimp_send()
  error("a pool cannot be sent; make one in the worker, or submit from the process that made this one", 0)
end

Pool.__aimp_recv = Pool.__aimp_send

function Pool:__tostring()
  return ("aimp.Pool: %s (%s, %d workers)"):format(self.options.name, self.state, self.options.processes)
end

return M
