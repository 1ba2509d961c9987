--- What is known of each shared array that this process has; the user's object is a number under which it is
--- kept here.
---
--- Used by array.lua and init.lua. All functions are called by what the user calls, whose line they blame.
---
--- Invariant: `pointer` is set exactly while the array can be used without waiting. It is one object, which
--- keeps the memory mapped, so that a pointer in a variable never points nowhere.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local block = require("aimp.shm.block")
local element_module = require("aimp.shm.element")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")

local type, istype = type, ffi.istype
local raise_misuse = errors.raise_misuse

local M = {}

---@class aimp.shm.State
---@field front aimp.shm.Memory
---@field core aimp.shm.Core|aimp.shm.Stub
---@field length integer
---@field pointer ffi.cdata*|false        of the elements' type
---@field element aimp.shm.Element|false  as long as there is a pointer
---@field takes_numbers boolean           as the element says
---@field is_scalar boolean               the same
---@field is_closed boolean

--- The type of the user's objects: cdata, as tables have no `#` of their own in LuaJIT.
M.Handle = ffi.typeof("struct { uint32_t id; }")
local Handle = M.Handle

--- By the number in the object.
---@type aimp.shm.State[]
M.all = {}
local states, free_ids, last_id = M.all, {}, 0

--- Objects by front: each process has one for the same memory.
M.arrays = setmetatable({}, { __mode = "kv" })
local arrays = M.arrays

--- References into arrays → the pointers that keep them mapped.
M.keeps = setmetatable({}, { __mode = "k" })

---@param front aimp.shm.Memory
---@return ffi.cdata*
function M.new(front)
  local id = table.remove(free_ids)
  if not id then
    last_id = last_id + 1
    id = last_id
  end
  local core = front._core
  states[id] = { front = front, core = core, length = core.length, pointer = false, element = false,
    takes_numbers = false, is_scalar = false, is_closed = false }
  local array = Handle(id)
  arrays[front] = array
  return array
end

--- The object was collected.
function M.forget(array)
  local id = array.id
  if states[id] then
    states[id], free_ids[#free_ids + 1] = nil, id
  end
end

---@param array any
---@param method string
---@return aimp.shm.State
function M.of(array, method)
  if not istype(Handle, array) then
    raise_misuse(3, "%s: not a shared array; call it as array:%s()", method, method)
  end
  return states[array.id]
end

---@param state aimp.shm.State
---@param level? integer  1 (default): called directly by what the user calls
function M.refuse_closed(state, level)
  if state.is_closed then
    raise_misuse((level or 1) + 2, "the shared array is closed")
  end
end
local refuse_closed = M.refuse_closed

---@param state aimp.shm.State
---@param i any
function M.check_index(state, i)
  if not (type(i) == "number" and i >= 0 and i < state.length and i % 1 == 0) then
    local given = type(i) == "number" and ("%.14g"):format(i) or "of type " .. type(i)
    raise_misuse(3, "index %s is no integer from 0 to %d", given, state.length - 1)
  end
end

-- ---- the way to the memory ----

local function refuse_type(core, text)
  error(errors.new("DECODE", ("a shared array of '%s': %s"):format(core.spelling, text)), 0)
end

local function element_of(core)
  if core.element then
    return core.element
  end
  local element, fault = element_module.of(core.spelling)
  if not element then
    refuse_type(core, fault .. "; declare it with ffi.cdef in this process, too")
  end
  return element
end

local function bind(state, element, shm)
  local pointer = block.map(shm, element.pointer)
  state.element, state.takes_numbers, state.is_scalar = element, element.takes_numbers, element.is_scalar
  state.pointer = pointer
  return pointer
end

--- Makes the pointer, where it is not there yet.
---
--- Raises misuse when the array is closed; CLOSED, STATE or DECODE when this process cannot have it.
---@async
---@param state aimp.shm.State
---@return ffi.cdata*
function M.open(state)
  refuse_closed(state, 2)
  local core = state.core
  if core.link and not core.shm then
    fiber.waiter(2, "the first use of a shared array")
  end
  local shm, element = core:open(), element_of(core)
  if state.is_closed then -- while this waited
    core:close()
    refuse_closed(state, 2)
  elseif element.size * state.length ~= tonumber(shm.size) then
    refuse_type(core, "the type has another size here")
  end
  return state.pointer or bind(state, element, shm) -- another task may have waited, too
end

--- Lets go of the memory.
---@param state aimp.shm.State
function M.close(state)
  if state.is_closed then
    return
  elseif state.pointer then
    block.unmap(state.pointer, state.length * state.element.size)
  end
  arrays[state.front] = nil
  state.core:close()
  state.is_closed, state.pointer, state.element, state.front, state.core = true, false, false, nil, nil
end

return M
