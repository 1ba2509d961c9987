--- A process from its start to its end. Private methods of aimp.Process and aimp.Worker.
---
---   new ──start──► running ──────────────────────────────────► ended ──close──► closed
---                     └─ target returned or raised ─► stopped ──┘ its process is reaped
---
--- A process is a worker of the local backend (pool/local.lua): started once, given one call, then told to
--- stop with the exit status that the call's outcome asks for. How it ended is read when it is gone, so the
--- exit code is always the one that the system knows, and is set exactly when who waits is woken.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local calls = require("aimp.pool.calls")
local child = require("aimp.process.child")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local launcher = require("aimp.pool.launcher")
local local_backend = require("aimp.pool.local")
local loop = require("aimp.loop")
local pools = require("aimp.pool")
local running = require("aimp.process.running")

local lshift, max = bit.lshift, math.max

--- There is one call, and messages about shared objects, so the channel is small.
local CELLS = 64
local ARENA_BYTES = 2 ^ 17
--- A template that did not answer for so long is stuck.
local PID_WAIT_S = 10

local SIGKILL, RAISED, NOT_STARTED = 9, 1, 1

---@class aimp.Process
local Process = {}

-- ---- start ----

local function new_backend(self)
  local options = self._options
  return local_backend.new({
    processes = 1, queuecount = 1, childconcurrency = 1, maxtasksperchild = 0,
    cells = CELLS, arena_bytes = ARENA_BYTES,
    once = true, label = self:_label(),
    name = self._name, title = "aimp: " .. self._name, is_process = true,
    initializer = options.initializer, initargs = options.initargs,
    loop_initializer = options.loop_initializer,
    start_method = options.start_method or pools._start_method(),
  }, 1, function() self:_advance() end)
end

-- Worker's results and errors come back, a Process's stay there.
local function submit(self, backend)
  local options, spec = self._options, backend.spec
  local fn = self._class.returns and options.target or child.reporting(options.target)
  local args, n = options.args, options.args.n or #options.args
  local key, needs = backend.sender:prepare(fn)
  local packed = buffer.new()
  local format, argument_needs = backend.sender:pack(packed, n, unpack(args, 1, n))
  spec.queue, spec.pin, spec.priority, spec.retries, spec.timeout_ms = 1, -1, 0, 0, 0
  local call = calls.start(backend, key, max(needs, argument_needs or 0), format + lshift(n, 8), packed)
  call.name = self._name
  return call
end

-- The target returned or raised: the process is told to end. Its call's error is somebody else's to report.
local function on_call_settled(self, call)
  call:_mark_seen()
  if self._call ~= call or self._state ~= "running" then
    return
  end
  local supervisor = self._backend.supervisor
  supervisor:worker_at(0).exit_status = self._class.succeeded(call) and 0 or RAISED
  supervisor:stop_all()
end

local function launch(self)
  self._call = submit(self, self._backend)
  self._call:_add_waiter(function(call) on_call_settled(self, call) end)
  self._backend:start()
end

--- Raises ENCODE for what cannot be sent, START where no process can be made; then it may be tried again.
function Process:_start()
  launcher.register_exit()
  self._backend = new_backend(self)
  local ok, err = pcall(launch, self)
  if ok then
    self._state = "running"
    self._backend.is_awaited = true -- its end is news, too
    running.add(self)
    return
  end
  self._backend:abandon(err)
  self._backend:free()
  self._backend, self._call = false, false
  error(err, 0)
end

-- ---- end ----

-- Why its target never ran; nil also where somebody killed it before it was up.
local function start_failure(backend, death)
  if death.signal and not backend.supervisor:worker_at(0).failure then
    return nil
  end
  return backend.broken
end

local function exitcode_of(death, failure)
  if failure then
    return death.status or NOT_STARTED -- if it was killed it was by us
  elseif death.signal then
    return -death.signal
  end
  return death.status or -SIGKILL -- lost with the template
end

local function release(self)
  local backend = self._backend
  running.remove(self)
  backend:free()
  self._backend, self._call = false, false
end

local function died(self, death)
  local text = ("%s (pid %s) %s before its target had returned"):format(self:_label(), death.pid or "unknown",
    death.how)
  return errors.new("WORKER_DIED", text,
    { pid = death.pid, signal = death.signal, status = death.status, task = self._name })
end

-- What the process told of its target; nil where it came to nothing.
local function told_error(call, was_up)
  local err = was_up and call:state() == "failed" and call._a
  return not errors.is(err, "WORKER_DIED") and err or nil
end

local function finish(self)
  local backend, call = self._backend, self._call
  local death, was_up = backend.deaths[backend.death_count] or {}, not backend.broken
  local failure = start_failure(backend, death)
  self._state, self._pid = "ended", death.pid or self._pid
  self._exitcode = exitcode_of(death, failure)
  release(self)
  if call:state() == "done" then
    self:_settle(call)
  else
    self:_settle(nil, failure or told_error(call, was_up) or died(self, death))
  end
  if self._was_signalled then
    self._outcome:_mark_seen()
  end
end

--- The backend's news: processes came or went.
function Process:_advance()
  if self._state == "running" and self._backend.supervisor:is_empty() then
    finish(self)
  end
end

--- Sends a signal, if there is somebody to get it.
function Process:_signal(number)
  if self._state == "running" then
    local supervisor = self._backend.supervisor
    self._was_signalled = true
    supervisor:kill(supervisor:worker_at(0), number)
  end
end

--- At exit: the loop will not run any more.
function Process:_abandon()
  local err = errors.new("CLOSED", ("%s ended: so did the program"):format(self:_label()))
  self._pid = self:_current_pid() or false
  self:_signal(SIGKILL) -- before its call is cancelled, which it would report
  self._state, self._exitcode = "ended", -SIGKILL
  self._backend:abandon(err)
  release(self)
  self._outcome:_reject(err)
  self._outcome:_mark_seen()
end

-- ---- what is known of it ----

--- "process 'Process-1'".
function Process:_label()
  return ("%s '%s'"):format(self._class.kind, self._name)
end

--- As far as it is known yet.
---@return integer?
function Process:_current_pid()
  local backend = self._backend
  return backend and backend.supervisor:worker_at(0).pid or self._pid or nil
end

--- Its pid; the template, which forks it, is waited for if it has not told yet.
---@return integer?
function Process:_known_pid()
  local deadline = loop.now() + PID_WAIT_S
  while self._state == "running" and not self:_current_pid() and launcher.pid() and loop.now() < deadline do
    fiber.outside(launcher.listen, deadline - loop.now())
  end
  return self:_current_pid()
end

return Process
