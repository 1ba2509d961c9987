--- Tasks whose work runs in a worker: what pool:apply and pool:submit give.
--- They are plain aimp Tasks; the backend is their producer.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local aimp_ffi = require("aimp.ffi")
local task_module = require("aimp.task")
local wire = require("aimp.pool.wire")

local FLAG_ERROR = aimp_ffi.FLAG_ERROR
local Task, PENDING = task_module.Task, task_module.PENDING
local band, rshift = bit.band, bit.rshift

--- The tag of one value in the codec's plain format: 1 value, format 0.
local ONE_PLAIN = 256

local M = {}

local scratch = buffer.new()

local function cancel(task)
  task._backend:cancel(task._owner)
  return true -- settled when the scheduler or the worker answers
end

--- A pending task, owner of one unit.
---@param backend aimp.LocalBackend
---@return aimp.Task
function M.new(backend)
  local task = setmetatable({
    _state = PENDING, _n = 0, _a = nil, _fn = false, _fiber = false, _w1 = false, _slot = false,
    _on_cancel = cancel, _backend = backend, _owner = 0, name = nil, _sent = false,
  }, Task)
  task._owner = backend:add_owner(task)
  return task
end

--- Submits a call; backend.spec holds where it runs and on what terms.
---@param backend aimp.LocalBackend
---@param key integer    of the function
---@param needs integer  log position that the call needs
---@param tag integer    format and number of the arguments
---@param args string.buffer
---@return aimp.Task
function M.start(backend, key, needs, tag, args)
  local spec, route = backend.spec, backend.route
  spec.fn, spec.tag, spec.needs = key, tag, needs
  spec.group, spec.base = 0, 0
  local task = M.new(backend)
  if route.fresh then
    task._sent, route.fresh = route.fresh, nil -- shared objects live at least until the task has them
  end
  local data, len = args:ref()
  local ok, err = pcall(backend.submit, backend, task._owner, 1, data, len)
  if not ok then
    backend:remove_owner(task._owner)
    error(err, 0)
  end
  return task
end

local function release(task, backend)
  backend:remove_owner(task._owner)
  task._sent = false
  if task.on_settled then
    task.on_settled(task)
  end
end

-- Whether the bytes are one short scalar as string.buffer writes it (tags of LuaJIT's lj_serialize.h). What a
-- worker sends is not trusted, and LuaJIT's decoder must not meet malformed bytes in compiled code: its
-- error would crash the process. All else goes through the codec's checks.
local function is_sound_scalar(data, len)
  local tag = data[0]
  if tag == 7 then
    return len == 9 -- a double
  elseif tag <= 2 then
    return len == 1 -- nil, false, true
  elseif tag == 6 then
    return len == 5 -- an integer
  end
  return tag >= 0x20 and tag < 0xe0 and len == tag - 0x1f -- a string of less than 192 bytes
end

local function resolve(task, ok, ...)
  if ok then
    task:_resolve(select("#", ...), ...)
  else
    task:_reject((...))
  end
end

--- The worker answered.
function M.on_result(task, event, receiver, backend)
  local tag = event.tag
  release(task, backend)
  if tag == ONE_PLAIN and band(event.flags, FLAG_ERROR) == 0
    and is_sound_scalar(event.data, tonumber(event.len)) then
    scratch:set(event.data, event.len)
    return task:_resolve1(scratch:decode())
  end
  if band(event.flags, FLAG_ERROR) ~= 0 then
    local err = wire.unpack_error(receiver, tag, event.data, event.len)
    err.task = task.name
    return task:_reject(err)
  elseif rshift(tag, 8) == 0 then
    return task:_resolve(0)
  end
  return resolve(task, wire.unpack_values(receiver, tag, event.data, event.len))
end

--- It settled without the worker's answer.
function M.on_failed(task, err, backend)
  release(task, backend)
  task:_reject(err)
end

--- The pool ended; its numbers mean nothing any more.
---@param is_known boolean?  the error need not be reported if nobody looks at it
function M.on_abandoned(task, err, is_known)
  task._on_cancel = nil
  if task.on_settled then
    task.on_settled(task)
  end
  task:_reject(err)
  if is_known then
    task:_mark_seen()
  end
end

return M
