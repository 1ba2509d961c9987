-- SPDX-License-Identifier: MIT
--- FFI values that hold no pointers travel as the name of their type and their bytes; types (what
--- ffi.typeof returns) travel as their name. The receiver must have declared the type too.
local bit = require("bit")
local ffi = require("ffi")

local band, rshift = bit.band, bit.rshift

local M = {}

-- ffi.typeinfo(id).info: the kind is in the top four bits, the id of the element type in the low 16.
local NUMBER, STRUCT, POINTER, ARRAY, VOID, ENUM, FUNCTION = 0, 1, 2, 3, 4, 5, 6
local TYPEDEF, ATTRIBUTE, FIELD, BITFIELD, CONSTANT = 7, 8, 9, 10, 11
local COMPLEX, VARIABLE_LENGTH = 0x04000000, 0x00100000

-- A type that a worker names stays in this state's table of types, which has 65536 places.
local MAX_TYPES = 4096
local types, type_count = {}, 0

local is_free_of_pointers

local function has_no_pointer_field(info)
  local id = info.sib
  while id do
    local field = ffi.typeinfo(id)
    local kind = rshift(field.info, 28)
    if kind == FIELD or kind == ATTRIBUTE then
      if not is_free_of_pointers(band(field.info, 0xffff)) then
        return false
      end
    elseif kind ~= BITFIELD and kind ~= CONSTANT then
      return false
    end
    id = field.sib
  end
  return true
end

function is_free_of_pointers(id)
  local info = ffi.typeinfo(id)
  local kind = rshift(info.info, 28)
  if kind == NUMBER or kind == ENUM then
    return true
  elseif kind == STRUCT then
    return band(info.info, VARIABLE_LENGTH) == 0 and has_no_pointer_field(info)
  elseif kind == ARRAY or kind == TYPEDEF or kind == ATTRIBUTE then
    return is_free_of_pointers(band(info.info, 0xffff))
  end
  return false
end

local function name_of(ctype)
  return (tostring(ctype):match("^ctype<(.*)>$"):gsub("^const ", ""))
end

-- Structs without a name print as a number.
local function is_nameable(name)
  return name:find("^[%a_][%w_ ]*[%[%]%d?]*$") and not name:find("^%a+ %d")
end

-- Numbers, enums and complex numbers, whose bytes can only be reached through an array of one.
local function is_scalar_type(info)
  local kind = rshift(info.info, 28)
  return kind == NUMBER or kind == ENUM or kind == ARRAY and band(info.info, COMPLEX) ~= 0
end

local function bytes_of(value, name, info)
  local size = ffi.sizeof(value)
  if is_scalar_type(info) then
    return ffi.string(ffi.new(name .. "[1]", value), size)
  end
  return ffi.string(ffi.cast("const char *", value), size)
end

local function is_type(value, name)
  local ok, text = pcall(tostring, value)
  return ok and text == "ctype<" .. name .. ">"
end

local function fault_of(info)
  local kind = rshift(info.info, 28)
  if kind == POINTER then
    return "pointer"
  elseif kind == STRUCT and band(info.info, VARIABLE_LENGTH) ~= 0 then
    return "cdata of variable length"
  end
  return "cdata with pointers"
end

-- ---- types, for others that keep values of them as bytes ----

--- Whether it is a type, as ffi.typeof returns it, and no value.
---@param value ffi.cdata*
---@return boolean
function M.is_type(value)
  return is_type(value, tostring(ffi.typeof(value)):match("^ctype<(.*)>$"))
end

--- Why values of a type cannot be kept as bytes; nil: they can.
---@param ctype ffi.ctype*
---@return string?
function M.fault_of_type(ctype)
  local id = tonumber(ctype)
  local info = ffi.typeinfo(id)
  if rshift(info.info, 28) == VOID or rshift(info.info, 28) == FUNCTION then
    return "no values"
  elseif band(info.info, VARIABLE_LENGTH) ~= 0 then
    return "variable length"
  elseif not is_free_of_pointers(id) then
    return "pointers"
  end
end

--- The name by which another process finds a type that it has declared; nil: the type has none.
---@param ctype ffi.ctype*
---@return string?
function M.name_of_type(ctype)
  local name = name_of(ctype)
  return is_nameable(name) and name or nil
end

-- ---- writing ----

--- The name and the bytes of a value; for a type the bytes are false.
---@param value ffi.cdata*
---@return string? name       nil: it cannot be sent
---@return string|false bytes or what it is
function M.write(value)
  local ctype = ffi.typeof(value)
  local full_name = tostring(ctype):match("^ctype<(.*)>$")
  if is_type(value, full_name) and not full_name:find("^%a+ %d") then
    return full_name, false
  end
  local id = tonumber(ctype)
  local name = name_of(ctype)
  local info = ffi.typeinfo(id)
  if not is_free_of_pointers(id) then
    return nil, fault_of(info) .. " (" .. name .. ")"
  elseif not is_nameable(name) then
    return nil, "cdata of a type without a name (" .. name .. ")"
  end
  return name, bytes_of(value, name, info)
end

-- ---- reading ----

local function known_type(name)
  local ctype = types[name]
  if ctype then
    return ctype
  elseif type_count >= MAX_TYPES then
    error("too many FFI types", 0)
  end
  local ok, found = pcall(ffi.typeof, name)
  if not ok then
    error("FFI type '" .. name .. "' is not declared in this process", 0)
  end
  types[name], type_count = found, type_count + 1
  return found
end

local function fill(object, bytes, size)
  if size ~= #bytes then
    error("wrong size of an FFI value", 0)
  end
  ffi.copy(object, bytes, size)
  return object
end

local function read_variable(name, bytes)
  local element = ffi.sizeof(known_type((name:gsub("%[%?%]", "[1]", 1))))
  if element == 0 or #bytes % element ~= 0 then
    error("wrong size of an FFI value", 0)
  end
  return fill(ffi.new(known_type(name), #bytes / element), bytes, #bytes)
end

--- Makes the value again; raises a text.
---@param name string
---@param bytes string|false
---@return ffi.cdata*
function M.read(name, bytes)
  if not bytes then
    if not name:find("^[%a_][%w_ *&?%[%]]*$") then
      error("bad name of an FFI type", 0)
    end
    return known_type(name)
  elseif not is_nameable(name) then
    error("bad name of an FFI type", 0)
  end
  local ctype = known_type(name)
  if not is_free_of_pointers(tonumber(ctype)) then
    error("FFI type '" .. name .. "' has pointers here", 0)
  elseif name:find("[?]", 1, true) then
    return read_variable(name, bytes)
  end
  local size = ffi.sizeof(ctype)
  if size ~= #bytes then
    error("FFI type '" .. name .. "' has another size here", 0)
  elseif is_scalar_type(ffi.typeinfo(tonumber(ctype))) then
    return ffi.new(ctype, fill(ffi.new(name .. "[1]"), bytes, size)[0])
  end
  return fill(ffi.new(ctype), bytes, size)
end

return M
