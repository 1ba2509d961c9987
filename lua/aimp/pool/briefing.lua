--- What a new worker process is told before it gets work: where it is, what the parent's state looks
--- like, and the functions that the pool was made with.
-- SPDX-License-Identifier: MIT
local buffer = require("string.buffer")
local aimp_ffi = require("aimp.ffi")
local codec = require("aimp.codec")
local uv = require("aimp.loop").uv

local C, FRAME = aimp_ffi.C, aimp_ffi.FRAME

local M = {}

local function worker_config(self)
  local arg = {}
  for i, value in pairs(_G.arg or {}) do
    arg[i] = tostring(value)
  end
  return {
    pool = self.options.name,
    title = self.options.title,
    is_process = self.options.is_process,
    concurrency = self.options.childconcurrency,
    cwd = uv.cwd(),
    path = package.path,
    cpath = package.cpath,
    arg = arg,
    env = uv.os_environ(),
    seed = math.random(2 ^ 31),
  }
end

local function post(self, worker, kind, tag, text)
  C.aimp_pool_post(self.pool, worker.slot, kind, 0, tag, text, #text)
end

--- START, the definitions that the hooks need, and the hooks themselves. The values that
--- they capture are the ones of now.
---@param self aimp.LocalBackend
---@param worker aimp.WorkerSlot
function M.send(self, worker)
  local options = self.options
  self.receivers[worker.slot] = codec.receiver({ from_worker = true, peer = self.sender })
  post(self, worker, FRAME.START, 0, buffer.encode(worker_config(self)))
  local buf = buffer.new()
  local format, needs = self.sender:pack(buf, 1, {
    initializer = options.initializer,
    initargs = options.initargs,
    finalizer = options.finalizer,
    exception_handler = options.exception_handler,
    loop_initializer = options.loop_initializer,
  })
  C.aimp_pool_post_definitions(self.pool, worker.slot, needs or 0)
  post(self, worker, FRAME.NOTE, format, buf:tostring())
end

return M
