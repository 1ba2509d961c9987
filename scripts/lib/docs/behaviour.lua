--- What public functions do, as far as their code tells, and that of what they call: whether they wait, which
--- rules they check their options against.
-- SPDX-License-Identifier: MIT
local calls_module = require("scripts.lib.docs.calls")
local check = require("aimp.check")
local fiber = require("aimp.fiber")

local M = {}

---@class docs.Behaviour
local Behaviour = {}
Behaviour.__index = Behaviour

-- All waiting comes down to these; `waiter` is the question for the running task.
local waiting = { [fiber.waiter] = true, [fiber.wait] = true, [fiber.yield] = true }

---@param model docs.Model
function M.new(model)
  return setmetatable({ model = model, known = {}, answers = {} }, Behaviour)
end

-- The tables of methods that `self` has in a function.
local function class_tables(self, fn)
  local declaration = self.model.survey:declaration(fn)
  if not declaration or not declaration.owner then
    return nil
  end
  local tables = self.model.survey:tables_of(declaration.file, declaration.owner)
  local class = tables[1] and self.model.class_of[tables[1]]
  return declaration.is_method and (class and class.tables or tables) or nil
end

local function read(self, fn)
  local calls = self.known[fn]
  if not calls then
    calls = calls_module.read(fn, class_tables(self, fn))
    self.known[fn] = calls
  end
  return calls
end

---@param entry docs.Entry
---@return docs.Calls
function Behaviour:calls(entry)
  return read(self, entry.fn)
end

-- The declaration of a class of shared objects (aimp.shared), which its __aimp_send has captured.
local function core_methods(class)
  local send = rawget(class, "__aimp_send")
  for i = 1, type(send) == "function" and debug.getinfo(send, "u").nups or 0 do
    local name, value = debug.getupvalue(send, i)
    if name == "declaration" then
      return value.methods
    end
  end
  return {}
end

-- A method of a shared object that asks the core anything waits: in its own process or in the others.
local function asks_core(self, fn)
  local tables = class_tables(self, fn) or {}
  local methods = tables[1] and core_methods(tables[1]) or {}
  for name in pairs(read(self, fn).core_methods) do
    if methods[name] and not methods[name].casts then
      return true
    end
  end
  return false
end

local function surely_waits(self, fn)
  if self.answers[fn] ~= nil then
    return self.answers[fn]
  elseif waiting[fn] then
    return true
  elseif not self.model.survey:declaration(fn) then
    return false
  end
  self.answers[fn] = asks_core(self, fn)
  if self.answers[fn] then
    return true
  end
  -- false while it is looked at: recursion
  for _, other in ipairs(read(self, fn).functions) do
    if surely_waits(self, other) then
      self.answers[fn] = true
      return true
    end
  end
  return false
end

-- Whether something that it calls may wait, as far as names tell.
local function may_wait(self, fn, seen)
  if seen[fn] or not self.model.survey:declaration(fn) then
    return false
  end
  seen[fn] = true
  local calls = read(self, fn)
  if calls.is_open or next(calls.core_methods) then
    return true
  end
  for name in pairs(calls.methods) do
    if self.async_names[name] then
      return true
    end
  end
  for _, other in ipairs(calls.functions) do
    if may_wait(self, other, seen) then
      return true
    end
  end
  return false
end

-- What `check.options` is given as rules, here or in what is called.
local function find_schema(self, fn, seen)
  if seen[fn] or not self.model.survey:declaration(fn) then
    return nil
  end
  seen[fn] = true
  local calls = read(self, fn)
  local schema = calls.tables[check.options]
  for _, other in ipairs(calls.functions) do
    schema = schema or find_schema(self, other, seen)
  end
  return schema
end

--- The rules that a function checks its options against.
---@param entry docs.Entry
---@return table<string, aimp.OptionRule>?
function Behaviour:schema(entry)
  return find_schema(self, entry.fn, {})
end

---@param entry docs.Entry
---@return "surely"|"maybe"|"never"
function Behaviour:waits(entry)
  if not self.async_names then
    self.async_names = {}
    for _, other in ipairs(self.model.entries) do
      self.async_names[other.key] = self.async_names[other.key] or other.doc.is_async
    end
  end
  if surely_waits(self, entry.fn) then
    return "surely"
  end
  return may_wait(self, entry.fn, {}) and "maybe" or "never"
end

return M
