--- Whom a function calls, read off its bytecode, and so whether it waits.
---
--- The code is gone through once, from top to bottom, with what is known of each slot: a function or module
--- that it captured, a field of such a module, a method of its own class. What is not known is only named.
--- So an answer "it waits" is sure as far as all branches are taken, and "it does not" is none.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local util = require("jit.util")
local vmdef = require("jit.vmdef")

local band, rshift = bit.band, bit.rshift

local M = {}

---@class docs.Calls
---@field functions function[]          that are surely called
---@field methods table<string, true>   names of methods of what is not known
---@field core_methods table<string, true>  names of methods of self._core, see aimp.shared
---@field is_open boolean               it calls a function that it was given
---@field tables table<function, table> the last table that was given to a known function
---@field strings table<string, true>   constants that were given to known functions
---@field returns "none"|"some"|"unknown"  whether it gives values back

local opcodes = {}
for name in vmdef.bcnames:gmatch("......") do
  opcodes[#opcodes + 1] = name:match("^%S+")
end

-- Where the arguments of a call begin, seen from the slot of the function: one more with 64-bit frames.
local function argument_offset()
  local f = loadstring("local f, x = ... f(x)")
  for pc = 1, util.funcinfo(f).bytecodes - 1 do
    local instruction = util.funcbc(f, pc)
    if opcodes[band(instruction, 0xff) + 1] == "CALL" then
      local last = util.funcbc(f, pc - 1) -- the MOV of x
      return band(rshift(last, 8), 0xff) - band(rshift(instruction, 8), 0xff)
    end
  end
end
local FIRST = argument_offset()

local guards = { [pcall] = FIRST, [xpcall] = FIRST } -- call their first argument

-- A field of what is known: of a table, or of the object whose class is known.
local function field_of(known, name)
  if known and known.class then
    for _, methods in ipairs(known.class) do
      if rawget(methods, name) ~= nil then
        return { value = rawget(methods, name) }
      end
    end
  elseif known and type(known.value) == "table" then
    local value = rawget(known.value, name)
    return value ~= nil and { value = value } or { name = name, object = known }
  end
  return { name = name, of = known and known.name, object = known }
end

-- The arguments that are known, of a call of a known function.
local function note_arguments(self, callee, slot)
  for argument = slot + FIRST, slot + FIRST + 3 do
    local known = self.slots[argument]
    if known and type(known.value) == "string" then
      self.calls.strings[known.value] = true
    elseif known and type(known.value) == "table" then
      self.calls.tables[callee] = known.value
    end
  end
end

-- `object:name(…)` has the object as first argument, `object.name(…)` has not.
local function is_method_call(self, inner, slot)
  return inner.object ~= nil and inner.object == self.slots[slot + FIRST]
end

local function note_call(self, slot)
  local callee = self.slots[slot]
  local inner = callee and guards[callee.value] and self.slots[slot + guards[callee.value]] or callee
  if inner and type(inner.value) == "function" then
    table.insert(self.calls.functions, inner.value)
  elseif inner and inner.of == "_core" then
    self.calls.core_methods[inner.name] = true
  elseif inner and inner.name and is_method_call(self, inner, slot) then
    self.calls.methods[inner.name] = true
  else
    self.calls.is_open = true
  end
  if callee and type(callee.value) == "function" then
    note_arguments(self, callee.value, slot)
  end
  for other in pairs(self.slots) do
    if other >= slot then
      self.slots[other] = nil
    end
  end
end

local handlers = {}

function handlers.UGET(self, a, d)
  local _, value = debug.getupvalue(self.fn, d + 1)
  self.slots[a] = { value = value }
end

function handlers.GGET(self, a, d)
  self.slots[a] = { value = rawget(_G, util.funck(self.fn, -d - 1)) }
end

function handlers.KSTR(self, a, d)
  self.slots[a] = { value = util.funck(self.fn, -d - 1) }
end

function handlers.MOV(self, a, d)
  self.slots[d] = self.slots[d] or {} -- something, the same in both
  self.slots[a] = self.slots[d]
end

function handlers.TGETS(self, a, d)
  local object = rshift(d, 8)
  self.slots[object] = self.slots[object] or {}
  self.slots[a] = field_of(self.slots[object], util.funck(self.fn, -band(d, 0xff) - 1))
end

-- Tables that the function makes itself are followed too: the rules of options often are such.
function handlers.TNEW(self, a)
  self.slots[a] = { value = {}, is_made = true }
end

function handlers.TDUP(self, a, d)
  local copy = {}
  for key, value in pairs(util.funck(self.fn, -d - 1)) do
    copy[key] = value
  end
  self.slots[a] = { value = copy, is_made = true }
end

function handlers.TSETS(self, a, d)
  local made, value = self.slots[rshift(d, 8)], self.slots[a] or {}
  if made and made.is_made then
    made.value[util.funck(self.fn, -band(d, 0xff) - 1)] = value.value or true
  end
end

for _, name in ipairs({ "CALL", "CALLM" }) do
  handlers[name] = note_call
end

for _, name in ipairs({ "CALLT", "CALLMT" }) do
  handlers[name] = function(self, a)
    self.calls.returns = self.calls.returns == "some" and "some" or "unknown"
    note_call(self, a)
  end
end

for _, name in ipairs({ "RET", "RET1", "RETM" }) do
  handlers[name] = function(self)
    self.calls.returns = "some"
  end
end

-- Those whose first operand is no slot that they write.
local function writes_nothing(name)
  for _, beginning in ipairs({ "^IS", "^JMP", "^RET0", "^TSET", "^USET", "^GSET" }) do
    if name:find(beginning) then
      return true
    end
  end
  return false
end

--- Reads one function.
---@param fn function
---@param class? table[]  the tables of its methods, where it is one
---@return docs.Calls
function M.read(fn, class)
  local calls = { functions = {}, methods = {}, core_methods = {}, strings = {}, tables = {}, is_open = false,
    returns = "none" }
  local self = { fn = fn, slots = {}, calls = calls }
  if class then
    self.slots[0] = { class = class }
  end
  for pc = 1, util.funcinfo(fn).bytecodes - 1 do
    local instruction = util.funcbc(fn, pc)
    local name = opcodes[band(instruction, 0xff) + 1]
    local a, d = band(rshift(instruction, 8), 0xff), rshift(instruction, 16)
    if handlers[name] then
      handlers[name](self, a, d)
    elseif not writes_nothing(name) then
      self.slots[a] = nil
    end
  end
  return calls
end

return M
