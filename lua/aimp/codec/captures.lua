-- SPDX-License-Identifier: MIT
--- What a sender has defined at the other side: functions, their prototypes, the variables that they
--- capture (cells and script globals) and the tables that keep their identity.
---
--- Everything defined has a record with an integer key. No record refers to the function or table it is
--- for, since a value that is reached from the record of its key would never be collected: `key_of` and
--- `live` are weak, and what a variable was last sent as is kept as a scalar, a named value or a key.
---
--- Records
---   all       key, kind, pos (position of the definition; 0: not defined), epoch (of the last transaction)
---   PROTO     blob, is_fixed, globals (names)
---   FUNC      proto, cells, globals (variables), blob until it is defined, is_static (no variables),
---             needs (position of itself and its prototype; nil: not defined)
---   NAMED     is_static, needs, blob until it is defined
---   TABLE     blob as last sent, version, is_class
---   CELL      id, users (function key -> index of the upvalue), get, and as GLOBAL
---   GLOBAL    name, value | ref and version | blob and identity: what was last sent
local names = require("aimp.codec.names")
local plain = require("aimp.codec.plain")
local wire = require("aimp.codec.wire")

local next, rawequal, rawget, max = next, rawequal, rawget, math.max
local kind = wire.kind

local G = _G

---@class aimp.codec.Captures
local Captures = {}
Captures.__index = Captures

local M = {}

--- Whether a value is sent as itself or by name, so that comparing it tells whether it has changed.
---@param value any
---@return boolean
function M.is_simple(value)
  return plain.is_scalar(value) or names.index[value] ~= nil
end

--- Stands in `value` of a variable that was not sent as a scalar or named value; equal to nothing.
M.COMPLEX = {}

-- Variables without functions that are kept in case another closure shares them, see `orphan`.
local MAX_ORPHANS = 256
local MIN_SWEEP = 256

---@param options { define: fun(key: integer, blob: string): integer, forget?: fun(key: integer) }
---@return aimp.codec.Captures
function M.new(options)
  return setmetatable({
    define = options.define,
    forget = options.forget or function() end,
    last_key = 0,
    epoch = 0,
    key_of = setmetatable({}, { __mode = "k" }),
    live = setmetatable({}, { __mode = "v" }),
    records = {},
    protos = {},              -- dump -> record
    cells = {},               -- debug.upvalueid -> record
    globals = {},             -- name -> record
    orphans = {}, first_orphan = 1, last_orphan = 0,
    fresh = 0, sweep_after = MIN_SWEEP,
  }, Captures)
end

---@param record table
---@return table record
function Captures:add(record)
  local key = self.last_key + 1
  self.last_key = key
  record.key, record.pos, record.epoch = key, 0, 0
  self.records[key] = record
  return record
end

--- Makes the record of a function or table known.
function Captures:bind(record, value)
  self:add(record)
  self.key_of[value] = record.key
  self.live[record.key] = value
  self.fresh = self.fresh + 1
  return record
end

---@param t table
---@return table record
function Captures:table_record(t)
  local key = self.key_of[t]
  if key then
    return self.records[key]
  end
  return self:bind({ kind = kind.TABLE, version = 0, is_class = false, blob = nil }, t)
end

---@param name string
---@return table record
function Captures:global_record(name)
  local record = self.globals[name]
  if not record then
    record = self:add({ kind = kind.GLOBAL, name = name, value = names.pristine[name] })
    self.globals[name] = record
  end
  return record
end

-- ---- cells ----

local function has_live_user(self, cell)
  for key in next, cell.users do
    if self.live[key] then
      return true
    end
    cell.users[key] = nil
  end
  return false
end

--- The record of a function's upvalue. The id is an address: it means the same variable only as long
--- as something is known to keep that alive.
---@param fn function
---@param i integer
---@param key integer  of fn
---@return table record
function Captures:cell_record(fn, i, key)
  local id = debug.upvalueid(fn, i)
  local cell = self.cells[id]
  if not cell or not (cell.get or has_live_user(self, cell)) then
    cell = self:add({ kind = kind.CELL, id = id, users = {}, value = nil, get = nil })
    self.cells[id] = cell
  end
  cell.users[key] = i
  return cell
end

-- Its upvalue is joined to the one that it is to read.
local function new_getter()
  local value -- luacheck: ignore 221
  return function()
    return value
  end
end

-- A function that has the cell as an upvalue, and which one it is.
local function owner_of(self, cell)
  for key, i in next, cell.users do
    local fn = self.live[key]
    if fn then
      return fn, i
    end
  end
end

--- The present value of a variable.
function Captures:read(variable)
  if variable.kind == kind.GLOBAL then
    return rawget(G, variable.name)
  elseif variable.get then
    return variable.get()
  end
  local fn, i = owner_of(self, variable)
  local _, value = debug.getupvalue(fn, i)
  return value
end

--- Gives a cell a getter, which is fast and keeps the variable alive. Only while its value is a scalar or
--- has a name: any other could lead back to the functions that use the cell.
function Captures:keep_readable(cell, is_simple)
  if not is_simple then
    cell.get = nil
  elseif not cell.get then
    local fn, i = owner_of(self, cell)
    cell.get = new_getter()
    debug.upvaluejoin(cell.get, 1, fn, i)
  end
end

-- ---- the fast answer ----

-- 0 and -0 are equal and not the same.
local function is_same(value, last)
  return rawequal(value, last) and (value ~= 0 or 1 / value == 1 / last)
end

--- The position that a function with only scalar and named variables needs, or nil when one of them has
--- changed. Compiles; no allocation.
---@param record table  of a function that is defined
---@return integer?
function M.unchanged(record)
  local needs, cells, globals = record.needs, record.cells, record.globals
  for i = 1, #cells do
    local cell = cells[i]
    local get = cell.get
    if not get or not is_same(get(), cell.value) then
      return nil
    end
    needs = max(needs, cell.pos)
  end
  for i = 1, #globals do
    local global = globals[i]
    if not is_same(rawget(G, global.name), global.value) then
      return nil
    end
    needs = max(needs, global.pos)
  end
  return needs
end

-- ---- forgetting ----

local function drop(self, record)
  self.records[record.key] = nil
  if record.pos > 0 then
    self.forget(record.key)
  end
end

local function drop_cell(self, cell)
  if self.cells[cell.id] == cell then
    self.cells[cell.id] = nil
  end
  drop(self, cell)
end

-- Another function may share the variable and be sent later; what the receiver stored in it must still be
-- there then. That the other exists cannot be known, so a bounded number of such variables is kept for a
-- while.
local function orphan(self, cell)
  if not cell.get then
    return drop_cell(self, cell)
  end
  self.last_orphan = self.last_orphan + 1
  self.orphans[self.last_orphan] = cell
  if self.last_orphan - self.first_orphan >= MAX_ORPHANS then
    local oldest = self.orphans[self.first_orphan]
    self.orphans[self.first_orphan] = nil
    self.first_orphan = self.first_orphan + 1
    if next(oldest.users) == nil and self.records[oldest.key] then
      drop_cell(self, oldest)
    end
  end
end

local function leave_cells(self, record)
  for _, cell in ipairs(record.cells) do
    if cell.users[record.key] then
      cell.users[record.key] = nil
    end
    if next(cell.users) == nil and self.records[cell.key] then
      orphan(self, cell)
    end
  end
end

-- A getter must not keep a value alive that has become complex since it was made.
local function check_getters(self)
  for _, cell in next, self.cells do
    if cell.get and not M.is_simple(cell.get()) then
      cell.get, cell.value = nil, M.COMPLEX
    end
  end
end

--- Forgets the definitions of functions and tables that were collected.
function Captures:sweep()
  check_getters(self)
  local count = 0
  for key, record in next, self.records do
    local is_owned = record.kind == kind.FUNC or record.kind == kind.TABLE or record.kind == kind.NAMED
    if is_owned and not self.live[key] then
      drop(self, record)
      if record.cells then
        leave_cells(self, record)
      end
    else
      count = count + 1
    end
  end
  self.fresh, self.sweep_after = 0, max(MIN_SWEEP, count)
end

--- Called after each transaction; forgets now and then, so that its cost is constant for each definition.
function Captures:sweep_if_due()
  if self.fresh > self.sweep_after then
    self:sweep()
  end
end

return M
