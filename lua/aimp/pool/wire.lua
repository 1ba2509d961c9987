--- Payloads of calls and results on the parent's side; the other end is in
--- worker/reply.lua and worker/batch.lua.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local errors = require("aimp.errors")

local TAG = aimp_ffi.TAG
local band, rshift, lshift = bit.band, bit.rshift, bit.lshift
local type = type

local M = {}

--- More values than a Lua function can return (LUAI_MAXCSTACK) cannot come from one.
local VALUES_MAX = 8000

local numbers_of = ffi.typeof("const double *")
local scratch, numbers, capacity = buffer.new(), ffi.new("double[1024]"), 1024
local packing = buffer.new() -- nil while it is in use

-- Items lo..hi as packed doubles; false when one of them is no number.
local function fill_numbers(items, lo, hi)
  local count = hi - lo + 1
  if count > capacity then
    while capacity < count do
      capacity = capacity * 2
    end
    numbers = ffi.new("double[?]", capacity)
  end
  local out = numbers
  for i = lo, hi do
    local item = items[i]
    if type(item) ~= "number" then
      return false
    end
    out[i - lo] = item
  end
  return true
end

--- Packs items lo..hi of a list for a map or, with `spread`, a starmap.
--- The bytes are borrowed until the next call of this module.
---@param sender table  codec sender
---@return integer tag, integer needs, ffi.cdata* data, integer len
function M.pack_items(sender, items, lo, hi, spread)
  local count = hi - lo + 1
  if not spread and fill_numbers(items, lo, hi) then
    return TAG.NUMBERS + lshift(count, 8), 0, numbers, count * 8
  end
  local buf = packing or buffer.new()
  packing = nil -- __aimp_send of an item may submit another map
  local format, needs = sender:pack_list(buf:reset(), items, lo, hi)
  packing = buf
  local data, len = buf:ref()
  return (spread and TAG.MULTI or TAG.LIST) + format + lshift(count, 8), needs or 0, data, len
end

-- ---- results ----

local function decode_failed(err)
  if errors.is(err, "DECODE") then
    return err
  end
  return errors.new("DECODE", "cannot read what the worker sent: " .. errors.describe(err))
end

local function checked(ok, ...)
  if ok then
    return true, ...
  end
  return false, decode_failed((...))
end

--- The results of one call.
---@return boolean ok, any ...  false and a DECODE error
function M.unpack_values(receiver, tag, data, len)
  scratch:set(data, len)
  return checked(pcall(receiver.unpack, receiver, scratch, band(tag, 0xff), rshift(tag, 8)))
end

--- An error that a worker reported, as an object.
function M.unpack_error(receiver, tag, data, len)
  local ok, value = M.unpack_values(receiver, tag, data, len)
  if not ok or type(value) ~= "table" then
    return decode_failed(value)
  end
  if getmetatable(value) ~= nil then
    return decode_failed("a plain error was expected")
  end
  local code = errors.codes[value.code] and value.code or "REMOTE"
  local text = type(value.message) == "string" and value.message or errors.describe(value.message)
  local traceback = type(value.traceback) == "string" and value.traceback or nil
  return errors.new(code, text, {
    traceback = traceback, cause = value.cause, pid = tonumber(value.pid), task = value.task,
    attempts = tonumber(value.attempts),
  })
end

-- A list of values as unpack() can take it.
local function is_value_list(list)
  local n = type(list) == "table" and getmetatable(list) == nil and list.n
  return type(n) == "number" and n >= 0 and n <= VALUES_MAX and n % 1 == 0
end

--- Puts the results of a batch frame into a store (store.lua).
---@return aimp.Error? failure  the frame could not be decoded: none of its items was stored
function M.unpack_batch(receiver, tag, data, len, first, count, out)
  local format = band(tag, 0xff)
  if format == TAG.NUMBERS then
    if len ~= count * 8 then
      return decode_failed(("%d numbers cannot have %d bytes"):format(count, tonumber(len)))
    end
    return out:store_numbers(first, count, ffi.cast(numbers_of, data))
  elseif format == TAG.EMPTY then
    return out:store_nils(first, count)
  end
  local is_multi = format >= TAG.MULTI
  scratch:set(data, len)
  local codec_format = format - (is_multi and TAG.MULTI or TAG.LIST)
  local ok, list = pcall(receiver.unpack_list, receiver, scratch, codec_format, count)
  if not ok or type(list) ~= "table" then
    return decode_failed(list)
  elseif getmetatable(list) ~= nil then
    return decode_failed("a plain list was expected")
  end
  if not is_multi then
    return out:store_list(first, count, list)
  end
  for k = 1, count do
    if not is_value_list(list[k]) then
      return decode_failed("a list of values was expected")
    end
  end
  return out:store_multi(first, count, list)
end

return M
