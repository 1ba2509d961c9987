--- A queue in a process that is not its owner's: methods of the stub.
---
--- Items and, with a bound, places for items come in lots (supply.lua); without a bound what is put needs the
--- process's permit (permits.lua). An item is this process's when its claim succeeds; what is put is the
--- owner's when it is in the ring, where it outlives this process.
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
local stubs = require("aimp.shared.stubs")
local supply = require("aimp.shared.queue.supply")
local waiting = require("aimp.shared.waiting")

local C, FLAG_ERROR = aimp_ffi.C, aimp_ffi.FLAG_ERROR
local band, lshift = bit.band, bit.lshift
local take = source.take

local PLAIN = 0
--- One who puts without waiting rings the owner after so many items.
local PUTS_A_FLUSH = 32

---@class aimp.shared.QueueStub
local Stub = {}

local M = { Stub = Stub, declaration = nil }

local ITEM_OPS = { want = protocol.WANT, unwant = protocol.UNWANT, done = protocol.DONE,
  give_back = protocol.GIVE_BACK }
local PLACE_OPS = { want = protocol.WANT_PLACE, unwant = protocol.UNWANT_PLACE, done = protocol.DONE_PLACES }

function Stub:init()
  self.items = supply.new(self.link, self.number, "an item of a queue", ITEM_OPS)
  self.places = supply.new(self.link, self.number, "room in a queue", PLACE_OPS)
  self.tries = waiting.new("an answer about a queue") -- the tag is the try's number
  self.tried, self.answered = 0, 0
  self.is_closed, self.is_finished = false, false
  self.puts = 0
  self.buf = buffer.new()
end

local function call(self, name, ...)
  return self.link:call(self, M.declaration, M.declaration.methods[name], ...)
end

-- What the owner said of the queue. Raises CLOSED when there is none any more.
local function info_of(self)
  return self.info or self.link:info(self, M.declaration)
end

local function refuse_closed(self)
  if self.is_closed or self.info.closed then
    error(errors.new("CLOSED", "the queue is closed"), 0)
  end
end

-- To be called by a method that a front's calls.
local function check_wait(name)
  fiber.raise_pending(fiber.waiter(3, name))
end

-- Seconds of a deadline that are left; nil: there is none.
local function left_until(deadline)
  return deadline and math.max(deadline - loop.now(), 0)
end

-- ---- getting ----

local function decode_all(data, len, n)
  local buf, values = buffer.new():set(data, len), {}
  for i = 1, n do
    values[i] = take(buf)
  end
  return values
end

local function new_lot(frame, data, len)
  local format, n = band(frame.tag, 0xff), frame.first
  local lot = { cell = frame.cell, generation = frame.generation, count = n, format = format }
  if band(frame.flags, FLAG_ERROR) ~= 0 then
    lot.fault = take(buffer.new():set(data, len))
  elseif format == PLAIN then
    lot.values = decode_all(data, len, n)
  else
    lot.bytes, lot.ends_later = ffi.string(data, len), true
  end
  return lot
end

-- May wait, as modules may be needed. The owner keeps what the item holds, such as other queues, until it is
-- told that all is here.
local function decode_item(self, lot)
  local receiver = self.link.receiver
  local ok, value = pcall(receiver.unpack, receiver, buffer.new():set(lot.bytes), lot.format, 1)
  self.items:done(lot)
  if not ok then
    error(value, 0)
  end
  return value
end

-- An item that was claimed.
local function item_of(self, lot, index)
  if type(lot) ~= "table" then -- there is none
    return false
  elseif lot.values then
    return true, lot.values[index]
  elseif lot.fault then
    error(errors.new(errors.codes[lot.fault.code] or "REMOTE", lot.fault.message), 0)
  end
  return true, decode_item(self, lot)
end

-- Asks the owner for an item of this moment.
local function ask_once(self)
  local items, lot, index = self.items, nil, nil
  while not lot and not self.is_finished do
    self.tried = self.tried + 1
    self.link:post(protocol.TRY_GET, self.number, 0, 0, 0, nil, 0)
    local word = items:wait_in(self.tries, nil, self.tried)
    if not word then
      return nil -- there is none
    elseif word == "called" then
      lot, index = items:claim()
      items:serve()
    end
  end
  return lot, index
end

local function try_get(self)
  if self.info.is_relay then
    return call(self, "try_get", nil)
  end
  local lot, index = self.items:claim_if_free()
  if not lot then
    lot, index = ask_once(self)
  end
  return item_of(self, lot, index)
end

--- See the core's.
function Stub:try_get()
  check_wait("queue:try_get")
  info_of(self)
  return try_get(self)
end

local function get_now(self)
  local got, value = try_get(self)
  if not got and not self.is_finished then
    self.items.line:wait(0) -- raises TIMEOUT
  end
  return got, value
end

--- See the core's.
function Stub:get(_, timeout)
  check_wait("queue:get")
  if info_of(self).is_relay then
    return call(self, "get", timeout)
  elseif timeout == 0 then
    return get_now(self)
  elseif self.is_finished then
    return false
  end
  return item_of(self, self.items:take(timeout))
end

-- ---- putting ----

local function await_room(link, deadline)
  while C.aimp_port_is_congested(link.port) ~= 0 do
    link.room:wait(left_until(deadline), true)
  end
end

local one = ffi.new("uint32_t[1]")

-- Claims a put. Raises CLOSED, TIMEOUT.
local function claim_permit(self, deadline)
  local link = self.link
  while true do
    refuse_closed(self)
    local permit = link.permit
    if permit and C.aimp_port_claim(link.port, permit.cell, permit.generation, 1, one) == 1 then
      return permit
    elseif permit then
      link.permit = nil
      link:post_cell(stubs.DONE_PERMIT, 0, permit.cell, permit.generation, 0, nil, 0)
    end
    self.items:wait_in(link.permits, left_until(deadline))
  end
end

-- The same, with a bound.
local function claim_place(self, deadline)
  local place = self.places:take(left_until(deadline))
  if place == "closed" then
    refuse_closed(self)
  end
  return place
end

-- Sends what was packed as the item of a place or of a permit.
local function send_item(self, place, format, data, len)
  local tag = format + lshift(1, 8)
  self.link:post_cell(protocol.PUT, self.number, place.cell, place.generation, tag, data, len)
  if place.unsent then
    self.places:sent(place)
  end
  self.puts = self.puts + 1
  if self.puts % PUTS_A_FLUSH == 0 then
    self.link.reply:flush()
  end
end

-- The item as it is now, in a buffer of the caller's. Raises ENCODE.
local function pack(self, value)
  local buf = self.buf or buffer.new()
  self.buf = nil -- __aimp_send of a value may put something itself
  local ok, format = pcall(self.link.sender.pack, self.link.sender, buf:reset(), 1, value)
  if not ok then
    self.buf = buf
    error(format, 0)
  end
  return buf, format
end

local function put_now(self, value)
  if not call(self, "try_put", nil, value) then
    self.places.line:wait(0) -- raises TIMEOUT
  end
end

--- See the core's. Waits for no answer.
function Stub:put(_, timeout, value)
  check_wait("queue:put")
  info_of(self)
  refuse_closed(self)
  if self.info.is_relay then
    return call(self, "put", timeout, value)
  elseif timeout == 0 then
    return put_now(self, value)
  end
  local deadline = timeout and loop.now() + timeout
  await_room(self.link, deadline)
  local buf, format = pack(self, value)
  local ok, place = pcall(self.info.is_bounded and claim_place or claim_permit, self, deadline)
  if ok then
    send_item(self, place, format, buf:ref())
  end
  self.buf = buf
  if not ok then
    error(place, 0)
  end
end

-- ---- what the owner tells ----

-- Whether the one who asked for the answer that came now still waits for it.
local function is_answer(self)
  self.answered = self.answered + 1
  local _, tag = self.tries:peek()
  return tag == self.answered
end

local function take_items(self, frame, data, len)
  local items, aux = self.items, tonumber(frame.aux)
  local demand = aux % protocol.EPOCH
  local is_ours = items:add(new_lot(frame, data, len), demand, (aux - demand) / protocol.EPOCH)
  local is_try = band(frame.flags, protocol.TRY) ~= 0
  if is_try and is_answer(self) then
    return self.tries:wake(is_ours and "called" or "again")
  end
  items:serve()
end

local tells = {
  [protocol.ITEMS] = take_items,
  [protocol.PLACES] = function(self, frame)
    self.places:add({ cell = frame.cell, generation = frame.generation, count = frame.first,
      unsent = 0 }, tonumber(frame.aux))
    self.places:serve()
  end,
  [protocol.EMPTY] = function(self)
    if is_answer(self) then
      self.tries:wake()
    end
  end,
  [protocol.CLOSED] = function(self)
    self.is_closed = true
    self.places.line:wake_all("closed")
  end,
  [protocol.FINISHED] = function(self)
    self.is_closed, self.is_finished = true, true
    self.items.line:wake_all("finished")
  end,
}

--- The info has come.
function Stub:on_info()
  self.is_finished = self.info.finished or false
end

--- A frame of the queue's own. What comes before the info was for a stub that was collected.
function Stub:on_tell(op, frame, data, len)
  local handle = self.info and tells[op]
  if handle then
    handle(self, frame, data, len)
  end
end

--- For a process that got the queue from this one: it asks here for each item.
function Stub.attached()
  return { is_relay = true }
end

return M
