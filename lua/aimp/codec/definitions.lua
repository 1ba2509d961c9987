-- SPDX-License-Identifier: MIT
--- What a worker has been told by its parent: prototypes, functions, variables, tables, by key.
---
---   PROTO   factory dump, {names of globals it reads}
---   FUNC    prototype key, environment path or false, number of upvalues, then each: PLAIN value,
---           CELL key or NAME path
---   NAMED   path
---   CELL    format, value          GLOBAL  name, format, value
---   TABLE   is_class, format, contents
---
--- Definitions arrive in order, but for those that were replaced or forgotten since. So variables and
--- tables are made when they are first named, and a function that is not there any more leaves a hole: what
--- had it is defined anew before anyone uses it. A definition that fails is tried again when it is needed,
--- since what it needs may have come later in the log; if it still fails, whoever needs it is told. Objects
--- whose __aimp_recv came by value wait for that too: by then its class and all that it captures are there.
local buffer = require("string.buffer")
local clear = require("table.clear")
local graph_read = require("aimp.codec.graph_read")
local named = require("aimp.codec.named")
local source_module = require("aimp.codec.source")
local wire = require("aimp.codec.wire")

local type, tostring = type, tostring
local each = pairs -- see plain.lua
local getmetatable, setmetatable_raw = debug.getmetatable, debug.setmetatable
local kind, upvalue = wire.kind, wire.upvalue

---@class aimp.codec.Definitions
local Definitions = {}
Definitions.__index = Definitions

local M = {}

---@return aimp.codec.Definitions
function M.new()
  return setmetatable({
    functions = {}, factories = {}, cells = {}, tables = {}, -- by key
    key_of_function = setmetatable({}, { __mode = "k" }),
    key_of_class = setmetatable({}, { __mode = "k" }),
    uses = {},              -- key -> keys and names of globals that it needs, to find failures
    global_keys = {},       -- name -> key
    failures = {},          -- key -> { text, blob }
    failure_count = 0,
    is_needed = false,      -- whether failed definitions are tried again for a call
  }, Definitions)
end

local function new_cell()
  local value
  return { get = function() return value end, set = function(new) value = new end }
end

local function cell_of(self, key)
  local cell = self.cells[key]
  if not cell then
    cell = new_cell()
    self.cells[key] = cell
  end
  return cell
end

local function table_of(self, key)
  local t = self.tables[key]
  if not t then
    t = {}
    self.tables[key] = t
  end
  return t
end

-- ---- refs of the graph reader while defining ----

local Refs = {}
Refs.__index = Refs

function Refs.named(_, path)
  local value, reason = named.resolve(path, true)
  if value == nil then
    error(reason, 0)
  end
  return value
end

function Refs:func(key)
  self.uses[#self.uses + 1] = key
  return self.definitions.functions[key]
end

function Refs:keyed(key)
  self.uses[#self.uses + 1] = key
  return table_of(self.definitions, key)
end

-- The value or table that follows, and what it uses.
local function take_contents(self, key, source)
  local uses = {}
  self.uses[key] = uses
  if source:take() == wire.PLAIN then
    return source:take(), false
  end
  local refs = { definitions = self, uses = uses, defers_objects = not self.is_needed }
  return graph_read.read(source, setmetatable(refs, Refs)), true
end

local function take_value(self, key, source)
  local value, is_graph = take_contents(self, key, source)
  if is_graph then
    return value[1]
  end
  return value
end

-- ---- the kinds ----

local read = {}

read[kind.PROTO] = function(self, key, source)
  local factory, globals = source:take(), source:take()
  self.factories[key] = assert(load(factory, "=aimp", "b"))
  self.uses[key] = globals
end

local function add_function(self, key, fn)
  self.functions[key] = fn
  self.key_of_function[fn] = key
end

read[kind.NAMED] = function(self, key, source)
  add_function(self, key, Refs.named(nil, source:take()))
end

local take_upvalue = {}

take_upvalue[upvalue.PLAIN] = function(_, operand)
  return operand
end

take_upvalue[upvalue.NAME] = function(_, operand)
  return Refs.named(nil, operand)
end

take_upvalue[upvalue.CELL] = function(self, operand, i, cells, uses)
  cells[i] = cell_of(self, operand)
  uses[#uses + 1] = operand
end

read[kind.FUNC] = function(self, key, source)
  local proto, environment, count = source:take(), source:take(), source:take()
  local factory = self.factories[proto]
  if not factory then
    error("its code is not known", 0)
  elseif self.functions[key] then
    return
  end
  local values, cells, uses = {}, {}, { proto }
  for i = 1, count do
    local how, operand = source:take(), source:take()
    values[i] = take_upvalue[how](self, operand, i, cells, uses)
  end
  local fn = factory(unpack(values, 1, count))
  for i, cell in each(cells) do
    debug.upvaluejoin(fn, i, cell.get, 1)
  end
  if environment then
    debug.setfenv(fn, Refs.named(nil, environment))
  end
  self.uses[key] = uses
  add_function(self, key, fn)
end

read[kind.CELL] = function(self, key, source)
  cell_of(self, key).set(take_value(self, key, source))
end

read[kind.GLOBAL] = function(self, key, source)
  local name = source:take()
  self.global_keys[name] = key
  rawset(_G, name, take_value(self, key, source))
end

-- The table stays the same one, so whoever has it sees the new contents.
read[kind.TABLE] = function(self, key, source)
  local is_class = source:take()
  local t, contents = table_of(self, key), take_contents(self, key, source)
  clear(t)
  for name, value in each(contents) do
    rawset(t, name, value)
  end
  setmetatable_raw(t, getmetatable(contents))
  self.key_of_class[t] = is_class and key or nil
end

local function set_failure(self, key, failure)
  local had = self.failures[key] ~= nil
  self.failures[key] = failure
  self.failure_count = self.failure_count + (failure and 1 or 0) - (had and 1 or 0)
end

local function read_definition(self, key, blob)
  local source = source_module.new(buffer.new():set(blob), false)
  local apply = read[source:take()]
  if not apply then
    error("malformed definition", 0)
  end
  apply(self, key, source)
end

--- Applies a definition. Never raises: a failure is told to those who need it. May load modules.
---@param key integer
---@param blob string
function Definitions:define(key, blob)
  local ok, reason = pcall(read_definition, self, key, blob)
  set_failure(self, key, not ok and { text = tostring(reason), blob = blob } or nil)
end

---@param key integer
function Definitions:forget(key)
  self.functions[key], self.factories[key], self.cells[key], self.tables[key] = nil, nil, nil, nil
  self.uses[key] = nil
  set_failure(self, key, nil)
end

-- The definitions that failed among those that `key` needs, directly or not.
local function failed_for(self, key)
  local queue, seen, failed = { key }, { [key] = true }, {}
  for _, at in ipairs(queue) do
    if self.failures[at] then
      failed[#failed + 1] = at
    end
    for _, used in ipairs(self.uses[at] or {}) do
      used = type(used) == "string" and self.global_keys[used] or used
      if not seen[used] then
        seen[used] = true
        queue[#queue + 1] = used
      end
    end
  end
  return failed
end

-- Tries the definitions again, each as long as others succeed. Returns one that still fails.
local function retry(self, failed)
  local before, first
  repeat
    before, first = self.failure_count, nil
    for _, key in ipairs(failed) do
      local failure = self.failures[key]
      if failure then
        self:define(key, failure.blob)
        first = first or self.failures[key]
      end
    end
  until not first or self.failure_count >= before
  return first
end

--- Why a definition that the given one needs, directly or not, failed, after trying those again.
---@param key integer
---@return string?
function Definitions:failure_of(key)
  local failed = failed_for(self, key)
  if failed[1] then
    self.is_needed = true
    local failure = retry(self, failed)
    self.is_needed = false
    return failure and failure.text
  end
end

return M
