--- A worker's life, from its configuration to its exit status.
---
---   START (configuration) ► HELLO ► definitions ► NOTE init ► initializer ► READY
---   ► calls … ► STOP ► finalizer ► exit
---
--- Called once by runtime/lua/worker_main.c. Not here: running tasks (executor.lua).
-- SPDX-License-Identifier: MIT
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local codec = require("aimp.codec")
local context = require("aimp.worker.context")
local core = require("aimp.core")
local errors = require("aimp.errors")
local executor_module = require("aimp.worker.executor")
local fiber = require("aimp.fiber")
local link = require("aimp.shared.link")
local loop = require("aimp.loop")
local reply_module = require("aimp.worker.reply")
local setup = require("aimp.worker.setup")

local C, FRAME = aimp_ffi.C, aimp_ffi.FRAME
local uv = loop.uv

---@class aimp.Worker.Main
local Worker = {}
Worker.__index = Worker

local function text_of(data, len)
  return ffi.string(data, len)
end

-- ---- frames ----

local on_frame = {}

on_frame[FRAME.START] = function(self, _, data, len)
  setup.apply(buffer.decode(text_of(data, len)), self.number)
  self.reply.pid = context.pid
  self.reply:post(FRAME.HELLO, 0, 0, "")
end

on_frame[FRAME.DEFINE] = function(self, frame, data, len)
  self.receiver:define(frame.fn, text_of(data, len))
end

on_frame[FRAME.FORGET] = function(self, frame)
  self.receiver:forget(frame.fn)
end

-- The functions that the pool was made with, and the initializer's arguments.
on_frame[FRAME.NOTE] = function(self, frame, data, len)
  local text = text_of(data, len)
  local main = fiber.new(function()
    local hooks = self.receiver:unpack(buffer.new():set(text), frame.tag, 1)
    self.finalizer = hooks.finalizer
    self.executor.on_error = hooks.exception_handler
    if hooks.loop_initializer then
      hooks.loop_initializer(uv)
    end
    if hooks.initializer then
      hooks.initializer(unpack(hooks.initargs, 1, hooks.initargs.n or #hooks.initargs))
    end
  end)
  self:run_hook(main, "initializer", function(failure)
    self:report_ready(failure)
  end)
end

on_frame[FRAME.TELL] = function(self, frame, data, len)
  self.link:take(frame, data, len)
end

on_frame[FRAME.STOP] = function(self, frame)
  self.stopping, self.status = true, frame.tag
end

-- ---- hooks ----

--- Runs a fiber to its end, which may be later; then calls done(failure or nil).
function Worker:run_hook(hook, name, done)
  local function stopped(_, state, err)
    if state == "wait" then
      return
    end
    local failure
    if state == "error" then
      failure = { code = "REMOTE", message = errors.describe(err), pid = context.pid,
        traceback = debug.traceback(hook.co), cause = err, hook = name }
    end
    done(failure)
  end
  hook.on_stop = stopped
  stopped(hook, fiber.step(hook))
end

function Worker:report_ready(failure)
  if not failure then
    self.executor.concurrency = context.concurrency
    self.reply:post(FRAME.READY, 0, 0, "")
  else
    local buf = buffer.new()
    local ok, format = pcall(self.sender.pack, self.sender, buf, 1, failure)
    if not ok then
      failure.cause = nil
      format = self.sender:pack(buf:reset(), 1, failure)
    end
    self.reply:post(FRAME.READY, 0, format, buf:tostring(), aimp_ffi.FLAG_ERROR)
  end
  self.reply:flush()
end

function Worker:finalize()
  if not self.finalizer then
    return
  end
  local finished = false
  local hook = fiber.new(self.finalizer)
  self:run_hook(hook, "finalizer", function(failure)
    finished = true
    if failure then
      io.stderr:write(("aimp: worker %d: finalizer: %s\n%s\n"):format(self.number, failure.message,
        failure.traceback))
    end
  end)
  loop.run_until(function() return finished end)
end

-- ---- life ----

-- The parent is gone. (The kernel's PR_SET_PDEATHSIG does the same when the template dies first.)
local function watch_parent(port)
  local poll = uv.new_poll(C.aimp_port_hangup_fd(port))
  poll:start("r", function()
    os.exit(0, false)
  end)
  poll:unref()
end

local function watch_wake(port)
  local poll = uv.new_poll(C.aimp_port_wake_fd(port))
  poll:start("r", function()
    C.aimp_port_drain_wake(port)
  end)
end

-- What a bare process's target has left behind ends with it; and no worker leaves processes of its own.
local function end_tasks_and_processes()
  if context.is_process then
    require("aimp.process.child").finish()
  elseif package.loaded["aimp.process.running"] then
    require("aimp.process.running").join()
  end
end

local function new_worker(number)
  local port = ffi.cast("struct aimp_port *", core.port())
  local self = setmetatable({ number = number, port = port, stopping = false }, Worker)
  self.reply = reply_module.new(port)
  self.receiver = codec.receiver({ from_worker = false })
  self.sender = codec.sender({
    from_worker = true,
    peer = self.receiver,
    what = "result",
    route = { direction = "up" },
  })
  self.reply.sender = self.sender
  self.executor = executor_module.new({
    port = port,
    reply = self.reply,
    receiver = self.receiver,
    concurrency = 0, -- until it is ready: a bare process has its call before
    on_frame = function(kind, frame, data, len)
      return on_frame[kind](self, frame, data, len)
    end,
    on_sleep = function()
      self.link:before_sleep()
    end,
    on_flush = function()
      self.link:now_and_then()
    end,
  })
  self.link = link.open({
    port = port,
    reply = self.reply,
    executor = self.executor,
    receiver = self.receiver,
    sender = codec.sender({
      from_worker = true,
      peer = self.receiver,
      what = "value",
      route = { direction = "up" },
    }),
  })
  return self
end

---@param number integer the worker's number, 1 ..
---@return integer status
return function(number)
  local self = new_worker(number)
  watch_parent(self.port)
  watch_wake(self.port)
  loop.add_poller(self.executor)
  loop.run_until(function()
    return self.stopping and self.executor:is_idle()
  end)
  end_tasks_and_processes()
  self:finalize()
  self.reply:flush()
  return self.status
end
