-- SPDX-License-Identifier: MIT
--- Makes the records of functions: by name, or as a prototype and what is captured (captures.lua).
local buffer = require("string.buffer")
local bytecode = require("aimp.codec.bytecode")
local names = require("aimp.codec.names")
local plain = require("aimp.codec.plain")
local refusal = require("aimp.codec.refusal")
local wire = require("aimp.codec.wire")

local kind, upvalue = wire.kind, wire.upvalue
local named, refuse = names.index, refusal.refuse

local G = _G

local M = {}

local function encode_all(...)
  local out = buffer.new()
  for i = 1, select("#", ...) do
    out:encode((select(i, ...)))
  end
  return out:tostring()
end

local function proto_record(captures, fn)
  local dump = string.dump(fn)
  local proto = captures.protos[dump]
  if not proto then
    local factory, is_fixed = bytecode.analyse(dump)
    local globals = bytecode.globals_read(fn)
    proto = captures:add({
      kind = kind.PROTO, is_fixed = is_fixed, globals = globals,
      blob = encode_all(kind.PROTO, factory, globals),
    })
    captures.protos[dump] = proto
  end
  return proto
end

-- The name of the module whose table is the function's environment; false: the globals.
local function environment(fn)
  local env = debug.getfenv(fn)
  if env == G then
    return false
  elseif not named[env] then
    refuse(fn, "function with an environment of its own")
  end
  return named[env]
end

-- A variable that is never assigned again travels with the function when it holds no more than a scalar or
-- something named; any other is a cell. Closures made in a loop then leave no cells behind.
local function write_upvalue(out, captures, record, fn, i)
  local _, value = debug.getupvalue(fn, i)
  if record.proto.is_fixed[i] and plain.is_scalar(value) then
    out:encode(upvalue.PLAIN)
    out:encode(value)
  elseif record.proto.is_fixed[i] and named[value] then
    out:encode(upvalue.NAME)
    out:encode(named[value])
  else
    local cell = captures:cell_record(fn, i, record.key)
    cell.is_fixed = cell.is_fixed or record.proto.is_fixed[i]
    record.cells[#record.cells + 1] = cell
    out:encode(upvalue.CELL)
    out:encode(cell.key)
  end
end

local function add_globals(captures, record, environment_name)
  for _, name in ipairs(environment_name and {} or record.proto.globals) do
    if not names.own_globals[name] then
      record.globals[#record.globals + 1] = captures:global_record(name)
    end
  end
end

-- In the order in which the receiver reads it: kind, prototype, environment, number of upvalues, upvalues.
local function by_value(captures, fn)
  local environment_name = environment(fn)
  local proto = proto_record(captures, fn)
  local record = captures:bind({ kind = kind.FUNC, proto = proto, cells = {}, globals = {} }, fn)
  local out = buffer.new()
  out:encode(kind.FUNC):encode(proto.key):encode(environment_name):encode(#proto.is_fixed)
  for i = 1, #proto.is_fixed do
    write_upvalue(out, captures, record, fn, i)
  end
  add_globals(captures, record, environment_name)
  record.blob = out:tostring()
  record.is_static = #record.cells == 0 and #record.globals == 0
  return record
end

--- The record of a function; new ones are not defined yet. Raises a refusal. The index of names must be
--- fresh.
---@param captures aimp.codec.Captures
---@param fn function
---@return table record
function M.record(captures, fn)
  local key = captures.key_of[fn]
  if key then
    return captures.records[key]
  end
  if named[fn] then
    local blob = encode_all(kind.NAMED, named[fn])
    return captures:bind({ kind = kind.NAMED, is_static = true, blob = blob }, fn)
  elseif names.is_c_function(fn) then
    refuse(fn, "C function without a name")
  end
  return by_value(captures, fn)
end

return M
