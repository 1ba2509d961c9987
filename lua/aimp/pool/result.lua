--- PoolResult: what pool:map and pool:starmap give. Awaited it is a list, iterated a stream.
---
--- It pulls its items as workers take them: a list directly, an iterator in a fiber of its own (so that it
--- may wait). A stream's items are at most `window` ahead of its consumer; await() has no window.
---
---   items ──pull──► units in flight ──► store ──► await() or iteration
---
--- Not here: packing (wire.lua), where slots are kept (store.lua).
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local bit = require("bit")
local aimp_ffi = require("aimp.ffi")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local store_module = require("aimp.pool.store")
local wire = require("aimp.pool.wire")

local C, FLAG_ERROR = aimp_ffi.C, aimp_ffi.FLAG_ERROR
local FAILED = store_module.FAILED
local MISSING = store_module.MISSING

--- No chunk is larger, however fast its items.
local CHUNK_MAX = 8192

---@class aimp.PoolResult
---@operator call: any
local PoolResult = {}
PoolResult.__index = PoolResult

local M = {}

local last_group = 0

---@param backend aimp.LocalBackend
---@param job {key: integer, needs: integer, queue: fun(count): integer, spread: boolean, fn_name: string}
---@param source {list: table?, count: integer?, iterator: function?}
---@param options aimp.MapOptions  checked; timeout and retries already those of the pool where unset
---@return aimp.PoolResult
function M.new(backend, job, source, options)
  last_group = last_group + 1
  local self = setmetatable({
    backend = backend, job = job, options = options,
    name = job.fn_name,
    list = source.list, iterator = source.iterator,
    total = source.count,          -- nil until an iterator ended
    group = last_group,
    store = store_module.new(),
    chunker = ffi.new("struct chunker"),
    pulled = 0,                    -- items taken from the source
    in_flight = 0,                 -- submitted and not settled
    consumed = 0,                  -- taken by the stream's consumer
    window = options.window,
    is_unordered = false, is_awaited = false,
    failure = nil,                 -- what await() raises; set once
    ended = false,                 -- nothing more will be pulled
    waiters = {},                  -- fibers in await() or in an iteration
    feeder = nil, feeder_waits = false,
  }, PoolResult)
  C.aimp_chunker_init(self.chunker, CHUNK_MAX)
  self.owner = backend:add_owner(self)
  return self
end

-- ---- pulling ----

-- Items that may be in flight: two units in hand for each worker, or its slots filled.
local function flight_limit(self, chunk)
  local options = self.backend.options
  return options.processes * math.max(options.childconcurrency + 2, 3 * chunk)
end

local function chunk_size(self)
  if self.options.timeout_ms > 0 then
    return 1 -- each item has its own deadline
  elseif self.options.chunksize then
    return self.options.chunksize
  end
  local remaining = self.total and self.total - self.pulled or -1
  return C.aimp_chunker_next(self.chunker, remaining, self.backend.options.processes)
end

--- How many items to pull now; 0: none.
local function room(self)
  if self.ended or self.failure then
    return 0
  end
  local chunk = chunk_size(self)
  if self.in_flight + chunk > flight_limit(self, chunk) and self.in_flight > 0 then
    return 0
  end
  return math.min(chunk, self.window - (self.pulled - self.consumed))
end

local function submit_items(self, items, lo, hi)
  local job, backend, options = self.job, self.backend, self.options
  local tag, needs, data, len = wire.pack_items(backend.sender, items, lo, hi, job.spread)
  local count = hi - lo + 1
  self.store:reserve(self.pulled + count - 1)
  local spec = backend.spec
  spec.group, spec.base = self.group, self.pulled
  spec.fn, spec.tag = job.key, tag
  spec.needs = math.max(needs, job.needs)
  spec.queue, spec.pin, spec.priority = job.queue(count), -1, options.priority
  spec.retries, spec.timeout_ms = options.retries, options.timeout_ms
  self.pulled = self.pulled + count
  self.in_flight = self.in_flight + count
  backend:submit(self.owner, count, data, len)
end

-- Pulls from a list while there is room.
local function pull_list(self)
  local n = room(self)
  while n > 0 do
    local lo = self.pulled + 1
    local hi = math.min(lo + n - 1, self.total)
    if hi >= lo then
      submit_items(self, self.list, lo, hi)
    end
    if self.pulled >= self.total then
      self.ended, self.list = true, nil
    end
    n = room(self)
  end
end

-- The feeder's body: pulls from an iterator, which may wait.
local function feed(self)
  local iterator = self.iterator
  while not self.ended do
    local n = room(self)
    if n <= 0 then
      self.feeder_waits = true
      fiber.wait(nil, "room for more items of a map")
    else
      local items, count = {}, 0
      while count < n and not self.ended do
        local item = iterator()
        if item == nil then
          self.ended, self.total = true, self.pulled + count
        else
          count = count + 1
          items[count] = item
        end
      end
      if count > 0 and not self.failure then
        submit_items(self, items, 1, count)
      end
    end
  end
end

local function feeder_stopped(feeder, state, err)
  local self = feeder.result
  if state == "error" then
    self:fail(errors.wrap(err, debug.traceback(feeder.co)))
  end
  if state ~= "wait" then
    self.feeder = nil
    self:settle_waiters()
  end
end

--- Pulls what there is room for. Raises only from start().
function PoolResult:pull()
  if self.feeder then
    if self.feeder_waits and (room(self) > 0 or self.ended) then
      self.feeder_waits = false
      fiber.wake(self.feeder)
    end
  elseif self.list and not self.ended then
    local ok, err = pcall(pull_list, self)
    if not ok then
      self:fail(errors.wrap(err))
    end
  end
end

--- Begins; what the first items refuse to send is raised here, at the call.
function PoolResult:start()
  if self.list then
    local ok, err = pcall(pull_list, self)
    if not ok then
      self:fail(err)
      error(err, 0)
    end
    self:finish_if_done()
    return
  end
  self.feeder = fiber.new(feed)
  self.feeder.result, self.feeder.on_stop = self, feeder_stopped
  fiber.start(self.feeder, self)
end

-- ---- what the backend tells ----

function PoolResult:on_result(event, receiver)
  local index, count = tonumber(event.index), event.count
  self.in_flight = self.in_flight - count
  if self.failure then
    return self:finish_if_done()
  end
  local failure
  if bit.band(event.flags, FLAG_ERROR) ~= 0 then
    failure = wire.unpack_error(receiver, event.tag, event.data, event.len)
  else
    failure = wire.unpack_batch(receiver, event.tag, event.data, event.len, index, count, self.store)
  end
  if failure then
    self:items_failed(index, count, failure)
  else
    C.aimp_chunker_observe(self.chunker, count, event.wall_ns)
  end
  self:progressed()
end

function PoolResult:on_failed(index, count, err)
  self.in_flight = self.in_flight - count
  if not self.failure then
    self:items_failed(index, count, err)
  end
  self:progressed()
end

function PoolResult:on_abandoned(err)
  self.in_flight = 0
  self:fail(err)
end

function PoolResult:items_failed(index, count, err)
  err.item = index + 1
  for i = index, index + count - 1 do
    self.store:store_failure(i, err)
  end
  self.first_error = self.first_error or err
  if self.is_awaited then
    self:fail(err)
  end
end

function PoolResult:progressed()
  self:pull()
  self:finish_if_done()
  self:settle_waiters()
end

function PoolResult:is_done()
  return self.ended and self.in_flight == 0 and not self.feeder
end

function PoolResult:finish_if_done()
  if self.in_flight == 0 and self.owner and (self.failure or self:is_done()) then
    self.backend:remove_owner(self.owner)
    self.owner = nil
  end
end

--- Ends it: nothing more is pulled, what is queued is taken back, waiting calls raise.
function PoolResult:fail(err)
  if self.failure then
    return
  end
  self.failure = err
  self.ended, self.list, self.store.extra = true, nil, nil
  self.backend:cancel_group(self.group)
  self:pull() -- lets a waiting feeder see the end
  self:finish_if_done()
  self:settle_waiters()
end

-- ---- waiting ----

function PoolResult:settle_waiters()
  local waiters = self.waiters
  if waiters[1] then
    self.waiters = {}
    for i = 1, #waiters do
      fiber.wake(waiters[i])
    end
  end
end

local function withdraw(f)
  local waiters = f.waits_for.waiters
  for i = 1, #waiters do
    if waiters[i] == f then
      return table.remove(waiters, i)
    end
  end
end

local function wait(self, f, what)
  self.waiters[#self.waiters + 1] = f
  f.waits_for = self
  fiber.wait(withdraw, what)
end

--- Waits for all results. The first failure raises and cancels the rest. May be called again.
---@async
---@return any[] values  the first value of each call, with field n
function PoolResult:await()
  local f = fiber.waiter(1, "result:await()")
  if self.consumed > 0 then
    errors.raise_misuse(2, "result:await(): its values were already taken by an iteration")
  end
  self.is_awaited, self.window = true, math.huge
  if self.total then
    self.store:reserve(self.total - 1)
  end
  if self.first_error then
    self:fail(self.first_error)
  end
  self:pull()
  while not self.failure and not self:is_done() do
    wait(self, f, "the results of a map")
  end
  if self.failure then
    error(self.failure, 0)
  end
  local values = self.store.values
  values.n = self.total
  return values
end

-- ---- streaming ----

-- The index that the stream gives next, or nil: it has not arrived.
local function next_index(self)
  if self.is_unordered then
    return self.store:next_arrived()
  elseif self.consumed < self.pulled and self.store:state_of(self.consumed) ~= MISSING then
    return self.consumed
  end
end

local function give(self, index)
  local read = self.is_awaited and self.store.peek or self.store.take
  local state, value, all = read(self.store, index)
  self.consumed = self.consumed + 1
  if state == FAILED then
    self:fail(value)
    error(value, 0)
  end
  self:pull()
  if all then
    return index + 1, unpack(all, 1, all.n)
  end
  return index + 1, value
end

--- One step of `for i, value… in result do`.
---@async
function PoolResult:__call()
  local f = fiber.waiter(1, "iterating over a map's results")
  while true do
    if self.failure then
      error(self.failure, 0)
    end
    local index = next_index(self)
    if index then
      return give(self, index)
    elseif self:is_done() and self.consumed >= self.pulled then
      return nil
    end
    wait(self, f, "the next result of a map")
  end
end

--- The same stream in order of completion.
---@return aimp.PoolResult
function PoolResult:unordered()
  self.is_unordered = true
  self.store:track_arrivals(self.pulled - 1)
  return self
end

--- Stops it: queued items are taken back, running ones cancelled, buffered results freed. Waiting calls
--- and later ones raise CANCELLED.
---@param reason? string
function PoolResult:cancel(reason)
  if self:is_done() and self.in_flight == 0 then
    return
  end
  self:fail(errors.new("CANCELLED", reason or "the map was cancelled"))
  self.store = store_module.new()
end

--- The pool closes: what was accepted must be able to end without its consumer.
function PoolResult:unbind_window()
  if self.list or not self.feeder then
    self.window = math.huge
    self:pull()
  elseif #self.waiters == 0 then
    self.ended = true
    self.total = self.pulled
    self:pull()
  end
end

return M
