-- SPDX-License-Identifier: MIT
--- The worker process of support.lua: applies definitions, makes calls, writes down their first results.
local buffer = require("string.buffer")

local function read_file(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local input = buffer.decode(read_file(arg[1]))
package.path, package.cpath = input.path, input.cpath

local receiver = require("aimp.codec").receiver({ from_worker = false })

local function call(message)
  local payload = buffer.new():set(message.payload)
  return receiver:fn(message.call)(receiver:unpack(payload, message.format, message.n))
end

local results = {}
for _, message in ipairs(input.messages) do
  if message.define then
    receiver:define(message.define, message.blob)
  else
    local ok, value = pcall(call, message)
    if not ok then
      value = { error = tostring(value) }
    end
    results[#results + 1] = value == nil and "nil" or value
  end
end

local file = assert(io.open(arg[2], "wb"))
file:write(buffer.encode(results))
file:close()
