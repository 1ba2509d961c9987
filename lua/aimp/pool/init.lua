--- aimp.Pool: work spread over processes.
---
---   open ──close()──► closing ──► closed        closing: what was accepted finishes
---     └──terminate()──► terminating ──► closed   now: tasks fail with CLOSED
---
--- Not here: processes (supervisor.lua), scheduling and channels (local.lua), results of maps (result.lua).
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local check = require("aimp.check")
local calls = require("aimp.pool.calls")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local local_backend = require("aimp.pool.local")
local options_module = require("aimp.pool.options")
local result_module = require("aimp.pool.result")
local schedulers = require("aimp.pool.schedulers")
local shutdown = require("aimp.shutdown")
local buffer = require("string.buffer")

local lshift = bit.lshift
local select, type = select, type

---@class aimp.Pool
local Pool = {}
Pool.__index = Pool
Pool.__name = "aimp.Pool"

local M = {}

--- Workers that resize() may reach beyond the number at the start.
local RESIZE_ROOM = 64

local start_method = "forkserver"
local pool_count = 0

--- How workers are started from now on: "forkserver" (default; "fork" is the same) or "spawn".
---@param method string
function M.set_start_method(method)
  if method ~= "forkserver" and method ~= "fork" and method ~= "spawn" then
    errors.raise_misuse(2, "aimp.set_start_method: unknown method '%s' (known: forkserver, fork, spawn)",
      errors.describe(method))
  end
  start_method = method
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
    maps = {},               -- live PoolResults
    last_task = 0,           -- ids for the scheduler object
    waiters = {},            -- fibers in join()
    args = buffer.new(),
  }, Pool)
  local max_slots = options.processes + RESIZE_ROOM
  self.backend = local_backend.new(options, max_slots, function() on_change(self) end)
  self.single_queue = options.queuecount == 1 and type(options.scheduler) == "string"
  local spec = self.backend.spec
  spec.count, spec.pin = 1, -1
  self.hook = shutdown.on(at_exit(self))
  local ok, err = pcall(self.backend.start, self.backend)
  if not ok then
    self:kill_now("its workers cannot be started")
    error(err, 0)
  end
  return self
end

local function check_open(self, level)
  if getmetatable(self) ~= Pool then
    errors.raise_misuse(level + 2, "not a pool; call its methods with a colon, as in pool:apply(fn)")
  elseif self.state ~= "open" then
    errors.raise_misuse(level + 2, "pool '%s' is closed", self.options.name)
  elseif self.backend.broken then
    error(self.backend.broken, 0)
  end
end

-- ---- single tasks ----

-- The queue of a task, by the pool's scheduler.
local function choose_queue(self, fn, args)
  self.last_task = self.last_task + 1
  local id = self.last_task
  local qid = self.scheduler:schedule_task(id, fn, args)
  if type(qid) ~= "number" or qid < 1 or qid > self.options.queuecount or qid % 1 ~= 0 then
    errors.raise_misuse(3, "the pool's scheduler chose queue %s; there are 1 to %d", errors.describe(qid),
      self.options.queuecount)
  end
  return qid, id
end

local function completes(self, task, id)
  task.on_settled = function()
    self.scheduler:complete_task(id)
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
  return self.backend.sender:pack(buf, n, ...)
end

-- Starts a call; self.backend.spec holds all but what is set here.
local function start_call(self, fn, n, ...)
  local backend = self.backend
  local key, needs = backend.sender:prepare(fn)
  local format, argument_needs = pack(self, n, ...)
  local spec = backend.spec
  spec.fn, spec.tag = key, format + lshift(n, 8)
  spec.needs = (argument_needs or 0) > needs and argument_needs or needs
  spec.group, spec.base = 0, 0
  local task = calls.new(backend)
  local data, len = self.args:ref()
  local ok, err = pcall(backend.submit, backend, task._owner, 1, data, len)
  if not ok then
    backend:remove_owner(task._owner)
    error(err, 0)
  end
  return task
end

local function set_defaults(self, spec)
  local options = self.options
  spec.queue, spec.pin, spec.priority = 1, -1, 0
  spec.retries = options.retries
  spec.timeout_ms = options_module.timeout_ms(options.timeout)
end

local function call_of(self, fn, n, ...)
  set_defaults(self, self.backend.spec)
  if self.single_queue then
    return start_call(self, fn, n, ...)
  end
  local qid, id = choose_queue(self, fn, { n = n, ... })
  self.backend.spec.queue = qid
  local task = start_call(self, fn, n, ...)
  completes(self, task, id)
  return task
end

--- Calls fn(...) in a worker; starts at once.
---@param fn function
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

--- The same as apply, with options for this one call.
---@param fn function
---@param args? any[]              a list, may have n
---@param opts? aimp.SubmitOptions
---@return aimp.Task
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
    qid, id = choose_queue(self, fn, args)
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
  local task = start_call(self, fn, n, unpack(args, 1, n))
  task.name = options.name
  if id then
    completes(self, task, id)
  end
  return task
end

--- Calls fn(...) once in every worker.
---@async
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

-- ---- maps ----

local function source_of(level, fname, items)
  if type(items) == "function" then
    return { iterator = items }
  elseif type(items) == "table" then
    local count = items.n or #items
    check.arg(level + 1, fname, 2, count, "integer")
    return { list = items, count = count }
  end
  local meta = getmetatable(items)
  if type(meta) == "table" and meta.__call then
    return { iterator = items }
  end
  errors.raise_misuse(level + 2, "bad argument #2 to '%s' (expected a list or an iterator function, got a %s)",
    fname, type(items))
end

local function check_lists(source)
  for i = 1, source.count or 0 do
    if type(source.list[i]) ~= "table" then
      errors.raise_misuse(3, "pool:starmap: item %d is a %s; each must be a list of arguments", i,
        type(source.list[i]))
    end
  end
end

local function queue_chooser(self, fn)
  if self.single_queue then
    return function() return 1 end
  end
  return function(items)
    local qid, id = choose_queue(self, fn, items)
    self.scheduler:complete_task(id)
    return qid
  end
end

local function start_map(self, fname, fn, items, opts, spread)
  check.arg(2, fname, 1, fn, "callable")
  local source = source_of(2, fname, items)
  if spread then
    check_lists(source)
  end
  local options = options_module.map(fname, opts, 2)
  options.timeout_ms = options_module.timeout_ms(options.timeout or self.options.timeout)
  options.retries = options.retries or self.options.retries
  local key, needs = self.backend.sender:prepare(fn)
  local result = result_module.new(self.backend, {
    key = key, needs = needs, spread = spread, fn_name = "an item of " .. fname, queue = queue_chooser(self, fn),
  }, source, options)
  self.maps[result] = true
  result:start()
  return result
end

--- Calls fn(item) for each item. Await the result for a list, or iterate over it for a stream.
---@param fn function
---@param items any[]|fun(): any  a list (may hold nils if it has n), or an iterator that is read lazily
---@param opts? aimp.MapOptions
---@return aimp.PoolResult
function Pool:map(fn, items, opts)
  check_open(self, 1)
  local result = start_map(self, "pool:map", fn, items, opts, false)
  return result
end

--- Calls fn(unpack(list)) for each list.
---@param fn function
---@param lists any[][]|fun(): any[]
---@param opts? aimp.MapOptions
---@return aimp.PoolResult
function Pool:starmap(fn, lists, opts)
  check_open(self, 1)
  local result = start_map(self, "pool:starmap", fn, lists, opts, true)
  return result
end

-- ---- ending ----

local function each_map(self, fn)
  for map in pairs(self.maps) do
    if map.owner or map.feeder then
      fn(map)
    else
      self.maps[map] = nil
    end
  end
end

local function has_work(self)
  local any = self.backend.outstanding > 0
  each_map(self, function(map)
    any = any or not (map:is_done() or map.failure)
  end)
  return any
end

local function wake_joiners(self)
  local waiters = self.waiters
  self.waiters = {}
  for i = 1, #waiters do
    fiber.wake(waiters[i])
  end
end

--- Goes on with closing as far as possible; called whenever something happened.
function Pool:advance()
  local backend = self.backend
  if self.state == "closing" and not has_work(self) then
    self.state = "stopping"
    backend.supervisor:stop_all()
  end
  if (self.state == "stopping" or self.state == "terminating") and backend.supervisor:is_empty() then
    self.state = "closed"
    shutdown.off(self.hook)
    backend:free()
    wake_joiners(self)
  end
end

--- No new work; what was accepted finishes, then the workers end. Returns at once.
function Pool:close()
  if self.state ~= "open" then
    return
  end
  self.state = "closing"
  self.backend.is_awaited = true
  each_map(self, function(map) map:unbind_window() end)
  self:advance()
end

--- Ends the workers now; tasks that have not settled fail with CLOSED. Returns at once.
function Pool:terminate()
  if self.state == "closed" or self.state == "terminating" then
    return
  end
  self.state = "terminating"
  self.backend.is_awaited = true
  self.backend:kill(errors.new("CLOSED", ("pool '%s' was terminated"):format(self.options.name)))
  self:advance()
end

-- At exit: the loop will not run any more.
function Pool:kill_now(why)
  if self.state == "closed" then
    return
  end
  self.state = "closed"
  shutdown.off(self.hook)
  local backend = self.backend
  backend.closed, backend.supervisor.respawn = true, false
  backend:fail_all(errors.new("CLOSED", ("pool '%s' ended: %s"):format(self.options.name, why)), true)
  backend.supervisor:abandon()
  backend:free()
  wake_joiners(self)
end

local function withdraw(f)
  local waiters = f.joins.waiters
  for i = 1, #waiters do
    if waiters[i] == f then
      return table.remove(waiters, i)
    end
  end
end

--- Waits until all workers are gone; after close() or terminate().
---@async
function Pool:join()
  local f = fiber.waiter(1, "pool:join")
  if self.state == "open" then
    errors.raise_misuse(2, "pool:join: pool '%s' is still open; call close() or terminate() first",
      self.options.name)
  end
  while self.state ~= "closed" do
    self.waiters[#self.waiters + 1] = f
    f.joins = self
    fiber.wait(withdraw, "the workers of a pool to end")
  end
end

-- ---- the rest ----

--- More or fewer workers. Those that go finish what they run first; nothing is lost.
---@param count integer
function Pool:resize(count)
  check_open(self, 1)
  check.arg(1, "pool:resize", 1, count, "integer")
  local max = self.backend.max_slots
  if count < self.options.queuecount or count < 1 or count > max then
    errors.raise_misuse(2, "pool:resize: %d workers; this pool can have %d to %d", count,
      math.max(1, self.options.queuecount), max)
  end
  self.options.processes = count
  self.backend.supervisor:resize(count)
end

--- Figures of the pool and its workers.
---@return table
function Pool:stats()
  return require("aimp.pool.stats").of(self)
end

function Pool:__tostring()
  return ("aimp.Pool: %s (%s, %d workers)"):format(self.options.name, self.state, self.options.processes)
end

return M
