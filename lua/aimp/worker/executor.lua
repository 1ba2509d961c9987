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
local reply_module = require("aimp.worker.reply")

local C, FRAME, FLAG_END = aimp_ffi.C, aimp_ffi.FRAME, aimp_ffi.FLAG_END
local clock_ns = reply_module.clock_ns
local band, rshift = bit.band, bit.rshift

--- One poll returns to the loop after this time, so that handles get their turn.
local SLICE_NS = 1e6
--- Claims grow while a claimed run of items takes less than this.
local CLAIM_NS = 20e3
local CLAIM_MAX = 256
--- A result that found no room, and no promise of any, is tried again after this time.
local RETRY_S = 0.01
local FIRST_BATCH_FORMAT = 16

-- Where a runner is with its item: what an error is called depends on it.
local DECODE, RUN, ENCODE = 1, 2, 3

---@class aimp.worker.Executor
local Executor = {}
Executor.__index = Executor

local M = {}

--- The number under which a waiting item is found when it is cancelled.
local function waiting_key(cell, item)
  return cell + item * 65536
end

---@param options {port: ffi.cdata*, reply: table, receiver: table, concurrency: integer, on_frame: fun(kind, frame, data, len), on_error?: fun(err)}
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
  runner.phase = DECODE
  return runner
end

function Executor:put_runner(runner)
  self.idle_count = self.idle_count + 1
  self.idle[self.idle_count] = runner
end

-- ---- single calls ----

-- Runs in the runner, after the function returned.
function Executor:finish_call(runner, ...)
  local now = clock_ns()
  local reply, wall = self.reply, nil
  runner.phase, self.now_ns = ENCODE, now
  if self.active == runner then
    wall = now - reply.last_ns
    reply.last_ns = now
  else
    wall = now - runner.started_ns
  end
  if runner.timeout_ns > 0 and (runner.timed_out or wall > runner.timeout_ns) then
    runner.timed_out = true
    error("overdue", 0) -- told as TIMEOUT by item_failed
  end
  reply:values(runner.cell, runner.generation, runner.index, wall, ...)
  self.done = self.done + 1
  reply:flush_if_late(now)
end

function Executor:decode_and_call(runner, fn, format, n, data, len)
  local args = self.args
  if n == 0 then
    runner.phase = RUN
    return self:finish_call(runner, fn())
  end
  args:set(data, len)
  if format ~= 0 or n > 3 then
    return self:call_with(runner, fn, self.receiver:unpack(args, format, n))
  elseif n == 1 then
    local a = args:decode()
    runner.phase = RUN
    return self:finish_call(runner, fn(a))
  elseif n == 2 then
    local a, b = args:decode(), args:decode()
    runner.phase = RUN
    return self:finish_call(runner, fn(a, b))
  end
  local a, b, c = args:decode(), args:decode(), args:decode()
  runner.phase = RUN
  return self:finish_call(runner, fn(a, b, c))
end

function Executor:call_with(runner, fn, ...)
  runner.phase = RUN
  return self:finish_call(runner, fn(...))
end

function Executor:run_call(runner, frame, data, len)
  local cell, generation, index = frame.cell, frame.generation, frame.first
  if C.aimp_port_claim(self.port, cell, generation, 1, self.item) == 0 then
    return self.reply:nothing(cell, generation)
  end
  C.aimp_port_progress(self.port, cell, index)
  runner.cell, runner.generation, runner.index = cell, generation, index
  runner.own_batch, runner.phase = false, DECODE
  runner.timeout_ns = tonumber(frame.aux) * 1e6
  if runner.timeout_ns > 0 then
    runner.started_ns, runner.timed_out = clock_ns(), false
  end
  local tag = frame.tag
  return self:decode_and_call(runner, self.receiver:fn(frame.fn), band(tag, 0xff), rshift(tag, 8), data, len)
end

-- ---- batches ----

-- Runs in the runner, after item `index` of `batch` returned.
function Executor:finish_item(runner, batch, index, ...)
  if self.active == runner then
    return batch:put(...)
  end
  -- it waited in between: its own frame, out of order
  local last = batch.exhausted and batch.waiting == 1
  batch.waiting = batch.waiting - 1
  runner.own_batch = false
  local single = batch:single(index)
  single:put(...)
  single:flush(self.reply, clock_ns() - runner.started_ns, last and FLAG_END or 0, 0)
end

function Executor:claim_items(batch)
  local n = C.aimp_port_claim(self.port, batch.cell, batch.generation, batch.claim, self.item)
  if n == 0 then
    return false
  end
  batch.next = self.item[0]
  batch.claimed = batch.next + n
  return true
end

function Executor:run_claimed(runner, batch)
  local port, cell = self.port, batch.cell
  local i, limit = batch.next, batch.claimed
  runner.phase = RUN
  while i < limit do
    batch.next = i + 1
    C.aimp_port_progress(port, cell, i)
    runner.index = i
    self:finish_item(runner, batch, i, batch:call(i))
    if self.active ~= runner then
      return false
    end
    i = i + 1
  end
  return true
end

-- Everything claimable ran or waits: the results go out.
function Executor:finish_batch(batch)
  batch.exhausted = true
  self.batch = nil
  local is_end = batch.waiting == 0
  if is_end or batch.count > 0 then
    local wall, now = reply_module.elapsed_since(self.reply)
    batch:flush(self.reply, wall, is_end and FLAG_END or 0, 0)
    self.reply:flush_if_late(now)
  end
end

-- The slice is over in mid-batch: what is done goes out, so that streams stay live.
function Executor:pause_batch(batch)
  if batch.count > 0 then
    batch:flush(self.reply, reply_module.elapsed_since(self.reply), 0, batch.first + batch.count)
    self.reply:flush()
  end
end

function Executor:run_batch(runner, batch)
  runner.own_batch, runner.cell, runner.generation, runner.timeout_ns = batch, batch.cell, batch.generation, 0
  local before = clock_ns()
  while batch.next < batch.claimed or self:claim_items(batch) do
    if not self:run_claimed(runner, batch) then
      return
    end
    local now = clock_ns()
    batch.claim = now - before < CLAIM_NS and math.min(batch.claim * 4, CLAIM_MAX) or 1
    before, self.now_ns = now, now
    if now > self.until_ns then
      return self:pause_batch(batch)
    end
  end
  return self:finish_batch(batch)
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
  elseif kept then
    self:start_unit(runner, kept.frame, kept.data, #kept.data)
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
    local runner = self.detached[waiting_key(frame.cell, frame.first)]
    if runner and runner.generation == frame.generation then
      runner.cancelled = true
      fiber.throw(runner, errors.new("CANCELLED", "the task was cancelled"))
    end
    return
  end
  self.on_frame(frame.kind, frame, self.payload[0], tonumber(frame.len))
end

-- Empties the ring without starting anything.
function Executor:drain_ring()
  local frame = self.frame
  while self:receive() do
    if frame.kind == FRAME.CALL then
      self:keep({ frame = ffi.new("struct frame", frame), data = ffi.string(self.payload[0], frame.len) })
    else
      self:control(frame)
    end
  end
end

-- ---- items that wait or fail ----

local function on_timeout(runner)
  runner.timer, runner.timed_out = false, true
  fiber.throw(runner, errors.new("CANCELLED", "the task exceeded its timeout"))
end

-- The active runner's item waits: the runner is the item's own from here on.
function Executor:detach(runner)
  self.active = nil
  self.running = self.running + 1
  self.detached[waiting_key(runner.cell, runner.index)] = runner
  local batch = runner.own_batch
  if batch then
    runner.started_ns = self.reply.last_ns
    batch.waiting, batch.claim = batch.waiting + 1, 1
    if batch.count > 0 then
      batch:flush(self.reply, reply_module.elapsed_since(self.reply), 0, runner.index + 1)
    end
    batch.first = runner.index + 1
  elseif runner.timeout_ns > 0 then
    local left_ns = runner.started_ns + runner.timeout_ns - clock_ns()
    runner.timer = loop.timer(math.max(left_ns, 0) / 1e9, on_timeout, runner)
  else
    runner.started_ns = self.reply.last_ns
  end
end

-- A detached runner was stepped by the ready queue.
function Executor:detached_stopped(runner, state, err)
  if state == "wait" then
    return
  end
  self.running = self.running - 1
  self.detached[waiting_key(runner.cell, runner.index)] = nil
  if runner.timer then
    runner.timer:stop()
    runner.timer = false
  end
  if state == "park" then
    self:put_runner(runner)
  else
    self:item_failed(runner, err, true)
  end
end

-- The error to report, and its code: nil for one that the task raised.
local function failure_of(runner, err)
  if runner.timed_out then
    local text = ("the task took longer than its timeout of %g s"):format(runner.timeout_ns / 1e9)
    return errors.new("TIMEOUT", text), "TIMEOUT"
  elseif runner.cancelled and errors.is(err, "CANCELLED") then
    return err, "CANCELLED"
  elseif runner.phase ~= RUN and errors.is(err) then
    return err, err.code -- the codec's: an argument or the result
  end
  return err, nil
end

--- The runner's coroutine ended by an error: the item's outcome.
function Executor:item_failed(runner, err, was_detached)
  local traceback = debug.traceback(runner.co)
  if self.on_error then
    self.on_error(err)
  end
  local batch, flags, wall = runner.own_batch, FLAG_END, 0
  if batch then
    if was_detached then
      batch.waiting = batch.waiting - 1
      flags = batch.exhausted and batch.waiting == 0 and FLAG_END or 0
    else
      if batch.count > 0 then
        batch:flush(self.reply, reply_module.elapsed_since(self.reply), 0, 0)
      end
      batch.first, flags = runner.index + 1, 0
    end
  end
  self.done = self.done + 1
  local failure, code = failure_of(runner, err)
  self.reply:error(runner.cell, runner.generation, runner.index, flags, wall, failure, traceback, code)
  self.reply:flush()
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
    if not self:can_start() then
      self:drain_ring()
    end
  end
  if self.reply.dirty or C.aimp_port_is_congested(self.port) ~= 0 then
    self.reply:flush()
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

function Executor:sleep_begin()
  if not self.retry_timer and C.aimp_port_is_congested(self.port) ~= 0 then
    self.retry_timer = loop.timer(RETRY_S, retry, self)
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
