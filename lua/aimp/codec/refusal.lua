-- SPDX-License-Identifier: MIT
--- What is raised where a value cannot be sent; the sender makes an ENCODE error of it (path.lua).

---@class aimp.codec.Refusal  raised by writers; path.lua makes an ENCODE error of it
---@field value any   what cannot be sent
---@field what string what that is
local Refusal = {}
Refusal.__index = Refusal

local M = {}

---@param err any
---@return boolean
function M.is(err)
  return getmetatable(err) == Refusal
end

--- Raises a refusal.
---@param value any
---@param what string
function M.refuse(value, what)
  error(setmetatable({ value = value, what = what }, Refusal), 0)
end

return M
