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
---   TABLE     blob as last sent, version, is_meta (it is a metatable), is_class (of which there is one only)
---   CELL      id, users (function key -> index of the upvalue), get, is_fixed (never assigned again),
---             and as GLOBAL
---   GLOBAL    name, value | ref and version | blob and identity: what was last sent
local buffer = require("string.buffer")
local names = require("aimp.codec.names")
local plain = require("aimp.codec.plain")
local wire = require("aimp.codec.wire")

local each, rawget = pairs, rawget -- see plain.lua
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

-- A buffer that grew beyond this is not kept.
local KEEP_BYTES = 65536

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
    idle_buffer = nil, idle_transaction = nil,
    orphans = {}, first_orphan = 1, last_orphan = 0,
    fresh = 0, sweep_after = 0, -- functions and tables since the last sweep; when the next one is due
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
  return self:bind({ kind = kind.TABLE, version = 0, is_meta = false, is_class = false }, t)
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
  for key in each(cell.users) do
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
  for key, i in each(cell.users) do
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

-- ---- buffers ----

--- A buffer for one definition. One is kept; while it is in use, __aimp_send may need another.
function Captures:take_buffer()
  local out = self.idle_buffer or buffer.new()
  self.idle_buffer = nil
  return out
end

--- The bytes of the definition.
function Captures:finish_buffer(out)
  local text = out:get()
  if #text <= KEEP_BYTES then
    self.idle_buffer = out
  end
  return text
end

return M
