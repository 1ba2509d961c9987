--- A queue in a process that is not its owner's: methods of the stub.
---
--- Items come in batches (offers.lua): for the fibers that wait, which get theirs at once, and some ahead, when
--- items are got faster than they could be asked for one by one. An item is this process's when its claim
--- succeeds; the owner may have taken it back before.
---
---   get ──no batch──► in line, WANT ──ITEMS──► claimed for those in line; the rest lies in the batch
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")
local protocol = require("aimp.shared.queue.protocol")
local source = require("aimp.codec.source")
local waiting = require("aimp.shared.waiting")

local C, FLAG_ERROR = aimp_ffi.C, aimp_ffi.FLAG_ERROR
local band, lshift = bit.band, bit.lshift
local take_checked = source.take_checked

local PLAIN = 0
local AHEAD_MIN, AHEAD_MAX = 16, 256
--- Items that are used up faster than this are asked for ahead.
local FAST_S = 50e-6
--- One who puts without waiting rings the owner after so many items.
local PUTS_A_FLUSH = 32

---@class aimp.shared.QueueStub
local Stub = {}

local M = { Stub = Stub }

local one = ffi.new("uint32_t[1]")

function Stub:init()
  self.line = waiting.new("an item of a queue")
  self.tries = waiting.new("an answer about a queue")
  self.batches, self.first, self.last = {}, 1, 0
  self.wanted = 0     -- items asked for, for fibers in line, that have not come
  self.ahead = 0
  self.is_asked_ahead = false
  self.is_closed, self.is_finished = false, false
  self.puts = 0
  self.buf = buffer.new()
end

local function closed()
  return errors.new("CLOSED", "the queue is closed")
end

local function post(self, op, request, aux)
  self.link:post(op, self.number, request, 0, aux, nil, 0)
end

-- ---- batches ----

-- All of it was claimed, or taken back.
local function exhaust(self, batch)
  self.batches[self.first] = nil
  self.first = self.first + 1
  local per_item = (loop.now() - batch.came) / batch.count
  if per_item < FAST_S then
    self.ahead = math.min(math.max(self.ahead * 2, AHEAD_MIN), AHEAD_MAX)
  else
    self.ahead = 0
  end
  self.is_asked_ahead = false
  self.link:done(self.number, batch.cell, batch.generation)
end

-- The next is asked for before this one is used up.
local function ask_ahead(self, index, batch)
  if self.ahead > 0 and not self.is_asked_ahead and 2 * index >= batch.count and self.first == self.last then
    self.is_asked_ahead = true
    post(self, protocol.WANT, 0, self.ahead)
  end
end

--- Claims the next item that is here. Returns the batch and its place there, or nil.
local function claim(self)
  while self.first <= self.last do
    local batch = self.batches[self.first]
    if C.aimp_port_claim(self.link.port, batch.cell, batch.generation, 1, one) == 1 then
      local index = one[0] + 1
      if index >= batch.count then
        exhaust(self, batch)
      else
        ask_ahead(self, index, batch)
      end
      return batch, index
    end
    exhaust(self, batch)
  end
end

-- The value of an item that was claimed. May wait: an item that is no plain data may need modules.
local function value_of(self, batch, index)
  if batch.values then
    return batch.values[index]
  end
  local value = self.link.receiver:unpack(buffer.new():set(batch.bytes), batch.format, 1)
  if batch.is_error then
    error(errors.new("ENCODE", errors.describe(value.message)), 0)
  end
  return value
end

local function decode_all(data, len, n)
  local buf, values = buffer.new():set(data, len), {}
  for i = 1, n do
    values[i] = take_checked(buf)
  end
  return values
end

local function new_batch(frame, data, len)
  local format, n = band(frame.tag, 0xff), frame.first
  local is_error = band(frame.flags, FLAG_ERROR) ~= 0
  local batch = { cell = frame.cell, generation = frame.generation, count = n, came = loop.now(),
    format = format, is_error = is_error }
  if format == PLAIN and not is_error then
    batch.values = decode_all(data, len, n)
  else
    batch.bytes = ffi.string(data, len)
  end
  return batch
end

-- ---- getting ----

local function want_more(self)
  local missing = self.line:count() - self.wanted
  if missing > 0 then
    self.wanted = self.wanted + missing
    post(self, protocol.WANT, missing, self.ahead)
  elseif missing < 0 then
    self.wanted = self.wanted + missing
    post(self, protocol.UNWANT, -missing, 0)
  end
end

-- Hands what is here to those who wait.
local function serve_line(self)
  while self.line:count() > 0 do
    local batch, index = claim(self)
    if not batch then
      return want_more(self)
    end
    self.line:wake(batch, index)
  end
end

local function take_items(self, frame, data, len)
  self.last = self.last + 1
  self.batches[self.last] = new_batch(frame, data, len)
  if band(frame.flags, protocol.TRY) == 0 then
    self.wanted = math.max(self.wanted - frame.first, 0)
  elseif self.tries:count() > 0 then
    self.tries:wake(claim(self))
  end
  serve_line(self)
end

local function wait(self, line, timeout)
  local executor = self.link.executor
  executor.awaited = executor.awaited + 1
  local ok, batch, index = pcall(line.wait, line, timeout, true)
  executor.awaited = executor.awaited - 1
  if not ok then
    want_more(self)
    error(batch, 0)
  end
  return batch, index
end

local function finish(self, batch, index)
  if not batch or batch == "finished" then
    return false
  end
  return true, value_of(self, batch, index)
end

local function is_relayed(self)
  return self.info and self.info.is_relay
end

function Stub:try_get()
  if is_relayed(self) then
    return self.link:call(self, M.declaration, M.declaration.methods.try_get, nil)
  end
  local f = fiber.waiter(3, "queue:try_get")
  fiber.raise_pending(f)
  local batch, index
  if self.line:count() == 0 then
    batch, index = claim(self)
  end
  if not batch and not self.is_finished then
    post(self, protocol.TRY_GET, 0, 0)
    batch, index = wait(self, self.tries, nil)
  end
  return finish(self, batch, index)
end

--- See the core's.
function Stub:get(_, timeout)
  if self.is_gone then
    error(closed(), 0)
  elseif is_relayed(self) then
    return self.link:call(self, M.declaration, M.declaration.methods.get, timeout)
  elseif timeout == 0 then
    local got, value = self:try_get()
    if not got and not self.is_finished then
      self.line:wait(0)
    end
    return got, value
  end
  local f = fiber.waiter(3, "queue:get")
  fiber.raise_pending(f)
  local batch, index
  if self.line:count() == 0 then
    batch, index = claim(self)
  end
  if not batch and not self.is_finished then
    post(self, protocol.WANT, 1, self.ahead)
    self.wanted = self.wanted + 1
    batch, index = wait(self, self.line, timeout)
  end
  return finish(self, batch, index)
end

-- ---- putting ----

-- An item is safe when it is in the ring: there it outlives this process.
local function await_room(self)
  local link = self.link
  while C.aimp_port_is_congested(link.port) ~= 0 do
    link.room:wait(nil, true)
  end
end

--- See the core's. Where the queue has no bound, it goes without waiting for an answer.
function Stub:put(_, timeout, value)
  local declaration, info = M.declaration, self.info
  if not info then
    info = self.link:info(self, declaration)
  end
  if self.is_closed or info.closed then
    error(closed(), 0)
  elseif info.maxsize > 0 or info.is_relay then
    return self.link:call(self, declaration, declaration.methods.put, timeout, value)
  end
  fiber.raise_pending(fiber.waiter(3, "queue:put"))
  await_room(self)
  local buf = self.buf:reset()
  local format = self.link.sender:pack(buf, 1, value)
  local data, len = buf:ref()
  self.link:post(protocol.PUT, self.number, 0, format + lshift(1, 8), 0, data, len)
  self.puts = self.puts + 1
  if self.puts % PUTS_A_FLUSH == 0 then
    self.link.reply:flush()
  end
end

--- Also after what was put before: requests and puts keep their order.
function Stub:close()
  self.is_closed = true
  return self.link:call(self, M.declaration, M.declaration.methods.close, nil)
end

-- ---- what the owner tells ----

--- A frame of the queue's own.
function Stub:on_tell(op, frame, data, len)
  if op == protocol.ITEMS then
    take_items(self, frame, data, len)
  elseif op == protocol.EMPTY then
    self.tries:wake(nil)
  elseif op == protocol.CLOSED then
    self.is_closed = true
    post(self, protocol.AWARE, 0, 0)
  elseif op == protocol.FINISHED then
    self.is_closed, self.is_finished = true, true
    self.line:wake_all("finished")
    self.tries:wake_all("finished")
  end
end

--- For a process that got the queue from this one: it asks here for each item.
function Stub.attached()
  return { maxsize = 0, is_relay = true, closed = false }
end

return M
