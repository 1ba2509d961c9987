--- The backend that runs a pool's work in processes of this machine.
---
--- Joins the C pool (scheduler and channels), the supervisor (processes) and the
--- codec. Above it, Pool and PoolResult know only: submit units for an owner (a Task of calls.lua or a
--- PoolResult), cancel them, and an owner being told what becomes of them:
---
---   on_result(event, receiver)    items finished; the payload is valid until return
---   on_failed(index, count, err)  items settled without a result
---   on_abandoned(err)             the pool ended
---
--- It is a poller of aimp.loop. Loop thread only.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local briefing = require("aimp.pool.briefing")
local calls = require("aimp.pool.calls")
local clients = require("aimp.shared.clients")
local codec = require("aimp.codec")
local deaths = require("aimp.pool.deaths")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local launcher = require("aimp.pool.launcher")
local loop = require("aimp.loop")
local owner_methods = require("aimp.pool.owners")
local supervisor_module = require("aimp.pool.supervisor")
local wire = require("aimp.pool.wire")

local C, EVENT, FRAME, OUTCOME = aimp_ffi.C, aimp_ffi.EVENT, aimp_ffi.FRAME, aimp_ffi.OUTCOME
local FLAG_ERROR = aimp_ffi.FLAG_ERROR
local call_done = calls.on_result
local uv = loop.uv

--- Events handled in one poll, so that tasks get their turn in between.
local EVENTS_A_POLL = 2048
--- Submits between two looks at what came back, when one goes on submitting without waiting.
local SUBMITS_A_LOOK = 32
--- Polls between two looks at the clock.
local POLLS_A_TICK = 8
local RING_BYTES = 2 ^ 17
local CELLS, CELLS_MAX = 4096, 65000
local GRACE_MS = 1000
--- Outcomes name the death they come from and are read in the same round.
local DEATHS_KEPT = 256

---@class aimp.LocalBackend
local Local = {}
Local.__index = Local
for name, method in pairs(owner_methods) do
  Local[name] = method
end

local M = {}

--- Arenas take payloads up to half their size; larger ones travel in memory of their own. Every page is
--- allocated up front, which is most of what a worker's start costs its parent, so they are not generous.
local function arena_bytes(processes)
  if processes <= 8 then
    return 2 ^ 19
  end
  return processes <= 32 and 2 ^ 18 or 2 ^ 17
end

local function new_c_pool(options, max_slots)
  local config, err = ffi.new("struct aimp_pool_config"), ffi.new("struct aimp_error")
  config.sched.max_slots = max_slots
  config.sched.queues = options.queuecount
  config.sched.concurrency = options.childconcurrency
  config.sched.quota = options.maxtasksperchild
  config.sched.cells = options.cells or math.min(CELLS_MAX, math.max(CELLS, options.childconcurrency + 1024))
  config.sched.grace_ms = GRACE_MS
  config.ring_bytes, config.arena_bytes = RING_BYTES, options.arena_bytes or arena_bytes(options.processes)
  local pool = C.aimp_pool_new(config, err)
  if pool == nil then
    local what = options.label or "a pool"
    error(errors.new("START", ("cannot make %s: %s"):format(what, ffi.string(err.text))), 0)
  end
  return pool
end

local function new_sender(self)
  return codec.sender({
    from_worker = false,
    what = "argument",
    route = self.route,
    define = function(key, blob)
      return tonumber(C.aimp_pool_define(self.pool, key, blob, #blob))
    end,
    forget = function(key)
      if not self.closed then
        C.aimp_pool_forget(self.pool, key)
      end
    end,
  })
end

-- ---- shared objects ----

local function nothing() end

-- In a callback of the uv loop: what was done there is told before the loop sleeps, and its deadline armed.
local function awaken()
  if not fiber.is_ready() then
    fiber.soon(nothing)
  end
end

local function new_client(self, slot)
  return clients.new({
    backend = self, slot = slot, route = self.route, receiver = self.receivers[slot],
    send = function(frame, data)
      C.aimp_pool_send(self.pool, slot, frame, data)
      self:touch()
    end,
    send_fd = function(frame, fd)
      local rc = C.aimp_pool_send_fd(self.pool, slot, frame, nil, fd)
      self:touch()
      return rc == 0
    end,
    pack = function(buf, n, ...)
      local format, needs = self.sender:pack(buf, n, ...)
      if needs and needs > 0 then
        C.aimp_pool_post_definitions(self.pool, slot, needs)
      end
      return format
    end,
  })
end

local function drop_client(self, slot)
  local client = self.clients[slot]
  self.clients[slot] = nil
  if client then
    client:gone()
  end
end

--- Something was sent to a worker, which is rung with the next poll.
function Local:touch()
  self.is_touched = true
  awaken()
end

-- A worker that has shared objects may do something with them although no task is outstanding.
local function has_attached(self)
  for _, client in pairs(self.clients) do
    if client.attached_count > 0 then
      return true
    end
  end
  return false
end

local function new_supervisor(self, count)
  return supervisor_module.new({
    C = C,
    pool = self.pool,
    launcher = launcher,
    timer = loop.timer,
    has_quota = self.options.maxtasksperchild > 0,
    spawn = self.options.start_method == "spawn",
    once = self.options.once,
    label = self.options.label,
    configure = function(worker)
      briefing.send(self, worker)
      self.clients[worker.slot] = new_client(self, worker.slot)
    end,
    drain_events = function() self:drain_events() end,
    on_ready = function(worker)
      worker.ready_ns = worker.ready_ns or tonumber(C.aimp_clock_ns()) -- for stats
      self.on_change()
    end,
    on_gone = function(worker, death)
      drop_client(self, worker.slot)
      return self:remember(death)
    end,
    on_broken = function(failure) self:break_pool(failure) end,
    on_change = function() self.on_change() end,
  }, count)
end

local function tick(self)
  C.aimp_pool_tick(self.pool)
  loop.interrupt() -- so that the next tick is armed, and outcomes are read
end

---@param options aimp.PoolOptions checked; beside them, for a bare process: once and label (supervisor.lua),
---  cells, arena_bytes
---@param max_slots integer  workers that resize may reach
---@param on_change fun()    processes came, went or failed
---@return aimp.LocalBackend
function M.new(options, max_slots, on_change)
  local self = setmetatable({
    options = options,
    pool = new_c_pool(options, max_slots),
    max_slots = max_slots,
    on_change = on_change,
    outstanding = 0,            -- items submitted and not settled
    submits = 0,                -- since the last look at what came back
    polls = 0,                  -- since the last look at the clock
    deaths = {}, death_count = 0,
    receivers = {},             -- by slot: what its worker defined
    clients = {},               -- by slot: the worker as a user of shared objects
    route = { direction = "down", fresh = nil },
    is_touched = false,         -- a worker is to be rung
    spec = ffi.new("struct sched_spec"),
    unit = ffi.new("uint64_t[1]"),
    event = ffi.new("struct aimp_event"),
    closed = false, broken = nil,
    is_polling = false,
    on_notes = nil,
  }, Local)
  for name, value in pairs(owner_methods.no_owners()) do
    self[name] = value
  end
  self.sender = new_sender(self)
  self.supervisor = new_supervisor(self, options.processes)
  self.wake = uv.new_poll(C.aimp_pool_wake_fd(self.pool))
  self.wake:start("r", function()
    C.aimp_pool_drain_wake(self.pool)
  end)
  self.wake:unref()
  self.ticker = uv.new_timer()
  self.on_tick = function() tick(self) end
  self.ticker:unref()
  loop.add_poller(self)
  return self
end

function Local:start()
  launcher.ensure() -- it comes up while the channels are made
  self.supervisor:fill()
end

-- ---- submitting ----

--- Raises why nothing can be submitted now.
local function refuse(self)
  if self.broken then
    error(self.broken, 0)
  end
  error(errors.new("CLOSED", ("pool '%s' is closed"):format(self.options.name)), 0)
end

--- Sends the unit that self.spec describes.
function Local:submit(id, count, data, len)
  if self.closed or self.broken then
    refuse(self)
  end
  local spec = self.spec
  spec.owner, spec.count = id, count
  local rc = C.aimp_pool_submit(self.pool, spec, data, len, self.unit)
  if rc < 0 then
    error(errors.new("START", "no memory to queue a task"), 0)
  end
  self.units[id] = self.unit[0]
  self.outstanding = self.outstanding + count
  if rc == 1 then
    self.submits = self.submits + 1
    if self.submits >= SUBMITS_A_LOOK then
      fiber.outside(self.poll, self) -- what it calls of the user's must not hold up everybody's results
    end
  end
end

function Local:cancel(id)
  C.aimp_pool_cancel(self.pool, self.units[id])
  awaken()
end

function Local:cancel_group(group)
  C.aimp_pool_cancel_group(self.pool, group)
  awaken()
end

-- ---- what comes back ----

function Local:remember(death)
  self.death_count = self.death_count + 1
  self.deaths[self.death_count] = death
  self.deaths[self.death_count - DEATHS_KEPT] = nil
  return self.death_count
end

local function outcome_error(self, event, owner)
  local name = owner.name or "a task"
  if event.outcome == OUTCOME.CANCELLED then
    return errors.new("CANCELLED", ("%s was cancelled before it ran"):format(name), { task = owner.name })
  end
  local death = self.deaths[event.death]
  if event.outcome == OUTCOME.TIMED_OUT then
    return errors.new("TIMEOUT", ("%s did not end within its timeout; its worker (pid %s) was killed"):format(
      name, death and death.pid or "unknown"), { task = owner.name, pid = death and death.pid })
  end
  return deaths.worker_died(death, name)
end

local function take_frame(self, event)
  local kind, slot = event.frame_kind, event.slot
  if kind == FRAME.ASK then
    local client = self.clients[slot]
    if client then
      client:take(event)
    end
  elseif kind == FRAME.HELLO then
    self.supervisor:on_frame(slot, kind)
  elseif kind == FRAME.READY then
    local failure
    if bit.band(event.flags, FLAG_ERROR) ~= 0 then
      failure = wire.unpack_error(self.receivers[slot], event.tag + 256, event.data, event.len)
      failure.message = ("%s cannot start: initializer: %s"):format(self.supervisor:worker_at(slot).label,
        failure.message)
    end
    self.supervisor:on_frame(slot, kind, failure)
  end
end

-- One event that is no plain result.
local function take_event(self, event)
  local kind = event.kind
  if kind == EVENT.OUTCOME then
    local owner = self.owners[event.owner]
    self.outstanding = self.outstanding - event.count
    if owner and owner._state then
      calls.on_failed(owner, outcome_error(self, event, owner), self)
    elseif owner then
      owner:on_failed(tonumber(event.index), event.count, outcome_error(self, event, owner))
    end
  elseif kind == EVENT.FRAME then
    take_frame(self, event)
  elseif kind == EVENT.BROKEN then
    self.supervisor:on_broken_memory(event.slot)
  end
end

--- Handles at most `max` events.
function Local:drain_events(max)
  local event, pool, owners = self.event, self.pool, self.owners
  local handled = 0
  max = max or math.huge
  while handled < max and C.aimp_pool_next(pool, event) ~= 0 do
    handled = handled + 1
    if event.kind == 1 then -- EVENT.RESULT, the hot one
      self.outstanding = self.outstanding - event.count
      local owner = owners[event.owner]
      if owner and owner._state then -- a Task
        call_done(owner, event, self.receivers[event.slot], self)
      elseif owner then
        owner:on_result(event, self.receivers[event.slot])
      end
    else
      take_event(self, event)
    end
  end
  return handled
end

-- While the loop never sleeps, nobody arms the ticker.
local function keep_time(self)
  self.polls = 0
  if self.outstanding > 0 and C.aimp_pool_tick_in_ns(self.pool) == 0 then
    C.aimp_pool_tick(self.pool)
  end
end

--- Reads what came and sends what can be sent. Not re-entered: an owner that submits from its method
--- is served by the round that called it.
function Local:poll()
  if self.is_polling or self.freed then
    return false
  end
  self.is_polling, self.submits, self.polls = true, 0, self.polls + 1
  if self.polls >= POLLS_A_TICK then
    keep_time(self)
  end
  local ok, handled = xpcall(self.drain_events, errors.handler, self, EVENTS_A_POLL)
  if not ok then
    fiber.on_error(handled) -- a fault of ours; the next events are not to wait for ever
    handled = 1
  end
  if handled > 0 or self.is_touched then
    self.is_touched = false
    C.aimp_pool_run(self.pool)
  end
  self.supervisor:sweep()
  self.is_polling = false
  if handled > 0 then
    self.on_change()
  end
  return handled > 0
end

function Local:busy()
  return (self.outstanding > 0 and not self.broken) or self.is_awaited or has_attached(self)
end

function Local:spin()
  return C.aimp_pool_spin(self.pool) ~= 0
end

function Local:schedule_tick()
  local in_ns = C.aimp_pool_tick_in_ns(self.pool)
  if in_ns < 0 then
    return
  end
  self.ticker:start(math.ceil(in_ns / 1e6), 0, self.on_tick)
end

function Local:sleep_begin()
  if self.freed then
    return true
  end
  if C.aimp_pool_sleep_begin(self.pool) == 0 then
    C.aimp_pool_run(self.pool) -- what came may be room for what waits to be sent
    return false
  end
  self:schedule_tick()
  return true
end

function Local:sleep_end()
  if not self.freed then -- it may have ended in a callback while the loop slept
    C.aimp_pool_sleep_end(self.pool)
  end
end

-- ---- ending ----

-- Each task gets an error of its own: awaiting adds to its traceback.
local function copy_of(err)
  return errors.new(err.code, err.message, { traceback = err.traceback, cause = err.cause, pid = err.pid })
end

--- Everything that is not settled fails with `err`.
---@param is_known boolean  nobody needs to be told of errors that nobody looked at
local function fail_all(self, err, is_known)
  for id = 1, self.owner_count do
    local owner = self.owners[id]
    if owner then
      self.owners[id] = false
      if owner._state then
        C.aimp_pool_cancel(self.pool, self.units[id])
        calls.on_abandoned(owner, copy_of(err), is_known)
      else
        owner:on_abandoned(copy_of(err))
      end
      is_known = true -- once is enough
    end
  end
end

--- No worker can be started: what is not settled fails with the reason, and so does all that comes.
function Local:break_pool(failure)
  self.broken = failure
  self.supervisor:kill_all()
  fail_all(self, failure, false)
  self.on_change()
end

--- Kills the workers; what is not settled fails with `err`.
function Local:kill(err)
  self.closed = true
  self.supervisor:kill_all()
  fail_all(self, err, true)
end

--- The same where the loop will not run any more: nothing is waited for.
function Local:abandon(err)
  self.closed = true
  fail_all(self, err, true)
  self.supervisor:abandon()
end

--- Frees the C side; only when no process is left.
function Local:free()
  if self.freed then
    return
  end
  self.closed, self.freed = true, true
  loop.remove_poller(self)
  self.wake:stop()
  self.wake:close()
  self.ticker:stop()
  self.ticker:close()
  C.aimp_pool_free(self.pool)
end

return M
