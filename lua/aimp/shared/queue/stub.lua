--- A queue in a process that is not its owner's: what the owner tells. Getting and putting: stub_get.lua,
--- stub_put.lua.
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
local protocol = require("aimp.shared.queue.protocol")
local source = require("aimp.codec.source")
local supply = require("aimp.shared.queue.supply")
local waiting = require("aimp.shared.waiting")

local FLAG_ERROR = aimp_ffi.FLAG_ERROR
local band = bit.band
local take = source.take

local PLAIN = 0

---@class aimp.shared.QueueStub
local Stub = {}
for _, part in ipairs({ require("aimp.shared.queue.stub_get"), require("aimp.shared.queue.stub_put") }) do
  for name, method in pairs(part) do
    Stub[name] = method
  end
end

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

--- Asks the owner's core, for what there are no frames of the queue's own.
---@async
function Stub:call(name, ...)
  return self.link:call(self, M.declaration, M.declaration.methods[name], ...)
end

--- What the owner said of the queue. Raises CLOSED when there is none any more.
---@async
function Stub:await_info()
  return self.info or self.link:info(self, M.declaration)
end

--- Raises CLOSED.
function Stub:refuse_closed()
  if self.is_closed or self.info.closed then
    error(errors.new("CLOSED", "the queue is closed"), 0)
  end
end

-- ---- what the owner tells ----

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
    self.places:finish("closed")
  end,
  [protocol.FINISHED] = function(self)
    self.is_closed, self.is_finished = true, true
    self.items:finish("finished")
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
