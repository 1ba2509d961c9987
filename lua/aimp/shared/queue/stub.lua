--- A queue in a process that is not its owner's: methods of the stub.
---
--- Items and, with a bound, places for items come in lots (supply.lua). An item is this process's when its
--- claim succeeds; what is put is the owner's when it is in the ring, where it outlives this process.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local protocol = require("aimp.shared.queue.protocol")
local source = require("aimp.codec.source")
local supply = require("aimp.shared.queue.supply")
local waiting = require("aimp.shared.waiting")

local C, FLAG_ERROR = aimp_ffi.C, aimp_ffi.FLAG_ERROR
local band, lshift = bit.band, bit.lshift
local take_checked = source.take_checked

local PLAIN = 0
--- One who puts without waiting rings the owner after so many items.
local PUTS_A_FLUSH = 32

---@class aimp.shared.QueueStub
local Stub = {}

local M = { Stub = Stub, declaration = nil }

local ITEM_OPS = { want = protocol.WANT, unwant = protocol.UNWANT, done = protocol.DONE }
local PLACE_OPS = { want = protocol.WANT_PLACE, unwant = protocol.UNWANT_PLACE, done = protocol.DONE_PLACES,
  ends_by_itself = true } -- with the item for its last place

function Stub:init()
  self.items = supply.new(self.link, self.number, "an item of a queue", ITEM_OPS)
  self.places = supply.new(self.link, self.number, "room in a queue", PLACE_OPS)
  self.tries = waiting.new("an answer about a queue")
  self.is_closed, self.is_finished = false, false
  self.puts = 0
  self.buf = buffer.new()
end

local function closed()
  return errors.new("CLOSED", "the queue is closed")
end

local function call(self, name, ...)
  return self.link:call(self, M.declaration, M.declaration.methods[name], ...)
end

-- What the owner said of the queue. Raises CLOSED when there is none any more.
local function info_of(self)
  return self.info or self.link:info(self, M.declaration)
end

local function check_wait(name)
  fiber.raise_pending(fiber.waiter(4, name))
end

-- ---- getting ----

local function decode_all(data, len, n)
  local buf, values = buffer.new():set(data, len), {}
  for i = 1, n do
    values[i] = take_checked(buf)
  end
  return values
end

local function new_lot(frame, data, len)
  local format, n = band(frame.tag, 0xff), frame.first
  local is_error = band(frame.flags, FLAG_ERROR) ~= 0
  local lot = { cell = frame.cell, generation = frame.generation, count = n, format = format,
    is_error = is_error }
  if format == PLAIN and not is_error then
    lot.values = decode_all(data, len, n)
  else
    lot.bytes = ffi.string(data, len)
  end
  return lot
end

-- The value of an item that was claimed. May wait: one that is no plain data may need modules.
local function value_of(self, lot, index)
  if lot.values then
    return lot.values[index]
  end
  local value = self.link.receiver:unpack(buffer.new():set(lot.bytes), lot.format, 1)
  if lot.is_error then
    error(errors.new("ENCODE", value.message), 0)
  end
  return value
end

local function finish(self, lot, index)
  if not lot or lot == "finished" then
    return false
  end
  return true, value_of(self, lot, index)
end

function Stub:try_get()
  check_wait("queue:try_get")
  if info_of(self).is_relay then
    return call(self, "try_get", nil)
  end
  local items = self.items
  local lot, index
  if items.line:count() == 0 then
    lot, index = items:claim()
  end
  if not lot and not self.is_finished then
    self.link:post(protocol.TRY_GET, self.number, 0, 0, 0, nil, 0)
    lot, index = items:wait_in(self.tries, nil)
  end
  return finish(self, lot, index)
end

--- See the core's.
function Stub:get(_, timeout)
  if timeout == 0 then
    local got, value = self:try_get()
    if not got and not self.is_finished then
      self.items.line:wait(0)
    end
    return got, value
  end
  check_wait("queue:get")
  if info_of(self).is_relay then
    return call(self, "get", timeout)
  elseif self.is_finished then
    return false
  end
  return finish(self, self.items:take(timeout))
end

-- ---- putting ----

local function await_room(link)
  while C.aimp_port_is_congested(link.port) ~= 0 do
    link.room:wait(nil, true)
  end
end

-- Raises ENCODE.
local function send_item(self, value, cell, generation)
  local link, buf = self.link, self.buf:reset()
  local format = link.sender:pack(buf, 1, value)
  local data, len = buf:ref()
  link:post_cell(protocol.PUT, self.number, cell, generation, format + lshift(1, 8), data, len)
  self.puts = self.puts + 1
  if self.puts % PUTS_A_FLUSH == 0 then
    link.reply:flush()
  end
end

local function put_in_place(self, timeout, value)
  local lot = self.places:take(timeout)
  if lot == "closed" then
    error(closed(), 0)
  end
  local ok, err = pcall(send_item, self, value, lot.cell, lot.generation)
  if not ok then
    self.link:post_cell(protocol.SPOILT, self.number, lot.cell, lot.generation, 0, nil, 0)
    error(err, 0)
  end
end

--- See the core's. Waits for no answer.
function Stub:put(_, timeout, value)
  check_wait("queue:put")
  local info = info_of(self)
  if self.is_closed or info.closed then
    error(closed(), 0)
  elseif info.is_relay then
    return call(self, "put", timeout, value)
  end
  await_room(self.link)
  if info.is_bounded then
    return put_in_place(self, timeout, value)
  end
  send_item(self, value, 0, 0)
end

--- Also after what was put before: requests and puts keep their order.
function Stub:close()
  self.is_closed = true
  return call(self, "close", nil)
end

-- ---- what the owner tells ----

local function take_items(self, frame, data, len)
  local items = self.items
  items:add(new_lot(frame, data, len))
  local came = frame.first
  if band(frame.flags, protocol.TRY) ~= 0 then
    came = 0
    if self.tries:count() > 0 then
      self.tries:wake(items:claim())
    end
  end
  items:serve(came)
end

local tells = {
  [protocol.ITEMS] = take_items,
  [protocol.PLACES] = function(self, frame)
    self.places:add({ cell = frame.cell, generation = frame.generation, count = frame.first })
    self.places:serve(frame.first)
  end,
  [protocol.EMPTY] = function(self)
    self.tries:wake(nil)
  end,
  [protocol.CLOSED] = function(self)
    self.is_closed = true
    self.places.line:wake_all("closed")
    self.link:post(protocol.AWARE, self.number, 0, 0, 0, nil, 0)
  end,
  [protocol.FINISHED] = function(self)
    self.is_closed, self.is_finished = true, true
    self.items.line:wake_all("finished")
    self.tries:wake_all("finished")
  end,
}

--- A frame of the queue's own.
function Stub:on_tell(op, frame, data, len)
  local take = tells[op]
  if take then
    take(self, frame, data, len)
  end
end

--- For a process that got the queue from this one: it asks here for each item.
function Stub.attached()
  return { is_relay = true }
end

return M
