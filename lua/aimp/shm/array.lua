--- The class of shared arrays: their methods. Operators are in init.lua.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local element_module = require("aimp.shm.element")
local errors = require("aimp.errors")
local memory = require("aimp.shm.memory")
local state_module = require("aimp.shm.state")

local C = aimp_ffi.C
local type, istype = type, ffi.istype
local raise_misuse = errors.raise_misuse
local Handle, states, arrays = state_module.Handle, state_module.all, state_module.arrays
local state_of, open, check_index = state_module.of, state_module.open, state_module.check_index
local refuse_closed = state_module.refuse_closed

local M = {}

--- An array of numbers, or of structs without pointers, that every process has mapped to which it was sent:
--- as an argument, in a table, through a queue or as a captured variable. Nothing is copied; what one process
--- writes the others read. Its elements are numbered from 0 and are zero at first. `array[i]` and
--- `array[i] = v` are `get` and `set`, but for a struct: `array[i].x = 1` writes into the array. `#array` is
--- its length.
---
--- `array.ptr` is an FFI pointer to the first element, for compiled loops: nothing is checked. The memory
--- stays mapped while that very value is held; `ptr + 1` and `ptr[0].field` hold nothing.
---
--- Processes that use the same elements at the same time have to agree on who does what, or use `add` and
--- `cas`. A loop that LuaJIT compiled may go on with a number that it read before; `add(i, 0)` always looks.
---
--- The memory is freed when the last process lets go of its array, or closes it. Until then the array takes
--- one file descriptor in each process that has it. In a worker, the first use of an array that has just come
--- may wait for it a moment.
---@class aimp.shm.Array
---@field ptr ffi.cdata*  pointer to element 0
local Array = {}
M.Class = Array

-- ---- elements ----

--- Stores any value; returns what is wrong with it, if anything.
---@param state aimp.shm.State
---@param pointer ffi.cdata*
---@param i integer
---@param value any
---@return string? fault
function M.store(state, pointer, i, value)
  local element = state.element
  local ok, fault = element:convert(value)
  if not ok then
    return fault
  end
  ffi.copy(pointer + i, element.scratch, element.size)
end
local store = M.store

--- Element i. Of a struct it is a copy: `set` puts it back.
---
--- Raises nothing but misuse; in a worker also CLOSED or STATE when the array cannot be had, DECODE when its
--- type is not declared there.
---
--- Example: `local price = array:get(0)`
---@async
---@param i integer  from 0
---@return any value  64-bit integers are cdata, as in FFI arrays
function Array:get(i)
  local state = state_of(self, "get")
  local pointer = state.pointer or open(state)
  check_index(state, i)
  if state.is_scalar then
    return pointer[i]
  end
  return state.element:copy_of(pointer, i)
end

--- Sets element i. Numbers are converted as C does it. A struct is given as one or as a table of its fields;
--- those that are left out become zero.
---
--- Raises as `get`.
---
--- Example: `array:set(0, 12.5)`
---@async
---@param i integer  from 0
---@param value any
function Array:set(i, value)
  local state = state_of(self, "set")
  local pointer = state.pointer or open(state)
  check_index(state, i)
  if type(value) == "number" and state.takes_numbers then
    pointer[i] = value
    return
  end
  local fault = store(state, pointer, i, value)
  if fault then
    raise_misuse(2, "array:set: %s", fault)
  end
end

--- The number of elements.
---
--- Raises nothing but misuse.
---
--- Example: `for i = 0, array:length() - 1 do array:set(i, i) end`
---@return integer
function Array:length()
  local state = state_of(self, "length")
  refuse_closed(state)
  return state.length
end

--- Sets all elements to one value.
---
--- Raises as `set`.
---
--- Example: `array:fill(0)`
---@async
---@param value any
function Array:fill(value)
  local state = state_of(self, "fill")
  local pointer = state.pointer or open(state)
  local ok, fault = state.element:convert(value)
  if not ok then
    raise_misuse(2, "array:fill: %s", fault)
  end
  local converted = state.element.scratch[0]
  for i = 0, state.length - 1 do
    pointer[i] = converted
  end
end

-- What is wrong with it, if anything.
local function copy_list(state, pointer, list)
  for i = 1, #list do
    local fault = store(state, pointer, i - 1, list[i])
    if fault then
      return ("item %d: %s"):format(i, fault)
    end
  end
end

local function too_long(state, length)
  return length > state.length and ("%d elements do not fit into %d"):format(length, state.length)
end

local function copy_array(state, pointer, from, source)
  if not from.element:is_same(state.element) then
    return ("elements of '%s' cannot become '%s'"):format(from.element.name, state.element.name)
  end
  ffi.copy(pointer, source, from.length * state.element.size)
end

--- Copies all elements of another array of the same type, or the items of a list, to the beginning.
---
--- Raises as `set`.
---
--- Example: `array:copy({ 1, 2, 3 })`
---@async
---@param from aimp.shm.Array|any[]  at most as long as this one
function Array:copy(from)
  local state = state_of(self, "copy")
  local pointer = state.pointer or open(state)
  local fault
  if istype(Handle, from) then
    local other = states[from.id]
    local source = other.pointer or open(other)
    fault = too_long(state, other.length) or copy_array(state, pointer, other, source)
  elseif type(from) == "table" then
    fault = too_long(state, #from) or copy_list(state, pointer, from)
  else
    fault = "expected a shared array or a list, got a " .. type(from)
  end
  if fault then
    raise_misuse(2, "array:copy: %s", fault)
  end
end

-- ---- atomic operations ----

-- Called by what the user calls.
local function check_integers(state, method)
  local element = state.element
  if not element.integer_size then
    raise_misuse(3, "array:%s: only integers can be changed atomically, not '%s'", method, element.name)
  end
end

local function refuse_integer(state, method, value)
  raise_misuse(3, "array:%s: expected an integer that fits into '%s', got %s", method, state.element.name,
    type(value) == "cdata" and tostring(value) or type(value) == "number" and value or "a " .. type(value))
end

--- Adds to element i, at once for all processes, and wraps around as C's integers do.
---
--- Raises as `get`; of other elements than integers misuse.
---
--- Example: `local ticket = array:add(0, 1)`
---@async
---@param i integer  from 0
---@param n integer|ffi.cdata*  any integer
---@return integer|ffi.cdata* value  the new one; 64-bit integers are cdata
function Array:add(i, n)
  local state = state_of(self, "add")
  local pointer = state.pointer or open(state)
  check_index(state, i)
  check_integers(state, "add")
  local bits = element_module.bits(n)
  if not bits then
    refuse_integer(state, "add", n)
  end
  local element = state.element
  return element:integer(C.aimp_shm_add(pointer + i, element.integer_size, bits))
end

--- Sets element i if it has the expected value, at once for all processes.
---
--- Raises as `get`; of other elements than integers misuse.
---
--- Example:
---     local old
---     repeat
---       old = array:get(0)
---     until array:cas(0, old, math.max(old, 7))
---@async
---@param i integer  from 0
---@param expected integer|ffi.cdata*  any integer
---@param new integer|ffi.cdata*       any integer
---@return boolean is_set  false: it had another value, and keeps it
function Array:cas(i, expected, new)
  local state = state_of(self, "cas")
  local pointer = state.pointer or open(state)
  check_index(state, i)
  check_integers(state, "cas")
  local element = state.element
  local expected_bits, new_bits = element:exact_bits(expected), element:exact_bits(new)
  if not expected_bits then
    refuse_integer(state, "cas", expected)
  elseif not new_bits then
    refuse_integer(state, "cas", new)
  end
  return C.aimp_shm_cas(pointer + i, element.integer_size, expected_bits, new_bits) == 1
end

-- ---- life ----

--- Lets go of the memory now, rather than when the collector finds the array unused. Other processes keep
--- theirs. Pointers and references into it must not be used any more; all methods but this one are misuse.
---
--- Raises nothing but misuse.
---
--- Example: `array:close()`
function Array:close()
  local state = state_of(self, "close")
  state_module.close(state)
end

--- The number of elements, as `array:length()`.
---
--- Raises nothing but misuse.
---
--- Example: `print(#array)`
---@return integer
function Array:__len()
  local state = states[self.id]
  refuse_closed(state)
  return state.length
end

function Array:__tostring()
  local state = states[self.id]
  if state.is_closed then
    return "aimp.shm.array (closed)"
  end
  local core = state.core
  local name = core.element and core.element.name or core.spelling
  return ("aimp.shm.array('%s', %d)"):format(name, state.length)
end

function Array.__aimp_send(array)
  local state = states[array.id]
  if state.is_closed then
    error("the shared array is closed", 0)
  end
  local core = state.core
  local spelling = core.spelling or core.element.spelling
  if not spelling then
    error("its elements are of a type without a name: give the type as a string", 0)
  end
  return { state.front, spelling, state.length }
end

-- Of what came, only the front is trusted in the process that has the core.
function Array.__aimp_recv(value)
  local front = type(value) == "table" and value[1]
  if type(front) ~= "table" or getmetatable(front) ~= memory.Class then
    error("no shared array", 0)
  end
  local core = front._core
  if core.link and not core.length then
    core.spelling, core.length = value[2], value[3]
  end
  return arrays[front] or state_module.new(front)
end

return M
