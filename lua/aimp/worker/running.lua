--- What a runner does with a unit: single calls and batches. Methods of the executor,
--- called inside the runner's coroutine; hot, so errors are not caught here (waiting.lua).
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local aimp_ffi = require("aimp.ffi")
local phases = require("aimp.worker.phases")
local reply_module = require("aimp.worker.reply")

local C, FLAG_END = aimp_ffi.C, aimp_ffi.FLAG_END
local DECODE, RUN, ENCODE = phases.DECODE, phases.RUN, phases.ENCODE
local clock_ns = reply_module.clock_ns
local band, rshift = bit.band, bit.rshift

--- Claims grow while a claimed run of items takes less than this.
local CLAIM_NS = 20e3
local CLAIM_MAX = 256

---@class aimp.worker.Executor
local Executor = {}

-- ---- single calls ----

-- Runs in the runner, after the function returned.
function Executor:finish_call(runner, ...)
  local now = clock_ns()
  local reply, wall = self.reply
  runner.phase, self.now_ns = ENCODE, now
  if self.active == runner then
    wall = now - reply.last_ns
    reply.last_ns = now
  else
    wall = now - runner.started_ns
  end
  if runner.timeout_ns > 0 and self:is_overdue(runner) then
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
  if batch.timeout_ns > 0 and self:is_overdue(runner) then
    error("overdue", 0) -- told as TIMEOUT by item_failed
  end
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
  local before = clock_ns()
  runner.own_batch, runner.cell, runner.generation = batch, batch.cell, batch.generation
  runner.timeout_ns, runner.started_ns, runner.timed_out = batch.timeout_ns, before, false
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

return Executor
