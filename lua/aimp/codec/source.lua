-- SPDX-License-Identifier: MIT
--- Takes encoded values from a buffer one by one; from a worker only such as cannot make the decoder
--- allocate more than in proportion to the bytes that are there. Failures are texts.
local wire = require("aimp.codec.wire")

local is_sound = wire.is_sound

local M = {}

--- Takes a value that a trusted process encoded.
---@param buf string.buffer
---@return any
function M.take(buf)
  return buf:decode()
end

--- Takes a value that anything may have written.
---@param buf string.buffer
---@return any
function M.take_checked(buf)
  local p, len = buf:ref()
  if not is_sound(p, len) then
    error("malformed data", 0)
  end
  return buf:decode()
end

local Trusted, Checked = {}, {}
Trusted.__index, Checked.__index = Trusted, Checked

function Trusted:take()
  return self.buf:decode()
end

function Checked:take()
  return M.take_checked(self.buf)
end

---@param buf string.buffer
---@param is_checked boolean
---@return { take: fun(self): any }
function M.new(buf, is_checked)
  return setmetatable({ buf = buf }, is_checked and Checked or Trusted)
end

return M
