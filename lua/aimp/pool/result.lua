--- PoolResult: what pool:map and pool:starmap give. Awaited it is a list, iterated a stream.
---
--- A stream's items are at most `window` ahead of its consumer; await() has no window.
---
---   items ──supply──► units in flight ──► store ──► await() or iteration
---
--- Not here: reading items and packing units (supply.lua), where results are kept (store.lua).
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local bit = require("bit")
local aimp_ffi = require("aimp.ffi")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local store_module = require("aimp.pool.store")
local supply = require("aimp.pool.supply")
local wire = require("aimp.pool.wire")

local C, FLAG_ERROR = aimp_ffi.C, aimp_ffi.FLAG_ERROR
local FAILED, MISSING = store_module.FAILED, store_module.MISSING

--- What `pool:map` and `pool:starmap` give: awaited it is a list, iterated a stream. A stream is at most
--- `window` items ahead of its consumer, so the input may have no end. Who leaves an iteration
--- early frees the rest with `cancel`.
---@class aimp.PoolResult
---@field private start function
---@field private pull function
---@field private unbind_window function
local PoolResult = {}
PoolResult.__index = PoolResult

local M = {}

local last_group = 0

---@param backend aimp.LocalBackend
---@param job {key: integer, needs: integer, spread: boolean, fn_name: string,
---  queue: (fun(items: table, lo: integer, hi: integer): integer, integer?), tickets: aimp.Tickets}
---@param source {list: table?, count: integer?, iterator: function?}
---@param options aimp.MapOptions  checked; timeout and retries already those of the pool where unset
---@return aimp.PoolResult
function M.new(backend, job, source, options)
  last_group = last_group + 1
  local self = setmetatable({
    backend = backend, job = job, options = options, name = job.fn_name,
    list = source.list, iterator = source.iterator,
    total = source.count,          -- nil until an iterator ended
    group = last_group,
    store = store_module.new(),
    chunker = ffi.new("struct chunker"),
    pulled = 0,                    -- items taken from the source
    in_flight = 0,                 -- submitted and not settled
    sent = {},                     -- shared objects that its items hold
    consumed = 0,                  -- taken by the stream's consumer
    window = options.window,
    is_unordered = false, is_awaited = false,
    failure = nil,                 -- what waiting calls raise; set once
    cut_short = nil,               -- what they raise after the last result: not all input was read
    ended = false,                 -- nothing more will be pulled
    waiters = {},                  -- fibers in await() or in an iteration
    consumer = nil, feeder = nil,  -- the fiber that iterated last, the one that reads the iterator
    follower = nil,                -- shows how far it is
  }, PoolResult)
  C.aimp_chunker_init(self.chunker, supply.CHUNK_MAX)
  self.owner = backend:add_owner(self)
  return self
end

-- ---- what the backend tells ----

---@private
function PoolResult:settled(index, count)
  self.in_flight = self.in_flight - count
  self.job.tickets:settle(index, count)
end

---@private
function PoolResult:on_result(event, receiver)
  local index, count = tonumber(event.index), event.count
  self:settled(index, count)
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

---@private
function PoolResult:on_failed(index, count, err)
  self:settled(index, count)
  if not self.failure then
    self:items_failed(index, count, err)
  end
  self:progressed()
end

---@private
function PoolResult:on_abandoned(err)
  self.in_flight = 0
  self.job.tickets:settle_all()
  self:fail(err)
end

---@private
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

---@private
function PoolResult:progressed()
  self:pull()
  self:finish_if_done()
  self:settle_waiters()
end

---@private
function PoolResult:is_done()
  return self.ended and self.in_flight == 0 and not self.feeder
end

local function finish_progress(self)
  if self.follower then
    self.follower:finish()
  end
end

---@private
function PoolResult:finish_if_done()
  if self.in_flight == 0 and self.owner and (self.failure or self:is_done()) then
    self.backend:remove_owner(self.owner)
    self.owner = nil
    finish_progress(self)
    fiber.soon(self.backend.on_change) -- a pool that closes may have waited for this
  end
end

--- Ends it: nothing more is pulled, what is queued is taken back, waiting calls raise.
---@private
function PoolResult:fail(err)
  if self.failure then
    return
  end
  self.failure, self.failure_traceback = err, err.traceback
  self.ended, self.list = true, nil
  finish_progress(self)
  supply.stop_feeder(self)
  if self.in_flight > 0 then
    self.backend:cancel_group(self.group)
  end
  self:finish_if_done()
  self:settle_waiters()
end

-- ---- waiting ----

---@private
function PoolResult:settle_waiters()
  local waiters = self.waiters
  self.waiters = waiters[1] and {} or waiters
  for i = 1, #waiters do
    fiber.wake(waiters[i])
  end
end

local function withdraw(f)
  local waiters = f.waits_for.waiters
  f.waits_for = nil
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
  f.waits_for = nil -- a fiber outlives the results that it once waited for
end

-- Raises the failure, with the stack of the public function's caller put after that of where it was raised.
local function raise(self)
  local err = self.failure
  err.traceback = errors.join_tracebacks(self.failure_traceback, debug.traceback("", 3):sub(2))
  error(err, 0)
end

--- Waits for all results. May be called again, but not after an iteration has taken some of them.
---
--- Raises the first failure, an error of `pool:apply` whose field `item` is the place of the item that
--- failed, and cancels the rest. What the iterator of the items raises comes in the same way; CLOSED means
--- that the pool ended.
---
--- Example: `local sizes = pool:map(measure, paths):await()`
---@async
---@return any[] values  the first value of each call in the order of the items; field n is how many
function PoolResult:await()
  local f = fiber.waiter(1, "result:await()")
  if self.consumed > 0 and not self.is_awaited and not self.failure then
    errors.raise_misuse(2, "result:await(): its values were already taken by an iteration")
  end
  self.is_awaited, self.window = true, math.huge
  if self.total then
    self.store:reserve(self.total - 1)
  end
  if self.first_error then
    self:fail(self.first_error)
  end
  if self.follower then
    self.follower:begin(self)
  end
  self:pull()
  while not self.failure and not self:is_done() do
    wait(self, f, "the results of a map")
  end
  self.failure = self.failure or self.cut_short
  if self.failure then
    raise(self)
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
    raise(self)
  end
  self:pull()
  if all then
    return index + 1, unpack(all, 1, all.n)
  end
  return index + 1, value
end

--- Iterates over the results as a stream: in the order of the items, or of completion after `unordered`.
--- Each step waits for one.
---
--- Raises the failure of an item in its turn, and cancels the rest; CLOSED when the pool ended before the
--- input was read.
---
--- Example:
---     for i, size, pid in pool:map(measure, paths) do
---       print(paths[i], size, pid)
---     end
---@async
---@return integer? index  place of the item, from 1; nil at the end
---@return any ...         all values of its call
function PoolResult:__call()
  local f = fiber.waiter(1, "iterating over a map's results")
  self.consumer = f
  if self.follower then
    self.follower:begin(self)
  end
  while true do
    if self.failure then
      raise(self)
    end
    local index = next_index(self)
    if index then
      return give(self, index)
    elseif not self:is_done() or self.consumed < self.pulled then
      wait(self, f, "the next result of a map")
    elseif not self.cut_short then
      return nil
    else
      self:fail(self.cut_short)
    end
  end
end

--- The same stream in the order of completion: an item that takes long holds up no other.
---
--- Raises nothing.
---
--- Example:
---     for i, value in pool:map(work, items):unordered() do
---       print(items[i], value)
---     end
---@return aimp.PoolResult self
function PoolResult:unordered()
  self.is_unordered = true
  self.store:track_arrivals(self.pulled - 1)
  return self
end

--- Shows a progress bar while it is awaited or iterated over.
---@param options aimp.ProgressOptions  checked
function PoolResult:_show_progress(options)
  self.follower = require("aimp.progress.follow").new(options)
end

--- Stops it: queued items are taken back, running ones cancelled, buffered results freed. Calls that wait
--- for it, and later ones, raise CANCELLED. Does nothing where all is done.
---
--- Raises nothing.
---
--- Example:
---     local result = pool:map(search, places)
---     for _, found in result:unordered() do
---       if found then
---         result:cancel()
---         break
---       end
---     end
---@param reason? string  the error's message
function PoolResult:cancel(reason)
  if self:is_done() then
    return
  end
  self:fail(errors.new("CANCELLED", reason or "the map was cancelled"))
  self.store = store_module.new()
end

PoolResult.start, PoolResult.pull, PoolResult.unbind_window = supply.start, supply.pull, supply.unbind_window

return M
