--- Runs a worker's tasks: optimistic, one after another in one coroutine.
---
--- A runner is a fiber that takes units from the port and calls their functions
--- right away. As long as nothing waits, a task costs a call in a loop that
--- LuaJIT compiles. When an item waits, its runner becomes the item's own
--- (it is *detached*), and a fresh runner goes on with the rest. An error is not
--- caught either: it ends the runner's coroutine, whose stack then gives the traceback.
---
---   active ──item waits──► detached ──item done──► idle ──► active
---      └────no work────────────────────────────────►┘
---
--- Here: units, runners and the poller. In running.lua: what a runner does. In waiting.lua: items that
--- wait or fail.
---
--- The executor is a poller of aimp.loop: poll() runs what is there. It always empties
--- the ring, also when no task may start: what it cannot start goes to a backlog,
--- unclaimed, so that the parent can still take it back.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local batch_module = require("aimp.worker.batch")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")
local phases = require("aimp.worker.phases")
local reply_module = require("aimp.worker.reply")

local C, FRAME = aimp_ffi.C, aimp_ffi.FRAME
local clock_ns = reply_module.clock_ns
local band = bit.band

--- One poll returns to the loop after this time, so that handles get their turn.
local SLICE_NS = 1e6
--- A result that found no room, and no promise of any, is tried again after this time.
local RETRY_S = 0.01
local FIRST_BATCH_FORMAT = 16

---@class aimp.worker.Executor
local Executor = {}
Executor.__index = Executor
for _, part in ipairs({ require("aimp.worker.running"), require("aimp.worker.waiting") }) do
  for name, method in pairs(part) do
    Executor[name] = method
  end
end

local M = {}

---@class aimp.ExecutorOptions
---@field port ffi.cdata*       struct aimp_port
---@field reply table           aimp.worker.Reply
---@field receiver table        codec receiver of what the parent sends
---@field concurrency integer   tasks at once; 0: none may start yet
---@field on_frame fun(kind: integer, frame: ffi.cdata*, data: ffi.cdata*, len: integer)
---@field on_error? fun(err)    the pool's exception_handler
---@field on_sleep fun()         called before the loop sleeps
---@field on_flush fun()         called when what waited for room may have found some

---@param options aimp.ExecutorOptions
---@return aimp.worker.Executor
function M.new(options)
  local self = setmetatable({
    port = options.port,
    reply = options.reply,
    receiver = options.receiver,
    concurrency = options.concurrency,
    on_frame = options.on_frame,   -- frames that are no work
    on_error = options.on_error,   -- the pool's exception_handler
    frame = ffi.new("struct frame"),
    payload = ffi.new("const uint8_t *[1]"),
    item = ffi.new("uint32_t[1]"),
    args = buffer.new(),
    active = nil,                  -- the runner that works now
    idle = {}, idle_count = 0,
    detached = {}, running = 0,    -- waiting items by waiting_key()
    batch = nil,                   -- the batch being worked on
    now_ns = 0, until_ns = 0,      -- the time of the last result, the end of this poll's slice
    backlog = {}, backlog_first = 1, backlog_last = 0,
    done = 0,                      -- items answered, for stats and tests
    awaited = 0,                   -- TELL frames that items wait for
    on_sleep = options.on_sleep, on_flush = options.on_flush,
  }, Executor)
  self.body = function(runner)
    while true do
      if not self:work(runner) or self.active ~= runner or self.now_ns > self.until_ns then
        fiber.park()
      end
    end
  end
  return self
end

-- ---- runners ----

local function on_stop(runner, state, err)
  return runner.executor:detached_stopped(runner, state, err)
end

function Executor:take_runner()
  local n = self.idle_count
  if n > 0 then
    local runner = self.idle[n]
    self.idle[n], self.idle_count = nil, n - 1
    return runner
  end
  local runner = fiber.new(self.body)
  runner.executor, runner.on_stop = self, on_stop
  runner.cell, runner.generation, runner.index = 0, 0, 0
  runner.own_batch, runner.timeout_ns, runner.started_ns = false, 0, 0
  runner.timer, runner.timed_out, runner.cancelled = false, false, false
  runner.phase = phases.DECODE
  return runner
end

function Executor:put_runner(runner)
  self.idle_count = self.idle_count + 1
  self.idle[self.idle_count] = runner
end

-- ---- taking work ----

function Executor:start_unit(runner, frame, data, len)
  if band(frame.tag, 0xff) < FIRST_BATCH_FORMAT then
    return self:run_call(runner, frame, data, len)
  end
  runner.own_batch, runner.cell, runner.generation = false, frame.cell, frame.generation
  runner.index, runner.timeout_ns = frame.first, 0
  local ok, batch = pcall(batch_module.new, frame, data, len, self.receiver)
  if not ok then
    return self:refuse_batch(runner.cell, runner.generation, batch)
  elseif self.active ~= runner then
    return self:keep({ batch = batch }) -- decoding waited, and another runner works now
  end
  self.batch = batch
  return self:run_batch(runner, batch)
end

-- A batch that cannot be decoded: each of its items fails with that error.
function Executor:refuse_batch(cell, generation, err)
  local n = C.aimp_port_claim(self.port, cell, generation, 0x7fffffff, self.item)
  local first = self.item[0]
  for index = first, first + n - 1 do
    self.reply:error(cell, generation, index, 0, 0, err, nil, errors.is(err) and err.code)
  end
  self.reply:nothing(cell, generation)
end

function Executor:keep(entry)
  self.backlog_last = self.backlog_last + 1
  self.backlog[self.backlog_last] = entry
end

function Executor:take_backlog()
  local first = self.backlog_first
  if first > self.backlog_last then
    return nil
  end
  local kept = self.backlog[first]
  self.backlog[first] = nil
  self.backlog_first = first + 1
  return kept
end

--- Runs in the runner: one unit. False: there is nothing to do.
function Executor:work(runner)
  if self.batch then
    self:run_batch(runner, self.batch)
    return true
  end
  local kept = self:take_backlog()
  if kept and kept.batch then
    self.batch = kept.batch
    self:run_batch(runner, kept.batch)
    return true
  elseif kept and kept.frame.kind == FRAME.CALL then
    self:start_unit(runner, kept.frame, kept.data, #kept.data)
    return true
  elseif kept then
    if not kept.is_done then
      self.on_frame(kept.frame.kind, kept.frame, kept.data, #kept.data)
    end
    return true
  end
  local frame = self.frame
  if not self:receive() then
    return false
  end
  if frame.kind == FRAME.CALL then
    self:start_unit(runner, frame, self.payload[0], frame.len)
  else
    self:control(frame)
  end
  return true
end

function Executor:receive()
  local rc = C.aimp_port_receive(self.port, self.frame, self.payload)
  if rc < 0 then
    error("aimp: the worker's shared memory is corrupt", 0)
  end
  return rc == 1
end

--- Frames that are no work; also called when no task may start.
function Executor:control(frame)
  if frame.kind == FRAME.CANCEL then
    return self:cancel(frame.cell, frame.generation, frame.first)
  end
  self.on_frame(frame.kind, frame, self.payload[0], tonumber(frame.len))
end

-- The definitions of the backlog, for an answer that needs them now; work in front of them may see newer
-- values than it was sent with, as it may when it is moved to another worker.
function Executor:define_ahead()
  for i = self.backlog_first, self.backlog_last do
    local kept = self.backlog[i]
    if not kept.is_done and kept.frame and kept.frame.kind == FRAME.DEFINE then
      self.on_frame(FRAME.DEFINE, kept.frame, kept.data, #kept.data)
      kept.is_done = true
    end
  end
end

-- Empties the ring without starting anything. What comes behind work that has not begun stays behind it, as
-- a definition may replace a value that this work needs; but what ends a wait of running work never does.
function Executor:drain_ring()
  local frame = self.frame
  while self:receive() do
    local has_work = self.batch ~= nil or self.backlog_first <= self.backlog_last
    if frame.kind == FRAME.TELL then
      if has_work and band(frame.tag, 0xff) ~= 0 then
        self:define_ahead()
      end
      self:control(frame)
    elseif frame.kind == FRAME.CALL or (has_work and frame.kind ~= FRAME.CANCEL) then
      self:keep({ frame = ffi.new("struct frame", frame), data = ffi.string(self.payload[0], frame.len) })
    else
      self:control(frame)
    end
  end
end

-- ---- poller ----

function Executor:can_start()
  return self.running < self.concurrency and C.aimp_port_is_congested(self.port) == 0
end

function Executor:has_work()
  return self.batch ~= nil or self.backlog_first <= self.backlog_last
    or C.aimp_port_has_input(self.port) ~= 0
end

-- Steps one runner until it has nothing to do or its item waits or fails.
function Executor:step()
  local runner = self:take_runner()
  self.active = runner
  local state, err = fiber.step(runner, runner)
  if state == "wait" then
    self:detach(runner)
  elseif state == "park" then
    self.active = nil
    self:put_runner(runner)
  else
    self.active = nil
    self:item_failed(runner, err, false)
  end
end

--- Runs what is there, for at most about a millisecond. True: it did something.
function Executor:poll()
  local progress = false
  if self:has_work() then
    local now = clock_ns()
    self.now_ns, self.until_ns, self.reply.last_ns = now, now + SLICE_NS, now
    while self:has_work() and self:can_start() and self.now_ns < self.until_ns do
      self:step()
      progress = true
    end
    if self.awaited > 0 or not self:can_start() then
      self:drain_ring()
      progress = progress or self:has_work() and self:can_start() -- it may be allowed to only now
    end
  end
  if self.reply.dirty or C.aimp_port_is_congested(self.port) ~= 0 then
    self:flush()
  end
  return progress
end

function Executor:busy()
  return true -- the parent may send at any time
end

function Executor:spin()
  return C.aimp_port_spin(self.port) ~= 0
end

-- The system may have refused the memory of a large result: nobody rings when there is some again.
local function retry(self)
  self.retry_timer = nil
end

-- What waited for room may have found some, and fibers wait for that.
function Executor:flush()
  self.reply:flush()
  self.on_flush()
end

function Executor:sleep_begin()
  self.on_sleep()
  self:flush() -- also where nothing was sent: the parent may wait for the room that reading made
  if not self.retry_timer and C.aimp_port_is_congested(self.port) ~= 0 then
    self.retry_timer = loop.timer(RETRY_S, retry, self)
  end
  if fiber.is_ready() then
    return false
  end
  return C.aimp_port_sleep_begin(self.port) ~= 0
end

function Executor:sleep_end()
  C.aimp_port_sleep_end(self.port)
end

--- True when nothing runs and nothing waits to run.
function Executor:is_idle()
  return self.running == 0 and not self:has_work() and C.aimp_port_is_congested(self.port) == 0
end

return M
