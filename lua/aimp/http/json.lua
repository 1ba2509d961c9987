-- SPDX-License-Identifier: MIT
--- JSON by lua-cjson, which is loaded when it is first needed.
local M = {}

local MISSING = "JSON needs the Lua module cjson (Debian: lua-cjson), which is not installed"

local function call(name, value)
  local found, cjson = pcall(require, "cjson")
  if not found then
    return false, MISSING
  end
  return pcall(cjson[name], value)
end

---@param value any
---@return boolean ok, string text_or_fault
function M.encode(value)
  return call("encode", value)
end

---@param text string
---@return boolean ok, any value_or_fault
function M.decode(text)
  return call("decode", text)
end

return M
