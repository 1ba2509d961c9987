--- What a worker sends back: values and errors, as result frames.
--- Used by the executor and by batches; knows the codec and the port, not coroutines.
-- SPDX-License-Identifier: MIT
local buffer = require("string.buffer")
local ffi = require("ffi")
local bit = require("bit")
local aimp_ffi = require("aimp.ffi")
local errors = require("aimp.errors")

local C, FRAME, TAG = aimp_ffi.C, aimp_ffi.FRAME, aimp_ffi.TAG
local FLAG_END, FLAG_ERROR = aimp_ffi.FLAG_END, aimp_ffi.FLAG_ERROR
local type, select = type, select
local lshift = bit.lshift

--- The parent is told at the latest after this time that results wait for it.
local FLUSH_AFTER_NS = 20e3

---@class aimp.worker.Reply
local Reply = {}
Reply.__index = Reply

local M = {}

---@param port ffi.cdata*    struct aimp_port
---@param sender table       codec sender towards the parent; may be set later
---@return aimp.worker.Reply
function M.new(port, sender)
  return setmetatable({
    port = port,
    sender = sender,
    frame = ffi.new("struct frame"),
    buf = buffer.new(),
    dirty = false,      -- frames were sent since the last flush
    flushed_ns = 0,     -- time of the last flush
    last_ns = 0,        -- time of the last result; what lies between two is an item's wall time
    pid = nil,
  }, Reply)
end

--- Monotonic nanoseconds as a plain number (exact for 104 days of uptime).
function M.clock_ns()
  return tonumber(C.aimp_clock_ns())
end
local clock_ns = M.clock_ns

function Reply:flush()
  self.dirty = false
  if C.aimp_port_flush(self.port) ~= 0 then
    error("aimp: the worker's shared memory is corrupt", 0)
  end
end

function Reply:send(cell, generation, first, count, flags, tag, wall_ns, data, len)
  local frame = self.frame
  frame.kind = FRAME.RESULT
  frame.flags = flags
  frame.cell = cell
  frame.generation = generation
  frame.first = first
  frame.count = count
  frame.fn = 0
  frame.tag = tag
  frame.aux = wall_ns
  frame.len = len
  if C.aimp_port_send(self.port, frame, data) ~= 0 then
    error("aimp: the worker's shared memory is corrupt", 0)
  end
  self.dirty = true
end

--- All results of a call, the only item of its unit, which ends with it.
function Reply:values(cell, generation, item, wall_ns, ...)
  local buf = self.buf
  buf:reset()
  local n = select("#", ...)
  local format = 0
  if n == 1 then
    local value = ...
    local kind = type(value)
    if kind == "number" or kind == "string" or kind == "boolean" or kind == "nil" then
      buf:encode(value)
    else
      format = self.sender:pack(buf, 1, value)
    end
  elseif n > 0 then
    format = self.sender:pack(buf, n, ...)
  end
  local data, len = buf:ref()
  self:send(cell, generation, item, 1, FLAG_END, format + lshift(n, 8), wall_ns, data, len)
end

--- The worker's last word about a cell in which nothing is left to do.
function Reply:nothing(cell, generation)
  self:send(cell, generation, 0, 0, FLAG_END, TAG.EMPTY, 0, nil, 0)
end

--- Called after each result: rings the parent now and then during a long batch.
function Reply:flush_if_late(now_ns)
  if now_ns - self.flushed_ns > FLUSH_AFTER_NS then
    self.flushed_ns = now_ns
    self:flush()
  end
end

-- What a C function complains about, called as a task, has the position of its caller, which is aimp.
local function without_own_position(text)
  return (text:gsub("^[^\n:]*:?aimp/worker/[%w_]+%.lua:%d+: ", ""))
end

-- The last error of a function of aimp.retry arrives as if the function had raised it without: what it
-- raised is the cause, and not the object that was made of it here.
local function retried_error(err, pid)
  local cause = err
  if err.code == "REMOTE" and err.pid == nil then
    cause = err.cause
  end
  return {
    code = "REMOTE", message = err.message, traceback = err.traceback, cause = cause, pid = pid,
    attempts = err.attempts,
  }
end

-- The error as the parent will see it: a plain table. One that the task raised is REMOTE and
-- has the original as its cause; one of aimp's own has its own code.
local function remote_error(err, traceback, code, pid)
  if code then
    return { code = code, message = err.message, traceback = traceback, pid = pid }
  elseif errors.is(err) and rawget(err, "attempts") then
    return retried_error(err, pid)
  end
  local message = without_own_position(errors.describe(err))
  return { code = "REMOTE", message = message, traceback = traceback, cause = err, pid = pid }
end

--- Sends the error of one item.
---@param flags integer     FLAG_END or 0
---@param err any           what was raised
---@param traceback? string of the coroutine that raised it
---@param code? string      set when err is an error object of aimp's own that stands for itself
function Reply:error(cell, generation, item, flags, wall_ns, err, traceback, code)
  local buf, value = self.buf, remote_error(err, traceback, code, self.pid)
  buf:reset()
  local ok, format = pcall(self.sender.pack, self.sender, buf, 1, value)
  if not ok then
    value.cause = nil -- it cannot be sent; its text is in the message
    buf:reset()
    format = self.sender:pack(buf, 1, value)
  end
  local data, len = buf:ref()
  self:send(cell, generation, item, 1, FLAG_ERROR + flags, format + lshift(1, 8), wall_ns, data, len)
end

--- A message that is no result: hello, ready, notes, definitions.
---@param kind integer    one of ffi.FRAME
---@param key integer
---@param tag integer
---@param payload string
---@param flags? integer
function Reply:post(kind, key, tag, payload, flags)
  local frame = self.frame
  ffi.fill(frame, ffi.sizeof(frame))
  frame.kind, frame.fn, frame.tag, frame.flags, frame.len = kind, key, tag, flags or 0, #payload
  if C.aimp_port_send(self.port, frame, payload) ~= 0 then
    error("aimp: the worker's shared memory is corrupt", 0)
  end
  self.dirty = true
end

--- Wall time since the last result, and the time now.
function M.elapsed_since(reply)
  local now = clock_ns()
  local wall = now - reply.last_ns
  reply.last_ns = now
  return wall, now
end

return M
