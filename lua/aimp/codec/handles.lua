-- SPDX-License-Identifier: MIT
--- Classes that decide themselves how their objects travel: __aimp_send(self) gives a value, and
--- __aimp_recv(value) makes the object again. They stand in the metatable, in its __index table, or in
--- a class that this inherits from. Looked up without running metamethods.
---
--- All cdata have one metatable, so of aimp's own ctypes the class is registered here.
local type, rawget, getmetatable = type, rawget, debug.getmetatable
local istype = require("ffi").istype

local M = {}

local MAX_ANCESTORS = 64

local function find(class, name)
  for _ = 1, MAX_ANCESTORS do
    if type(class) ~= "table" then
      return nil
    end
    local method = rawget(class, name)
    if method ~= nil then
      return method
    end
    local metatable = getmetatable(class)
    class = metatable and rawget(metatable, "__index")
  end
end

--- A method of the objects that have this metatable.
---@param metatable table
---@param name "__aimp_send"|"__aimp_recv"
---@return any
function M.method(metatable, name)
  local method = rawget(metatable, name)
  if method ~= nil then
    return method
  end
  return find(rawget(metatable, "__index"), name)
end

local ctypes, classes = {}, {} -- there are very few

--- Makes a table with __aimp_send and __aimp_recv the class of the values of a ctype.
---@param ctype ffi.ctype*
---@param class table
function M.register(ctype, class)
  ctypes[#ctypes + 1], classes[#classes + 1] = ctype, class
end

---@param value ffi.cdata*
---@return table?
function M.class_of(value)
  for i = 1, #ctypes do
    if istype(ctypes[i], value) then
      return classes[i]
    end
  end
end

return M
