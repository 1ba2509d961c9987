--- Whether two values are the same for compare_and_set: what `get` gave is equal to what is there for as long
--- as nobody changes it, NaN and tables with cycles included.
---
--- Numbers, strings and booleans are compared by value, FFI values by type and bytes, tables by what is in
--- them and by metatable. Functions and shared objects are equal to themselves alone.
-- SPDX-License-Identifier: MIT
local cdata = require("aimp.codec.cdata")
local exports = require("aimp.shared.exports")

local type, next, rawget, rawequal, getmetatable = type, next, rawget, rawequal, debug.getmetatable

local M = {}

local function cdata_equal(a, b)
  local name, bytes = cdata.write(a)
  local other_name, other_bytes = cdata.write(b)
  return name ~= nil and name == other_name and bytes == other_bytes
end

local function may_be_equal(a, b)
  return getmetatable(a) == getmetatable(b) and not exports.declaration_of(a)
end

-- Tables are put off, in `todo`, and taken to be equal until they are looked into: no depth is too deep and
-- cycles end.
local function leaf_equal(a, b, todo)
  local kind = type(a)
  if rawequal(a, b) then
    return true
  elseif kind ~= type(b) then
    return false
  elseif kind == "number" then
    return a ~= a and b ~= b
  elseif kind == "cdata" then
    return cdata_equal(a, b)
  elseif kind ~= "table" or not may_be_equal(a, b) then
    return false
  elseif todo.seen[a] ~= b then
    todo.seen[a] = b
    todo[#todo + 1], todo[#todo + 2] = a, b
  end
  return true
end

local function fields_equal(a, b, todo)
  local count = 0
  for key, value in next, a do
    local other = rawget(b, key)
    if other == nil or not leaf_equal(value, other, todo) then
      return false
    end
    count = count + 1
  end
  for _ in next, b do
    count = count - 1
  end
  return count == 0
end

---@param a any
---@param b any
---@return boolean
function M.equal(a, b)
  local todo = { seen = {} }
  local equal = leaf_equal(a, b, todo)
  while equal and #todo > 0 do
    local other, t = table.remove(todo), table.remove(todo)
    equal = fields_equal(t, other, todo)
  end
  return equal
end

return M
