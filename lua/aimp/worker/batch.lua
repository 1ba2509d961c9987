--- A unit of several items (a chunk of a map): its items, and its results on
--- their way back. The executor decides when an item runs; a batch only knows
--- what to call with what, and packs runs of neighbouring results into one frame.
---
--- Results are kept in the narrowest form that fits: all nil, all numbers (packed
--- doubles), one value an item, or several values an item.
-- SPDX-License-Identifier: MIT
local buffer = require("string.buffer")
local ffi = require("ffi")
local bit = require("bit")
local aimp_ffi = require("aimp.ffi")

local TAG = aimp_ffi.TAG
local band, select, type, unpack = bit.band, select, type, unpack

local EMPTY, NUMBERS, LIST, MULTI = 1, 2, 3, 4

---@class aimp.worker.Batch
local Batch = {}
Batch.__index = Batch

local M = {}

-- Only one batch works at a time and its results are flushed before it waits, so all share one buffer.
local out_numbers, out_capacity = ffi.new("double[1024]"), 1024

local function grow_out(count)
  while out_capacity < count do
    out_capacity = out_capacity * 2
  end
  out_numbers = ffi.new("double[?]", out_capacity)
end

local scratch = buffer.new()

--- Items of the payload: a double array, or a list.
local function decode_items(batch, receiver, tag, data, len, total)
  local format = band(tag, 0xff)
  if format == TAG.NUMBERS then
    local numbers = ffi.new("double[?]", total)
    ffi.copy(numbers, data, total * 8)
    batch.numbers = numbers
    return
  end
  batch.spread = format >= TAG.MULTI
  scratch:set(data, len)
  batch.list = receiver:unpack_list(scratch, format - (batch.spread and TAG.MULTI or TAG.LIST), total)
end

--- How many items a call's payload has: the tag carries it, since after a split
--- the range of the unit covers only a part of it.
local function total_items(tag)
  return bit.rshift(tag, 8)
end

---@param frame ffi.cdata*    the FRAME_CALL
---@param data ffi.cdata*|string  payload; copied or decoded at once
---@return aimp.worker.Batch
function M.new(frame, data, len, receiver)
  local self = setmetatable({
    cell = frame.cell,
    generation = frame.generation,
    fn = receiver:fn(frame.fn),
    next = 0, claimed = 0, -- items [next, claimed) are ours and not started
    claim = 1,             -- how many to claim at a time
    timeout_ns = tonumber(frame.aux) * 1e6, -- of each item; 0: none
    waiting = 0,           -- items that wait in coroutines of their own
    exhausted = false,     -- nothing left to claim
    mode = EMPTY, first = frame.first, count = 0, -- results not flushed: items [first, first + count)
    numbers = nil, list = nil, spread = false, values = nil,
  }, Batch)
  decode_items(self, receiver, frame.tag, data, len, total_items(frame.tag))
  if frame.count > out_capacity then
    grow_out(frame.count)
  end
  return self
end

--- A batch of the one item `index`, for a result that comes out of order.
function Batch:single(index)
  return setmetatable({
    cell = self.cell, generation = self.generation, mode = EMPTY, first = index, count = 0,
  }, Batch)
end

--- Calls the function with item i (counted from 0 in the payload).
function Batch:call(i)
  if self.numbers then
    return self.fn(self.numbers[i])
  elseif self.spread then
    local args = self.list[i + 1]
    return self.fn(unpack(args, 1, args.n or #args))
  end
  return self.fn(self.list[i + 1])
end

-- From packed numbers or nils to a list of values.
local function widen_to_list(self)
  local values = {}
  if self.mode == NUMBERS then
    for k = 1, self.count do
      values[k] = out_numbers[k - 1]
    end
  end
  self.values, self.mode = values, LIST
end

local function widen_to_multi(self)
  if self.mode < LIST then
    widen_to_list(self)
  end
  local values = self.values
  for k = 1, self.count do
    values[k] = { n = 1, values[k] }
  end
  self.mode = MULTI
end

--- Keeps the results of the next item in order.
function Batch:put(...)
  local n, count = select("#", ...), self.count
  local value = ...
  if n > 1 or self.mode == MULTI then
    if self.mode ~= MULTI then
      widen_to_multi(self)
    end
    self.values[count + 1] = { n = n, ... }
  elseif self.mode == LIST then
    self.values[count + 1] = value
  elseif type(value) == "number" and (self.mode == NUMBERS or count == 0) then
    self.mode = NUMBERS
    out_numbers[count] = value
  elseif value ~= nil or self.mode == NUMBERS then
    widen_to_list(self)
    self.values[count + 1] = value
  end
  self.count = count + 1
end

local function send_each(self, reply, wall_ns, flags)
  local last = self.count
  for k = 1, last do
    local is_end = k == last and flags or 0
    local value = self.values[k]
    if self.mode == LIST then
      value = { n = 1, value }
    end
    scratch:reset()
    local ok, format = pcall(reply.sender.pack_list, reply.sender, scratch, { value }, 1, 1)
    local item = self.first + k - 1
    if ok then
      local data, len = scratch:ref()
      reply:send(self.cell, self.generation, item, 1, is_end, TAG.MULTI + format, wall_ns / last, data, len)
    else
      reply:error(self.cell, self.generation, item, is_end, wall_ns / last, format, nil, "ENCODE")
    end
  end
end

local function send_values(self, reply, wall_ns, flags)
  scratch:reset()
  local ok, format = pcall(reply.sender.pack_list, reply.sender, scratch, self.values, 1, self.count)
  if not ok then
    return send_each(self, reply, wall_ns, flags) -- so that only what cannot be sent fails
  end
  local data, len = scratch:ref()
  local tag = (self.mode == LIST and TAG.LIST or TAG.MULTI) + format
  reply:send(self.cell, self.generation, self.first, self.count, flags, tag, wall_ns, data, len)
end

--- Sends the results kept so far; the next ones start at item `next_first`.
---@param flags integer FLAG_END or 0
function Batch:flush(reply, wall_ns, flags, next_first)
  if self.mode == NUMBERS then
    reply:send(self.cell, self.generation, self.first, self.count, flags, TAG.NUMBERS, wall_ns,
      out_numbers, self.count * 8)
  elseif self.mode == EMPTY then
    reply:send(self.cell, self.generation, self.first, self.count, flags, TAG.EMPTY, wall_ns, nil, 0)
  else
    send_values(self, reply, wall_ns, flags)
  end
  self.mode, self.count, self.first, self.values = EMPTY, 0, next_first, nil
end

return M
