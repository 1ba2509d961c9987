--- Runs in workers for the specs of the hub: sends frames to the parent as they are given.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local core = require("aimp.core")

local M = {}

local function port()
  return ffi.cast("struct aimp_port *", core.port())
end

--- Sends ASK frames.
---@param frames { op: integer, number?: integer, request?: integer, aux?: integer, tag?: integer,
---  cell?: integer, generation?: integer, flags?: integer, data?: string, times?: integer }[]
function M.ask(frames)
  local frame = ffi.new("struct frame")
  for _, given in ipairs(frames) do
    ffi.fill(frame, ffi.sizeof(frame))
    local data = given.data or ""
    frame.kind, frame.count, frame.len = aimp_ffi.FRAME.ASK, given.op, #data
    frame.fn, frame.first, frame.aux = given.number or 0, given.request or 0, given.aux or 0
    frame.tag, frame.flags = given.tag or 0, given.flags or 0
    frame.cell, frame.generation = given.cell or 0, given.generation or 0
    for i = 1, given.times or 1 do
      frame.fn = (given.number or 0) + (given.times and i or 0)
      assert(aimp_ffi.C.aimp_port_send(port(), frame, data) == 0)
    end
  end
  aimp_ffi.C.aimp_port_flush(port())
end

--- The number that the parent knows the object by.
function M.number_of(object)
  return object._core.number
end

--- What a method is called in frames.
function M.op_of(object, method)
  return require("aimp.shared.exports").declaration_of(object).methods[method].op
end

return M
