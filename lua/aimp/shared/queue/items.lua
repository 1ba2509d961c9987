--- The items of a queue, in order: a value each, or the bytes that stand for a table.
---
--- A double-ended list over two arrays. Tables of a queue that other processes use are kept as bytes, or, if
--- string.buffer cannot encode them, as copies: so what is put is what it was when it was put.
-- SPDX-License-Identifier: MIT
local buffer = require("string.buffer")
local copy = require("aimp.shared.copy")
local plain = require("aimp.codec.plain")
local source = require("aimp.codec.source")

--- The forms of items.
local M = {
  VALUE = "value",
  BYTES = "bytes", -- what string.buffer made of a table
  FAULT = "fault", -- an error to raise: the item came from another process and could not be read
}

local VALUE, BYTES, FAULT = M.VALUE, M.BYTES, M.FAULT

---@alias aimp.shared.Form "value"|"bytes"|"fault"

---@class aimp.shared.Items
---@field size integer
local Items = {}
Items.__index = Items

---@return aimp.shared.Items
function M.new()
  return setmetatable({ values = {}, forms = {}, first = 1, last = 0, size = 0 }, Items)
end

---@param value any  not nil
---@param form aimp.shared.Form
function Items:push(value, form)
  local last = self.last + 1
  self.values[last], self.forms[last] = value, form
  self.last, self.size = last, self.size + 1
end

function Items:push_front(value, form)
  local first = self.first - 1
  self.values[first], self.forms[first] = value, form
  self.first, self.size = first, self.size + 1
end

---@return any value
---@return aimp.shared.Form form
function Items:pop()
  local first = self.first
  local value, form = self.values[first], self.forms[first]
  self.values[first], self.forms[first] = nil, nil
  self.first, self.size = first + 1, self.size - 1
  if self.size == 0 then
    self.first, self.last = 1, 0
  end
  return value, form
end

---@return any value
---@return aimp.shared.Form form
function Items:peek()
  return self.values[self.first], self.forms[self.first]
end

--- Puts what another process may get into the form in which it is kept. Raises ENCODE.
---@param value any
---@return any value, aimp.shared.Form form
function M.freeze(value)
  local kind = type(value)
  if kind == "number" or kind == "string" or kind == "boolean" then
    return value, VALUE
  elseif kind == "table" and plain.is_plain_table(value) then
    return buffer.encode(value), BYTES
  end
  return copy.copy(value), VALUE
end

local scratch = buffer.new()

--- The value of an item. Raises what it is the error of.
---@param value any
---@param form aimp.shared.Form
---@return any
function M.thaw(value, form)
  if form == BYTES then
    return source.take(scratch:set(value))
  elseif form == FAULT then
    error(value, 0)
  end
  return value
end

--- Freezes all that is there. Raises ENCODE.
function Items:freeze()
  for i = self.first, self.last do
    if self.forms[i] == VALUE then
      self.values[i], self.forms[i] = M.freeze(self.values[i])
    end
  end
end

return M
