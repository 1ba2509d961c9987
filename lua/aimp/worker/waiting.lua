--- What becomes of items that wait, overrun their time or fail. Methods of the
--- executor, called outside of every runner.
-- SPDX-License-Identifier: MIT
local aimp_ffi = require("aimp.ffi")
local context = require("aimp.worker.context")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")
local phases = require("aimp.worker.phases")
local reply_module = require("aimp.worker.reply")

local FLAG_END = aimp_ffi.FLAG_END
local RUN = phases.RUN
local clock_ns = reply_module.clock_ns

---@class aimp.worker.Executor
local Executor = {}

--- The number under which a waiting item is found when it is cancelled.
local function waiting_key(cell, item)
  return cell + item * 65536
end

local function cancelled()
  return errors.new("CANCELLED", "the task was cancelled")
end

-- Items that were claimed together with one that waits now; the parent cancels all of a unit or nothing.
local function cancel_claimed(self, batch)
  for index = batch.next, batch.claimed - 1 do
    self.reply:error(batch.cell, batch.generation, index, 0, 0, cancelled(), nil, "CANCELLED")
  end
  batch.next, batch.first = batch.claimed, batch.claimed
end

--- The parent wants the item to be cancelled.
function Executor:cancel(cell, generation, item)
  local runner, batch = self.detached[waiting_key(cell, item)], self.batch
  if runner and runner.generation == generation then
    runner.cancelled = true
    fiber.throw(runner, cancelled())
  elseif batch and batch.cell == cell and batch.generation == generation and batch.count == 0 then
    cancel_claimed(self, batch)
  end
end

local function on_timeout(runner)
  runner.timer, runner.timed_out = false, true
  fiber.throw(runner, errors.new("CANCELLED", "the task exceeded its timeout"))
end

--- True when the item took longer than its timeout, also when it never waited.
function Executor.is_overdue(_, runner)
  runner.timed_out = runner.timed_out or clock_ns() - runner.started_ns > runner.timeout_ns
  return runner.timed_out
end

-- The active runner's item waits: the runner is the item's own from here on.
function Executor:detach(runner)
  self.active = nil
  self.running = self.running + 1
  self.detached[waiting_key(runner.cell, runner.index)] = runner
  if runner.timeout_ns > 0 then
    local left_ns = runner.started_ns + runner.timeout_ns - clock_ns()
    runner.timer = loop.timer(math.max(left_ns, 0) / 1e9, on_timeout, runner)
  else
    runner.started_ns = self.reply.last_ns
  end
  local batch = runner.own_batch
  if batch then
    batch.waiting, batch.claim = batch.waiting + 1, 1
    if batch.count > 0 then
      batch:flush(self.reply, reply_module.elapsed_since(self.reply), 0, runner.index + 1)
    end
    batch.first = runner.index + 1
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
    runner.cancelled = false -- it took no notice
    self:put_runner(runner)
  else
    self:item_failed(runner, err, true)
  end
end

-- The error to report, and its code: nil for one that the task raised.
local function failure_of(runner, err)
  if runner.timeout_ns > 0 and runner.timed_out then
    local text = ("the task took longer than its timeout of %g s"):format(runner.timeout_ns / 1e9)
    return errors.new("TIMEOUT", text), "TIMEOUT"
  elseif runner.cancelled and errors.is(err, "CANCELLED") then
    return err, "CANCELLED"
  elseif runner.phase ~= RUN and errors.is(err) then
    return err, err.code -- the codec's: an argument or the result
  end
  return err, nil
end

-- The pool's exception_handler sees the original error, in a fiber of its own: it may wait.
local function handler_stopped(handler, state, err)
  if state == "error" then
    io.stderr:write(("aimp: worker %d: exception_handler: %s\n%s\n"):format(context.id, errors.describe(err),
      debug.traceback(handler.co)))
  end
end

local function call_handler(fn, err)
  local handler = fiber.new(fn)
  handler.on_stop = handler_stopped
  handler_stopped(handler, fiber.step(handler, err))
end

--- The runner's coroutine ended by an error: the item's outcome.
function Executor:item_failed(runner, err, was_detached)
  local traceback = debug.traceback(runner.co)
  if self.on_error then
    call_handler(self.on_error, err)
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

return Executor
