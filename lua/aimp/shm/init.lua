--- aimp.shm: typed arrays in memory that several processes share.
---
--- Here: how they are made, and their operators. In array.lua: their methods. In memory.lua: the memory,
--- which is the shared object that travels. In element.lua: C types. In state.lua: what joins them.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local array_module = require("aimp.shm.array")
local check = require("aimp.check")
local element_module = require("aimp.shm.element")
local errors = require("aimp.errors")
local handles = require("aimp.codec.handles")
local memory = require("aimp.shm.memory")
local state_module = require("aimp.shm.state")

local type = type
local raise_misuse = errors.raise_misuse
local Array, store = array_module.Class, array_module.store
local Handle, states, keeps = state_module.Handle, state_module.all, state_module.keeps
local open, check_index = state_module.open, state_module.check_index

local M = { Class = Array }

-- ---- operators ----

local function index(self, key)
  if type(key) == "number" then
    local state = states[self.id]
    local pointer = state.pointer or open(state)
    check_index(state, key)
    local value = pointer[key]
    if not state.is_scalar then
      keeps[value] = pointer
    end
    return value
  elseif key == "ptr" then
    local state = states[self.id]
    return state.pointer or open(state)
  end
  return Array[key]
end

local function newindex(self, key, value)
  if type(key) ~= "number" then
    raise_misuse(2, "a shared array has no field '%s' that can be set", errors.describe(key))
  end
  local state = states[self.id]
  local pointer = state.pointer or open(state)
  check_index(state, key)
  if type(value) == "number" and state.takes_numbers then
    pointer[key] = value
    return
  end
  local fault = store(state, pointer, key, value)
  if fault then
    raise_misuse(2, "%s", fault)
  end
end

ffi.metatype(Handle, { __index = index, __newindex = newindex, __len = Array.__len,
  __tostring = Array.__tostring, __gc = state_module.forget })
handles.register(Handle, Array)

-- ---- making one ----

--- Makes an array of n elements, all zero, that other processes can have. The type is one that holds no
--- pointers: "double", "int32_t", "struct point" after ffi.cdef, "struct { float x, y; }". Workers must have
--- declared a type that has a name of its own before they use the array.
---
--- Raises nothing but misuse, also for more than the memory that is left.
---
--- Example:
---     local array = aimp.shm.array("double", 1000)
---     pool:apply(function(a) a[0] = 7 end, array):await()
---     print(array[0])
---@param ctype string|ffi.ctype*  name of a C type, or what ffi.typeof returns
---@param n integer  elements
---@return aimp.shm.Array
function M.array(ctype, n)
  local element, fault = element_module.of(ctype)
  if not element then
    raise_misuse(2, "bad argument #1 to 'aimp.shm.array' (%s)", fault)
  end
  check.arg(1, "aimp.shm.array", 2, n, "integer")
  if n < 1 then
    raise_misuse(2, "bad argument #2 to 'aimp.shm.array' (at least 1 element, got %d)", n)
  end
  local front
  front, fault = memory.new(element, n)
  if not front then
    raise_misuse(2, "aimp.shm.array: %s", fault)
  end
  return state_module.new(front)
end

return M
