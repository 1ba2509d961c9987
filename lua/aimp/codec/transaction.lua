-- SPDX-License-Identifier: MIT
--- One call's worth of definitions: everything that a function or a payload refers to, directly or not, is
--- looked at once, what is new or has changed is encoded, and only then is anything defined.
---
--- So a refusal anywhere leaves nothing half sent: records change when their definition was accepted.
---
--- Order of the definitions: prototypes, functions, classes, other tables, variables. A function refers to
--- variables by key only, so what contents refer to is there before them, and classes before their objects.
local changes = require("aimp.codec.changes")
local clear = require("table.clear")
local errors = require("aimp.errors")
local forgetting = require("aimp.codec.forgetting")
local functions = require("aimp.codec.functions")
local names = require("aimp.codec.names")
local wire = require("aimp.codec.wire")

local next = next
local each = pairs -- see plain.lua
local kind, op, examine = wire.kind, wire.op, changes.examine

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
  record.is_meta = true
  return op.NEW_KEYED, self:touch(record).key
end

--- Captured tables keep their identity wherever captured values hold them. Arguments are copies, but for
--- classes, of which there must be only one.
function Transaction:keyed(t)
  local captures = self.captures
  local key = captures.key_of[t]
  local record = key and captures.records[key]
  if not record and changes.looks_like_class(t) then
    record = captures:table_record(t)
    record.is_class = true
  end
  if record and (record.is_class or record.is_meta or self.in_captured) then
    return self:touch(record).key
  end
end

-- ---- defining ----

local function apply(self, record, fields)
  for name, value in each(fields) do
    record[name] = value
  end
  if record.kind == kind.CELL then
    self.captures:keep_readable(record, fields.is_simple)
  end
end

local function define(self, list)
  for _, item in ipairs(list) do
    local record = item.record
    local position = self.captures.define(record.key, item.blob)
    if position < 1 then
      error(errors.new("ENCODE", "cannot send a function or what it captures: no memory for it"), 0)
    end
    record.pos = position
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
  changes.examine_holders(self)
  define(self, self.protos)
  define(self, self.functions)
  define(self, self.classes)
  define(self, self.tables)
  define(self, self.variables)
  forgetting.sweep_if_due(self.captures)
  local needs = needs_of_all(self)
  release(self)
  return needs
end

return M
