-- SPDX-License-Identifier: MIT
--- Takes encoded values from a buffer one by one; from a worker only such as cannot make the decoder
--- allocate more than in proportion to the bytes that are there. Failures are texts.
---
--- An error that string.buffer raises from compiled code looks for the line of a caller that is not on
--- the stack, and may crash the process. So what compiles decodes only scalars that were checked, and tables
--- are decoded by a function that is not compiled. It is called through string.gsub, a C function across
--- which traces are stitched; a direct call would keep everything around it from being compiled.
local wire = require("aimp.codec.wire")

local is_sound, is_table = wire.is_sound, wire.is_table

local M = {}

local gsub = string.gsub
local source_buffer, result

local function decode_now()
  result = source_buffer:decode()
end
jit.off(decode_now)

local function decode_interpreted(buf)
  source_buffer = buf
  gsub("x", "x", decode_now)
  local value = result
  source_buffer, result = nil, nil
  return value
end

local function malformed()
  error("malformed data", 0)
end

--- Takes a value that a trusted process encoded.
---@param buf string.buffer
---@return any
function M.take(buf)
  local p, len = buf:ref()
  if is_table(p, len) then
    return decode_interpreted(buf)
  elseif not is_sound(p, len) then
    malformed()
  end
  return buf:decode()
end

--- Takes a value that anything may have written.
---@param buf string.buffer
---@return any
function M.take_checked(buf)
  local p, len = buf:ref()
  if not is_sound(p, len) then
    malformed()
  elseif is_table(p, len) then
    return decode_interpreted(buf)
  end
  return buf:decode()
end

local Trusted, Checked = {}, {}
Trusted.__index, Checked.__index = Trusted, Checked

function Trusted:take()
  return M.take(self.buf)
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
