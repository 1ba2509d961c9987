--- Blocks of shared memory: a descriptor, and mappings of it, each freed with the object that stands for it.
---
--- An array is small for Lua's collector and large for the system, so the collector is run before more memory
--- is held than twice what was in use when it ran last, and some patience.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")

local C = aimp_ffi.C

local M = {}

local PATIENCE = 64 * 2 ^ 20
--- What is let go of and is as large as this is worth a run of the collector.
local LARGE = 2 ^ 20

local held, limit = 0, PATIENCE -- bytes

local function collect()
  collectgarbage() -- the arrays …
  collectgarbage() -- … and what they alone held
end

local is_due = false

local function collect_now()
  is_due = false
  collect()
end

--- A block may have been used for the last time, and only the collector knows. One that is small can wait.
---@param shm ffi.cdata*
function M.collect_soon(shm)
  if tonumber(shm.size) >= LARGE and not is_due then
    is_due = true
    fiber.soon(collect_now)
  end
end

local function make_way(bytes)
  if held + bytes > limit then
    collect()
    limit = 2 * (held + bytes) + PATIENCE
  end
end

local function release(shm)
  held = held - tonumber(shm.size)
  C.aimp_shm_close(shm)
end

local function adopt(shm)
  held = held + tonumber(shm.size)
  return ffi.gc(shm, release)
end

local function try(fn, argument)
  local shm, err = ffi.new("struct aimp_shm"), ffi.new("struct aimp_error")
  if fn(shm, argument, err) == 0 then
    return shm
  end
  return nil, ffi.string(err.text)
end

--- Zeroed memory.
---@param bytes number
---@return ffi.cdata*? shm  struct aimp_shm
---@return string? fault
function M.create(bytes)
  if bytes > 2 ^ 62 then
    return nil, ("no machine has %g bytes"):format(bytes) -- and uint64_t might not hold the number
  end
  make_way(bytes)
  local shm, fault = try(C.aimp_shm_create, bytes)
  if not shm then
    collect()
    shm, fault = try(C.aimp_shm_create, bytes)
  end
  return shm and adopt(shm), fault
end

--- Memory of another process.
---@param fd integer  taken
---@return ffi.cdata*? shm  struct aimp_shm
---@return string? fault
function M.attach(fd)
  local shm, fault = try(C.aimp_shm_attach, fd)
  if shm then
    make_way(tonumber(shm.size))
    adopt(shm)
  end
  return shm, fault
end

--- Closes the descriptor; mappings stay.
---@param shm ffi.cdata*
function M.close(shm)
  release(ffi.gc(shm, nil))
end

--- A mapping, as a pointer of the given type: it lasts as long as that very object. Raises STATE.
---@param shm ffi.cdata*
---@param pointer_type ffi.ctype*
---@return ffi.cdata*
function M.map(shm, pointer_type)
  local err = ffi.new("struct aimp_error")
  local address, size = C.aimp_shm_map(shm, err), shm.size
  if address == nil then
    error(errors.new("STATE", "a shared array: " .. ffi.string(err.text)), 0)
  end
  return ffi.gc(ffi.cast(pointer_type, address), function(pointer)
    C.aimp_shm_unmap(pointer, size)
  end)
end

--- Ends a mapping early.
---@param pointer ffi.cdata*
---@param bytes number
function M.unmap(pointer, bytes)
  C.aimp_shm_unmap(ffi.gc(pointer, nil), bytes)
end

return M
