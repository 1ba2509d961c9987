--- What the elements of a shared array are: their C type, and how Lua values become elements.
---
--- Numbers, enums, booleans and complex numbers are *scalars*, which reading copies; structs, unions and
--- arrays are not.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local ffi = require("ffi")
local cdata = require("aimp.codec.cdata")

local band, rshift = bit.band, bit.rshift
local type, istype, cast = type, ffi.istype, ffi.cast
local int64, uint64 = ffi.typeof("int64_t"), ffi.typeof("uint64_t")

local M = {}

-- ffi.typeinfo(id).info: the kind is in the top four bits, the id of the element type in the low 16.
local NUMBER, ARRAY, ENUM, TYPEDEF, ATTRIBUTE = 0, 3, 5, 7, 8
local BOOLEAN, FLOATING, CONSTANT, UNSIGNED = 0x08000000, 0x04000000, 0x02000000, 0x00800000
local COMPLEX = FLOATING -- of an ARRAY

---@class aimp.shm.Element
---@field name string             for messages: as the user wrote it
---@field spelling? string        how other processes find the type; nil: it has no name
---@field ctype ffi.ctype*
---@field pointer ffi.ctype*      to one
---@field size integer            bytes
---@field takes_numbers boolean   any Lua number can be assigned as it is
---@field is_boolean boolean
---@field is_scalar boolean
---@field integer_size integer|false  of an integer that can be changed atomically
---@field is_unsigned boolean
---@field scratch ffi.cdata*      one element
local Element = {}
Element.__index = Element

local function info_of(ctype)
  local info = ffi.typeinfo(tonumber(ctype))
  while rshift(info.info, 28) == TYPEDEF or rshift(info.info, 28) == ATTRIBUTE do
    info = ffi.typeinfo(band(info.info, 0xffff))
  end
  return info.info
end

local function has(info, flag)
  return band(info, flag) ~= 0
end

-- The type, or what is wrong with it.
local function parse(given)
  if type(given) == "string" then
    local ok, ctype = pcall(ffi.typeof, given)
    return ok and ctype or nil, not ok and ("unknown C type '%s' (%s)"):format(given, ctype) or nil
  elseif type(given) ~= "cdata" or not cdata.is_type(given) then
    return nil, ("expected the name of a C type or what ffi.typeof returns, got a %s"):format(type(given))
  end
  return given
end

local function fault_of(ctype, name)
  local fault = cdata.fault_of_type(ctype)
  if fault then
    return ("elements of type '%s' have %s and cannot be shared"):format(name, fault)
  elseif has(info_of(ctype), CONSTANT) then
    return ("elements of type '%s' could not be written"):format(name)
  elseif (ffi.sizeof(ctype) or 0) == 0 then
    return ("elements of type '%s' have no size"):format(name) -- nil: an array or a struct without an end
  end
end

-- Under busted ffi.typeof looks at its first argument alone when it is called again.
local function derived(format, ctype)
  return ffi.typeof(("%s /* of %d */"):format(format, tonumber(ctype)), ctype)
end

local function new(ctype, name, spelling)
  local info = info_of(ctype)
  local kind, size = rshift(info, 28), ffi.sizeof(ctype)
  local is_number = kind == NUMBER and not has(info, BOOLEAN)
  local is_integer = is_number and not has(info, FLOATING)
  local is_unsigned = is_integer and has(info, UNSIGNED)
  return setmetatable({
    name = name, spelling = spelling, ctype = ctype, size = size,
    pointer = derived("$ *", ctype),
    takes_numbers = is_number and not (is_unsigned and size == 8),
    is_boolean = kind == NUMBER and has(info, BOOLEAN),
    is_scalar = kind == NUMBER or kind == ENUM or kind == ARRAY and has(info, COMPLEX),
    integer_size = is_integer and size <= 8 and size or false,
    is_unsigned = is_unsigned,
    scratch = ffi.new(derived("$[1]", ctype)),
  }, Element)
end

--- The element of a C type, or what is wrong with it.
---@param given any  name or ctype
---@return aimp.shm.Element?
---@return string? fault
function M.of(given)
  local ctype, fault = parse(given)
  if not ctype then
    return nil, fault
  end
  local name = type(given) == "string" and given or tostring(ctype):match("^ctype<(.*)>$")
  fault = fault_of(ctype, name)
  if fault then
    return nil, fault
  end
  return new(ctype, name, type(given) == "string" and given or cdata.name_of_type(ctype))
end

---@return boolean
function Element:is_same(other)
  return tonumber(self.ctype) == tonumber(other.ctype)
end

-- ---- values ----

local function is_int64(value)
  return istype(int64, value) or istype(uint64, value)
end

local function assign(scratch, value)
  scratch[0] = value
end

--- Puts a value into self.scratch; what a table leaves out is zero. False and why, when it cannot be.
---@param value any
---@return boolean ok
---@return string? fault
function Element:convert(value)
  local scratch = self.scratch
  ffi.fill(scratch, self.size)
  if self.is_boolean and type(value) ~= "boolean" then
    return false, ("cannot convert '%s' to 'bool'"):format(type(value))
  elseif type(value) == "number" and self.integer_size == 8 and value < 0 then
    value = cast(int64, value) -- this LuaJIT makes 2^63 of a negative number that becomes unsigned
  end
  local ok, err = pcall(assign, scratch, value)
  return ok, not ok and err:gsub("^.-:%d+: ", "") or nil
end

--- A copy of an element that is not a scalar.
---@param pointer ffi.cdata*
---@param i integer
---@return ffi.cdata*
function Element:copy_of(pointer, i)
  local copy = ffi.new(self.ctype)
  ffi.copy(copy, pointer + i, self.size)
  return copy
end

-- ---- integers ----

--- The bits of an integer that is added, as an argument of the C functions; nil: it is no integer.
---@param value any
---@return ffi.cdata*?
function M.bits(value)
  if type(value) == "number" then
    return value % 1 == 0 and value >= -2 ^ 63 and value < 2 ^ 63 and cast(int64, value) or nil
  end
  return is_int64(value) and value or nil
end
local bits = M.bits

--- The same of an integer that the type can hold.
---@param value any
---@return ffi.cdata*?
function Element:exact_bits(value)
  local found = bits(value)
  if not found or self.integer_size == 8 and type(value) ~= "number" then
    return found
  elseif self.integer_size == 8 then
    return (not self.is_unsigned or value >= 0) and found or nil
  end
  return tonumber(cast(self.ctype, found)) == tonumber(value) and found or nil
end

--- An integer as Lua gets it from an FFI array: 64-bit ones are cdata.
---@param value ffi.cdata*  uint64_t
---@return number|ffi.cdata*
function Element:integer(value)
  if self.integer_size == 8 then
    return cast(self.ctype, value)
  end
  return tonumber(cast(self.ctype, value))
end

return M
