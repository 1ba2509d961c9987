-- SPDX-License-Identifier: MIT
--- One call's worth of definitions: everything that a function or a payload refers to, directly or not, is
--- looked at once, what is new or has changed is encoded, and only then is anything defined.
---
--- So a refusal anywhere leaves nothing half sent: records change when their definition was accepted.
---
--- Order of the definitions: prototypes, functions, classes, other tables, variables. A function refers to
--- variables by key only, so what contents refer to is there before them, and classes before their objects.
local clear = require("table.clear")
local captures_module = require("aimp.codec.captures")
local functions = require("aimp.codec.functions")
local graph_write = require("aimp.codec.graph_write")
local handles = require("aimp.codec.handles")
local names = require("aimp.codec.names")
local plain = require("aimp.codec.plain")
local wire = require("aimp.codec.wire")

local type, next, rawget, rawequal, getmetatable = type, next, rawget, rawequal, debug.getmetatable
local kind, op, COMPLEX = wire.kind, wire.op, captures_module.COMPLEX

---@class aimp.codec.Transaction : also the `refs` of the graph writer
local Transaction = {}
Transaction.__index = Transaction

local M = {}

-- A transaction that looked at more is not kept.
local KEEP_RECORDS = 100

local function new_transaction(captures)
  return setmetatable({
    captures = captures,
    epoch = 0,
    queue = {}, count = 0,
    -- What to define: { record, blob, changes of the record }.
    protos = {}, functions = {}, classes = {}, tables = {}, variables = {},
    in_captured = false, -- whether captured values are being written, and not arguments
    new_version = {},    -- of tables that are defined again, by key
    holders = {}, holder_count = 0, -- variables whose values are tables
    sent = {},           -- what __aimp_send returned, by object
  }, Transaction)
end

--- Begins a transaction. One is kept for the next; while it is at work, __aimp_send may begin another.
---@param captures aimp.codec.Captures
---@return aimp.codec.Transaction
function M.new(captures)
  local self = captures.idle_transaction or new_transaction(captures)
  captures.idle_transaction = nil
  captures.epoch = captures.epoch + 1
  self.epoch = captures.epoch
  names.refresh()
  return self
end

local LISTS = {
  "queue", "protos", "functions", "classes", "tables", "variables", "new_version", "holders", "sent",
}

local function release(self)
  if self.count > KEEP_RECORDS then
    return
  end
  for i = 1, #LISTS do
    local list = self[LISTS[i]]
    if next(list) ~= nil then
      clear(list)
    end
  end
  self.count, self.holder_count, self.in_captured = 0, 0, false
  self.captures.idle_transaction = self
end

--- Has the record looked at in this transaction.
function Transaction:touch(record)
  if record.epoch ~= self.epoch then
    record.epoch = self.epoch
    self.count = self.count + 1
    self.queue[self.count] = record
  end
  return record
end

-- ---- refs of the graph writer ----

function Transaction:func(fn)
  return op.NEW_FUNC, self:touch(functions.record(self.captures, fn)).key
end

function Transaction:meta(metatable)
  local record = self.captures:table_record(metatable)
  record.is_class = true
  return op.NEW_KEYED, self:touch(record).key
end

local function looks_like_class(t)
  return rawget(t, "__index") ~= nil or rawget(t, "__aimp_recv") ~= nil
end

--- Captured tables keep their identity wherever captured values hold them. Arguments are copies, but for
--- classes, of which there must be only one.
function Transaction:keyed(t)
  local captures = self.captures
  local key = captures.key_of[t]
  local record = key and captures.records[key]
  if not record and looks_like_class(t) then
    record = captures:table_record(t)
    record.is_class = true
  end
  if record and (record.is_class or self.in_captured) then
    return self:touch(record).key
  end
end

-- ---- what has changed ----

-- `changes` become fields of the record when its definition was accepted.
local function plan(list, record, blob, changes)
  list[#list + 1] = { record = record, blob = blob, changes = changes }
end

local examine = {}

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
  for _, value in next, t do
    if type(value) == "function" then
      return true
    end
  end
  return false
end

local function write_contents(self, out, t)
  if plain.is_plain_table(t, self.captures.key_of) then
    out:encode(wire.PLAIN):encode(t)
  else
    out:encode(wire.GRAPH)
    graph_write.write(out, t, self, getmetatable(t))
  end
end

examine[kind.TABLE] = function(self, record)
  local t = self.captures.live[record.key]
  record.is_class = record.is_class or looks_like_class(t) or holds_function(t)
  local out = self.captures:take_buffer()
  out:encode(kind.TABLE):encode(record.is_class)
  write_contents(self, out, t)
  local blob = self.captures:finish_buffer(out)
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
  if type(value) == "cdata" and type(last) == "cdata" then
    return rawequal(value, last) or tostring(value) == tostring(last)
  elseif value ~= value then
    return last ~= last
  end
  return rawequal(value, last) and (value ~= 0 or 1 / value == 1 / last)
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
local function examine_holders(self)
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

-- ---- defining ----

local function apply(self, record, changes)
  for name, value in next, changes do
    record[name] = value
  end
  if record.kind == kind.CELL then
    self.captures:keep_readable(record, changes.is_simple)
  end
end

local function define(self, list)
  for _, item in ipairs(list) do
    local record = item.record
    record.pos = self.captures.define(record.key, item.blob)
    apply(self, record, item.changes)
  end
end

-- What the function itself needs; its variables are looked at with each call.
local function note_needs(record)
  record.needs = math.max(record.pos, record.proto and record.proto.pos or 0)
end

local function needs_of_all(self)
  local needs = 0
  for i = 1, self.count do
    local record = self.queue[i]
    needs = math.max(needs, record.pos)
    if record.kind == kind.FUNC or record.kind == kind.NAMED then
      note_needs(record)
    end
  end
  return needs
end

--- Looks at everything that was touched, defines what has to be, and returns the position that covers all
--- of it.
---@return integer needs
function Transaction:finish()
  self.in_captured = true
  local at = 0
  while at < self.count do
    at = at + 1
    local record = self.queue[at]
    examine[record.kind](self, record)
  end
  examine_holders(self)
  define(self, self.protos)
  define(self, self.functions)
  define(self, self.classes)
  define(self, self.tables)
  define(self, self.variables)
  self.captures:sweep_if_due()
  local needs = needs_of_all(self)
  release(self)
  return needs
end

return M
