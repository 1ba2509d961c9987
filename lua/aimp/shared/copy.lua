--- Copies of values, made as if they were sent to another process and back.
-- SPDX-License-Identifier: MIT
local buffer = require("string.buffer")
local codec = require("aimp.codec")

local M = {}

local position = 0

-- What is defined need not be kept: functions are found again by their key.
local function define()
  position = position + 1
  return position
end

local sender = codec.sender({ from_worker = false, what = "value", define = define, forget = function() end,
  route = { direction = "self" } })
local receiver = codec.receiver({ from_worker = true, peer = sender })
local idle = buffer.new() -- nil while in use: __aimp_send may copy something

---@param value any
---@return any
function M.copy(value)
  local kind = type(value)
  if kind == "number" or kind == "string" or kind == "boolean" or kind == "nil" then
    return value
  end
  local buf = idle or buffer.new()
  idle = nil
  local format = sender:pack(buf:reset(), 1, value)
  local copy = receiver:unpack(buf, format, 1)
  idle = buf
  return copy
end

return M
