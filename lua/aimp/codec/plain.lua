-- SPDX-License-Identifier: MIT
--- What string.buffer can encode as it is.
---
--- Its encoder drops metatables, splits shared tables and stops at 100 levels, so a table is looked through
--- first. Both functions are on the path of every call.
---
--- LuaJIT 2.1 of March 2022 compiles loops over tables wrongly: such as it knows by the names pairs and next
--- may end early or go astray, and the result of a compiled next() may be a cut-off pointer, at which the
--- process crashes. So the loop here is never compiled. It is called through string.gsub, a C function across
--- which traces are stitched; a direct call would keep everything around it from being compiled.
local ffi = require("ffi")
local names = require("aimp.codec.names")

local type, each, gsub = type, pairs, string.gsub
local getmetatable, typeof = debug.getmetatable, ffi.typeof

-- The types, by number, that the encoder knows. ffi.istype would also take double[2] for a complex.
local is_known_type = {}
for _, name in ipairs({ "int64_t", "uint64_t", "complex" }) do
  is_known_type[tonumber(typeof(name))] = true
end

local M = {}

-- Below the 100 levels at which the encoder gives up.
local MAX_DEPTH = 90
-- After more tables than this the scratch tables are made anew instead of being kept.
local KEEP_TABLES = 20000

local named = names.index

-- cdata and lightuserdata that the encoder takes. A NULL lightuserdata is what JSON libraries use for null.
local function is_odd_scalar(value, kind)
  if kind == "cdata" then
    return is_known_type[tonumber(typeof(value))] or false
  end
  return kind == "userdata" and names.is_null(value)
end

--- True for a value that is no reference: nil, boolean, number, string, 64-bit integer, complex, NULL.
---@param value any
---@return boolean
function M.is_scalar(value)
  local kind = type(value)
  if kind == "number" or kind == "string" or kind == "boolean" or kind == "nil" then
    return true
  elseif kind == "table" or kind == "function" then
    return false
  end
  return is_odd_scalar(value, kind)
end
local is_scalar = M.is_scalar

local list, depths, seen = {}, {}, {}
local NOTHING = {}

-- Looks through one table. Returns the new length of the list, or nil when the table is not plain.
local function scan_one(t, depth, count, keyed)
  for key, value in each(t) do
    local kind = type(key)
    if kind ~= "string" and kind ~= "number" and kind ~= "boolean" and not is_scalar(key) then
      return nil, count
    end
    kind = type(value)
    if kind == "table" then
      if seen[value] or getmetatable(value) ~= nil or named[value] or keyed[value] then
        return nil, count
      end
      seen[value] = true
      count = count + 1
      list[count], depths[count] = value, depth + 1
    elseif kind ~= "number" and kind ~= "string" and kind ~= "boolean" and not is_scalar(value) then
      return nil, count
    end
  end
  return true, count
end

jit.off(scan_one)

local function scan(root, keyed)
  local count, at, ok = 1, 0, true
  list[1], depths[1], seen[root] = root, 1, true
  while ok and at < count do
    at = at + 1
    local depth = depths[at]
    if depth > MAX_DEPTH then
      return false, count
    end
    ok, count = scan_one(list[at], depth, count, keyed)
  end
  return ok == true, count
end
jit.off(scan)

local root_now, keyed_now, is_plain_now

local function scan_now()
  local count
  is_plain_now, count = scan(root_now, keyed_now)
  if count > KEEP_TABLES then
    list, depths, seen = {}, {}, {}
    return
  end
  for i = 1, count do
    seen[list[i]] = nil
    list[i] = nil
  end
end
jit.off(scan_now)

--- Whether the table can be encoded by string.buffer without loss.
---@param root table
---@param keyed? table  tables that travel by key wherever they occur
---@return boolean
function M.is_plain_table(root, keyed)
  if getmetatable(root) ~= nil or named[root] then
    return false
  end
  root_now, keyed_now = root, keyed or NOTHING
  gsub("x", "x", scan_now)
  root_now, keyed_now = nil, nil
  return is_plain_now
end

return M
