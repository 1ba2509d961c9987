-- SPDX-License-Identifier: MIT
--- What of a transaction's records has to be defined, or defined again: each is looked at once, and may
--- touch others.
local captures_module = require("aimp.codec.captures")
local functions = require("aimp.codec.functions")
local graph_write = require("aimp.codec.graph_write")
local handles = require("aimp.codec.handles")
local plain = require("aimp.codec.plain")
local wire = require("aimp.codec.wire")

local type, rawget, rawequal, getmetatable = type, rawget, rawequal, debug.getmetatable
local each = pairs -- see plain.lua
local kind, COMPLEX = wire.kind, captures_module.COMPLEX

local M = {}

-- `changes` become fields of the record when its definition was accepted.
local function plan(list, record, blob, changes)
  list[#list + 1] = { record = record, blob = blob, changes = changes }
end

-- By kind of record.
local examine = {}
M.examine = examine

examine[kind.PROTO] = function(self, record)
  if record.pos == 0 then
    plan(self.protos, record, record.blob, { blob = false })
  end
end

examine[kind.NAMED] = function(self, record)
  if record.pos == 0 then
    plan(self.functions, record, record.blob, { blob = false })
  end
end

examine[kind.FUNC] = function(self, record)
  if record.pos == 0 then
    plan(self.functions, record, record.blob, { blob = false })
  end
  self:touch(record.proto)
  for i = 1, #record.cells do
    self:touch(record.cells[i])
  end
  for i = 1, #record.globals do
    self:touch(record.globals[i])
  end
end

local function holds_function(t)
  for _, value in each(t) do
    if type(value) == "function" then
      return true
    end
  end
  return false
end

--- Whether the table is to be one and the same wherever it occurs, also in arguments.
function M.looks_like_class(t)
  return rawget(t, "__index") ~= nil or rawget(t, "__aimp_recv") ~= nil
end

local function table_blob(self, record, t)
  local is_plain = plain.is_plain_table(t, self.captures.key_of)
  record.is_class = record.is_meta or M.looks_like_class(t) or not is_plain and holds_function(t)
  local out = self.captures:take_buffer()
  out:encode(kind.TABLE):encode(record.is_class)
  if is_plain then
    out:encode(wire.PLAIN):encode(t)
  else
    out:encode(wire.GRAPH)
    graph_write.write(out, t, self, getmetatable(t))
  end
  return self.captures:finish_buffer(out)
end

examine[kind.TABLE] = function(self, record)
  local blob = table_blob(self, record, self.captures.live[record.key])
  if blob ~= record.blob then
    self.new_version[record.key] = record.version + 1
    plan(record.is_class and self.classes or self.tables, record, blob,
      { blob = blob, version = record.version + 1 })
  end
end

-- ---- variables ----

local function variable_blob(self, variable, value)
  local out = self.captures:take_buffer()
  out:encode(variable.kind)
  if variable.kind == kind.GLOBAL then
    out:encode(variable.name)
  end
  if plain.is_scalar(value) then
    out:encode(wire.PLAIN):encode(value)
  else
    out:encode(wire.GRAPH)
    graph_write.write(out, { value }, self)
  end
  return self.captures:finish_buffer(out)
end

local function is_same_simple(value, last)
  local value_type = type(value)
  if value_type ~= type(last) then
    return false
  elseif value_type == "number" then
    return value == last and (value ~= 0 or 1 / value == 1 / last) or value ~= value and last ~= last
  elseif value_type == "cdata" and plain.is_scalar(value) and plain.is_scalar(last) then
    return tostring(value) == tostring(last)
  end
  return rawequal(value, last)
end

local function examine_simple(self, variable, value)
  if not is_same_simple(value, variable.value) then
    plan(self.variables, variable, variable_blob(self, variable, value),
      { value = value, ref = false, blob = false, is_simple = true })
  elseif variable.kind == kind.CELL then
    self.captures:keep_readable(variable, true)
  end
end

local function plan_reference(self, variable, value, key, version)
  plan(self.variables, variable, variable_blob(self, variable, value),
    { value = COMPLEX, ref = key, version = version, blob = false })
end

-- A variable that holds a function is the same as long as that has the same key.
local function examine_function(self, variable, value)
  local record = self:touch(functions.record(self.captures, value))
  if variable.ref ~= record.key then
    plan_reference(self, variable, value, record.key, false)
  end
end

local function examine_table(self, variable, value)
  self:touch(self.captures:table_record(value))
  self.holder_count = self.holder_count + 1
  self.holders[self.holder_count] = variable
end

-- A table that was changed in place is a change of the variables that hold it, so these come after all
-- tables.
function M.examine_holders(self)
  for i = 1, self.holder_count do
    local variable = self.holders[i]
    local value = self.captures:read(variable)
    local record = self.captures:table_record(value)
    local version = self.new_version[record.key] or record.version
    if variable.ref ~= record.key or variable.version ~= version then
      plan_reference(self, variable, value, record.key, version)
    end
  end
end

-- Objects with __aimp_send, cdata, userdata: compared by what they are sent as.
local function examine_other(self, variable, value)
  local blob = variable_blob(self, variable, value)
  if blob ~= variable.blob then
    plan(self.variables, variable, blob, { value = COMPLEX, ref = false, blob = blob })
  end
end

local function is_own_sender(value)
  local metatable = getmetatable(value)
  return metatable ~= nil and handles.method(metatable, "__aimp_send") ~= nil
end

local function examine_variable(self, variable)
  local value = self.captures:read(variable)
  if captures_module.is_simple(value) then
    return examine_simple(self, variable, value)
  elseif type(value) == "function" then
    return examine_function(self, variable, value)
  elseif type(value) == "table" and not is_own_sender(value) then
    return examine_table(self, variable, value)
  end
  return examine_other(self, variable, value)
end
examine[kind.CELL], examine[kind.GLOBAL] = examine_variable, examine_variable

return M
