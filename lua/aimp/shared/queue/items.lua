--- The items of a queue, in order: a value each, or the bytes that stand for a table.
---
--- A double-ended list over two arrays. Tables of a queue that other processes use are kept as bytes, or, if
--- string.buffer cannot encode them, as copies: so what is put is what it was when it was put.
-- SPDX-License-Identifier: MIT
local buffer = require("string.buffer")
local copy = require("aimp.shared.copy")
local plain = require("aimp.codec.plain")
local source = require("aimp.codec.source")

local M = {}

---@class aimp.shared.Items
---@field size integer
local Items = {}
Items.__index = Items

---@return aimp.shared.Items
function M.new()
  return setmetatable({ values = {}, encoded = {}, first = 1, last = 0, size = 0 }, Items)
end

---@param value any       not nil
---@param encoded boolean  it is the bytes of the item
function Items:push(value, encoded)
  local last = self.last + 1
  self.values[last], self.encoded[last] = value, encoded
  self.last, self.size = last, self.size + 1
end

function Items:push_front(value, encoded)
  local first = self.first - 1
  self.values[first], self.encoded[first] = value, encoded
  self.first, self.size = first, self.size + 1
end

---@return any value
---@return boolean encoded
function Items:pop()
  local first = self.first
  local value, encoded = self.values[first], self.encoded[first]
  self.values[first], self.encoded[first] = nil, nil
  self.first, self.size = first + 1, self.size - 1
  if self.size == 0 then
    self.first, self.last = 1, 0
  end
  return value, encoded
end

---@return any value
---@return boolean encoded
function Items:peek()
  return self.values[self.first], self.encoded[self.first]
end

--- Puts what another process may get into the form in which it is kept. Raises ENCODE.
---@param value any
---@return any value, boolean encoded
function M.freeze(value)
  local kind = type(value)
  if kind == "number" or kind == "string" or kind == "boolean" then
    return value, false
  elseif kind == "table" and plain.is_plain_table(value) then
    return buffer.encode(value), true
  end
  return copy.copy(value), false
end

local scratch = buffer.new()

--- The value of an item.
function M.thaw(value, encoded)
  if encoded then
    return source.take_checked(scratch:set(value))
  end
  return value
end

--- Freezes all that is there.
function Items:freeze()
  for i = self.first, self.last do
    if not self.encoded[i] then
      self.values[i], self.encoded[i] = M.freeze(self.values[i])
    end
  end
end

return M
