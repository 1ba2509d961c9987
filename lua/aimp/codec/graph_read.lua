-- SPDX-License-Identifier: MIT
--- Reads a graph (format in wire.lua): makes the nodes and links them, in the order of the instructions.
---
--- Nothing that is read is trusted: node numbers, types and, through `source`, sizes are checked, and only
--- tables that were made by this graph are written to. All failures are raised as texts.
---
--- `refs` resolves what is no data:
---   refs:named(path), refs:func(key), refs:keyed(key)   -> value, or raise a text; nil only while defining
---   refs.defers_objects   whether to raise rather than to call __aimp_recv of a class that came by key
local cdata = require("aimp.codec.cdata")
local errors = require("aimp.errors")
local handles = require("aimp.codec.handles")
local wire = require("aimp.codec.wire")

local type, pcall = type, pcall
local each = pairs -- see plain.lua
local op = wire.op

local M = {}

local function malformed()
  error("malformed data", 0)
end

local function take(g, kind)
  local value = g.source:take()
  if type(value) ~= kind then
    malformed()
  end
  return value
end

local function add(g, value)
  g.count = g.count + 1
  g.nodes[g.count] = value
end

-- Nodes that refs could not find while defining are absent on purpose: nothing is stored for them.
local function node(g, number)
  local value = g.nodes[number]
  if value == nil and not g.missing[number] then
    malformed()
  end
  return value
end

local function own_table(g)
  local number = take(g, "number")
  if not g.is_own[number] then
    malformed()
  end
  return g.nodes[number]
end

local function metatable_node(g)
  local metatable = node(g, take(g, "number"))
  if metatable ~= nil and type(metatable) ~= "table" then
    malformed()
  end
  return metatable
end

local function set(t, key, value)
  if key == nil then
    return
  elseif key ~= key then
    malformed()
  end
  rawset(t, key, value)
end

local function add_found(g, value)
  add(g, value)
  if value == nil then
    g.missing[g.count] = true
  end
end

local read = {}

read[op.NEW_TABLE] = function(g)
  add(g, take(g, "table"))
  g.is_own[g.count] = true
end

read[op.NEW_NAME] = function(g)
  add(g, g.refs:named(take(g, "string")))
end

read[op.NEW_FUNC] = function(g)
  add_found(g, g.refs:func(take(g, "number")))
end

read[op.NEW_KEYED] = function(g)
  add_found(g, g.refs:keyed(take(g, "number")))
  g.is_keyed[g.count] = true
end

read[op.NEW_CDATA] = function(g)
  local name, bytes = take(g, "string"), g.source:take()
  if type(bytes) ~= "string" and bytes ~= false then
    malformed()
  end
  add(g, cdata.read(name, bytes))
end

read[op.NEW_OBJECT] = function(g)
  g.count = g.count + 1
  g.is_object[g.count] = true
end

read[op.FIELDS] = function(g)
  local t = own_table(g)
  for key, number in each(take(g, "table")) do
    t[key] = node(g, number)
  end
end

read[op.REF_KEYS] = function(g)
  local t, list = own_table(g), take(g, "table")
  for i = 1, #list, 2 do
    set(t, node(g, list[i]), node(g, list[i + 1]))
  end
end

read[op.REF_PLAIN] = function(g)
  local t, list = own_table(g), take(g, "table")
  for i = 1, #list, 2 do
    set(t, node(g, list[i]), list[i + 1])
  end
end

read[op.META] = function(g)
  local t = own_table(g)
  debug.setmetatable(t, metatable_node(g))
end

-- The class is never one that came with the data, or any function could be called with anything.
read[op.CONSTRUCT] = function(g)
  local number = take(g, "number")
  local class_number = take(g, "number")
  local class, is_node, value = node(g, class_number), take(g, "boolean"), g.source:take()
  local is_fresh = g.is_object[number] and g.nodes[number] == nil
  if not is_fresh or g.is_own[class_number] or type(class) ~= "table" then
    malformed()
  end
  if g.is_keyed[class_number] and g.refs.defers_objects then
    error("its class may not be complete yet", 0)
  end
  local receive = handles.method(class, "__aimp_recv")
  if not receive then
    error("the class has no __aimp_recv here", 0)
  end
  if is_node then
    value = node(g, value)
  end
  local ok, object = pcall(receive, value)
  if not ok then
    error("__aimp_recv failed: " .. errors.describe(object), 0)
  end
  g.nodes[number] = object
  g.missing[number] = object == nil or nil
end

--- Reads one graph and returns its node 1. Raises a text.
---@param source table  source:take() gives the next value
---@param refs table
---@return table root
function M.read(source, refs)
  local g = {
    source = source, refs = refs, count = 0,
    nodes = {}, is_own = {}, is_keyed = {}, is_object = {}, missing = {},
  }
  while true do
    local code = source:take()
    if code == op.END then
      break
    end
    local instruction = read[code]
    if not instruction then
      malformed()
    end
    instruction(g)
  end
  if not g.is_own[1] then
    malformed()
  end
  return g.nodes[1]
end

return M
