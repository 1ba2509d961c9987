--- The template process of this Lua state, shared by all its pools.
--- Opened with the first worker, closed at exit; a lost template is replaced by the next start.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local errors = require("aimp.errors")
local executable = require("aimp.pool.executable")
local loop = require("aimp.loop")
local shutdown = require("aimp.shutdown")

local C, LAUNCH = aimp_ffi.C, aimp_ffi.LAUNCH

--- enum aimp_error_code of runtime/base/error.h.
local EAGAIN, ECLOSED, ESPAWN, EVERSION = -3, -7, -8, -9

local M = {}

---@class aimp.LaunchListener   a process's owner; methods are called from the loop
---@field on_forked fun(self, pid: integer, pidfd: integer)   takes pidfd
---@field on_launch_failed fun(self, errno: integer)
---@field on_exited fun(self, status: integer?, max_rss_kib: integer, failure: aimp.Error?)  status nil: lost
--- with the template; failure: why no other one will do better

local handle      -- struct launcher *, nil while closed
local poll        -- uv_poll on its fd
local listeners = {} ---@type table<integer, aimp.LaunchListener>
local last_id = 0
local waiting     -- requests that found the socket full, in order
local event = ffi.new("struct launch_event")
local out = ffi.new("struct launcher *[1]")
local err = ffi.new("struct aimp_error")
local pollfd = ffi.new("struct aimp_pollfd")
local POLLIN = 1

local function close_handle()
  if not handle then
    return
  end
  poll:stop()
  poll:close()
  C.aimp_launcher_close(handle)
  handle, poll = nil, nil
end

local function lost(failure)
  close_handle()
  local left = listeners
  listeners, waiting = {}, nil
  for _, listener in pairs(left) do
    listener:on_exited(nil, 0, failure)
  end
end

-- Why the template is gone, when starting it again would not help.
local function lost_for_good()
  if event.status ~= ESPAWN and event.status ~= EVERSION then
    return nil
  end
  local text = C.aimp_launcher_error(handle).text
  return errors.new("START", "the worker template cannot be used: " .. ffi.string(text))
end

local function close_fd(fd)
  if fd >= 0 then
    C.close(fd)
  end
end

local function dispatch()
  local listener = listeners[event.id]
  if event.kind == LAUNCH.LOST then
    return lost(lost_for_good())
  elseif not listener then
    return event.kind == LAUNCH.FORKED and close_fd(event.pidfd)
  elseif event.kind == LAUNCH.FORKED then
    return listener:on_forked(event.pid, event.pidfd)
  end
  listeners[event.id] = nil
  if event.kind == LAUNCH.FAILED then
    listener:on_launch_failed(event.status)
  else
    listener:on_exited(event.status, event.max_rss_kib)
  end
end

local function send_waiting()
  while waiting and waiting[1] do
    local request = waiting[1]
    local rc = C.aimp_launcher_fork(handle, request, err)
    if rc == EAGAIN or rc == ECLOSED then
      return
    end
    table.remove(waiting, 1)
    local listener = listeners[request.id]
    if rc ~= 0 and listener then -- nor may it hold up those behind it
      listeners[request.id] = nil
      listener:on_launch_failed(err.os_errno)
    end
  end
  waiting = nil
end

local function on_readable()
  while handle and C.aimp_launcher_next(handle, event) == 1 do
    dispatch()
  end
  if handle and waiting then
    send_waiting()
  end
end

local function on_poll()
  local ok, failure = xpcall(on_readable, debug.traceback)
  if not ok then
    io.stderr:write("aimp: ", tostring(failure), "\n")
  end
end

local function open()
  if C.aimp_launcher_open(out, executable.path(), err) ~= 0 then
    error(errors.new("START", "cannot start the worker template: " .. ffi.string(err.text)), 0)
  end
  handle = out[0]
  poll = loop.uv.new_poll(C.aimp_launcher_fd(handle))
  poll:start("r", on_poll)
  poll:unref()
end

--- Starts the template unless it runs.
function M.ensure()
  if not handle then
    open()
  end
end

local is_registered = false

--- Has the template ended at exit. Called before a pool registers its own end, which is to come first.
function M.register_exit()
  if not is_registered then
    is_registered = true
    shutdown.on(M.close)
  end
end

--- A number for a process that is about to be started.
function M.next_id()
  last_id = last_id + 1
  return last_id
end

--- Asks for a process. Its fds must stay open until M.is_sent(request) or failure;
--- requests normally leave at once.
---@param request ffi.cdata* struct launch_request, filled; request.id from next_id
---@param listener aimp.LaunchListener
---@return boolean sent   false: the request waits for room (its fds are still needed)
function M.fork(request, listener)
  M.ensure()
  local rc = waiting and EAGAIN or C.aimp_launcher_fork(handle, request, err)
  if rc == EAGAIN or rc == ECLOSED then -- or it is about to be reported as lost
    waiting = waiting or {}
    waiting[#waiting + 1] = request
  elseif rc ~= 0 then
    error(errors.new("START", "cannot start a worker: " .. ffi.string(err.text)), 0)
  end
  listeners[request.id] = listener
  return rc == 0
end

--- The process's owner is not interested in it any more (it was killed). One that does not exist yet
--- finds its parent gone: its control socket is closed.
function M.forget(id)
  listeners[id] = nil
end

--- Ends the template and with it every worker; their owners are told.
function M.close()
  if handle then
    lost()
  end
end

--- Waits outside of the loop until the template has something to say, and takes it in.
---@param seconds number  at most
---@return boolean heard
function M.listen(seconds)
  if not handle then
    return false
  end
  pollfd.fd, pollfd.events = C.aimp_launcher_fd(handle), POLLIN
  if C.aimp_poll(pollfd, 1, math.max(0, math.ceil(seconds * 1000))) ~= 1 then
    return false
  end
  on_poll()
  return true
end

--- The template's pid, nil while there is none.
function M.pid()
  return handle and C.aimp_launcher_pid(handle)
end

return M
