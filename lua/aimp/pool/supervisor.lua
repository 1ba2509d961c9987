--- The worker processes of one pool: starts them, watches them, replaces them.
---
---            launch ok        HELLO, init ok          quota used up, resize, close
---   vacant ──► launching ──► starting ──► ready ──► draining ──► stopping ──► vacant
---      ▲            └───────────┴───────────┴─ process ended, or never came up ──┘
---
--- A process that ends before it was ever ready is a failed start: the next one waits (back-off).
--- Processes started side by side tend to fail side by side, so one counts only if it was started after
--- the last that counted; after MAX_FAILURES that count, with none ready in between, the circuit breaker
--- opens and the pool fails fast with the last failure. Time and processes are injected by specs.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local deaths = require("aimp.pool.deaths")
local errors = require("aimp.errors")

local FRAME = aimp_ffi.FRAME

--- A process must say HELLO within this time; its initializer may take as long as it likes.
local HANDSHAKE_S = 10
local MAX_FAILURES = 3
local BACKOFF_S = 0.1

local moves = {
  vacant = { launching = true },
  launching = { starting = true, vacant = true },
  starting = { ready = true, vacant = true },
  ready = { draining = true, vacant = true },
  draining = { stopping = true, vacant = true },
  stopping = { vacant = true },
}

---@class aimp.WorkerSlot
---@field slot integer        0 ..
---@field number integer      slot + 1, as users see it
---@field state string        a key of `moves`
---@field pid? integer
---@field launch_id integer
---@field restarts integer
---@field was_ready boolean   of the present process
---@field dismissed boolean   it was killed before it was ready, as it is not wanted any more
---@field killed boolean      it was sent a signal by its supervisor
---@field round integer       failures that had counted when it was started
---@field failure? aimp.Error its initializer's error

---@class aimp.Supervisor
local Supervisor = {}
Supervisor.__index = Supervisor

local M = {}

---@class aimp.SupervisorHost   what the supervisor needs of its pool
---@field C table               the C functions
---@field pool ffi.cdata*       struct aimp_pool
---@field launcher table        aimp.pool.launcher or a double
---@field timer fun(seconds, fn, arg): {stop: fun(self)}
---@field spawn boolean         start method "spawn"
---@field configure fun(worker) posts START, definitions and the init note
---@field has_quota boolean       workers may use up a quota of tasks
---@field drain_events fun()    reads everything that workers have sent
---@field on_ready fun(worker)
---@field on_gone fun(worker, death: aimp.Death): integer  the death's number for the C side
---@field on_broken fun(err: aimp.Error)  the circuit breaker opened
---@field on_change fun()       something changed that join() may wait for
---@field report? fun(text)     tells what no task's error can; default: a line on stderr

local function report(text)
  io.stderr:write("aimp: ", text, "\n")
end

---@param host aimp.SupervisorHost
---@param count integer workers wanted
---@return aimp.Supervisor
function M.new(host, count)
  host.report = host.report or report
  return setmetatable({
    host = host,
    wanted = count,
    workers = {},        ---@type aimp.WorkerSlot[]  by slot + 1
    by_slot_live = 0,    -- processes that exist or are being made
    draining = 0,        -- workers in that state
    failures = 0,        -- failed starts that counted, in a row
    round = 0,           -- failed starts that counted, ever
    broken = nil,        -- the breaker's error
    respawn = true,
  }, Supervisor)
end

local function move(worker, state)
  if not moves[worker.state][state] then
    error(("internal: worker %d cannot go from %s to %s"):format(worker.number, worker.state, state))
  end
  local supervisor = worker.supervisor
  if worker.state == "draining" then
    supervisor.draining = supervisor.draining - 1
  elseif state == "draining" then
    supervisor.draining = supervisor.draining + 1
  end
  worker.state = state
end

function Supervisor:worker_at(slot)
  local worker = self.workers[slot + 1]
  if not worker then
    worker = { slot = slot, number = slot + 1, state = "vacant", restarts = -1, was_ready = false,
      supervisor = self }
    self.workers[slot + 1] = worker
  end
  return worker
end

-- ---- starting ----

local Listener = {}
Listener.__index = Listener

local function stop_timer(worker)
  if worker.timer then
    worker.timer:stop()
    worker.timer = nil
  end
end

local function handshake_failed(worker)
  worker.supervisor.host.drain_events() -- it may be the parent that was stopped
  if not worker.timer then
    return
  end
  worker.timer = nil
  worker.failure = errors.new("START", ("worker %d did not come up within %g s"):format(worker.number,
    HANDSHAKE_S))
  worker.supervisor:kill(worker, 9)
end

local function launch(worker, request)
  local host = worker.supervisor.host
  host.configure(worker)
  host.launcher.fork(request, setmetatable({ worker = worker, supervisor = worker.supervisor }, Listener))
end

-- Starts the process of a vacant slot. Returns why that is impossible, or nil.
local function start(self, worker)
  local host, slot = self.host, worker.slot
  local request, err = ffi.new("struct launch_request"), ffi.new("struct aimp_error")
  worker.round = self.round
  if host.C.aimp_pool_open_slot(host.pool, slot, request, err) ~= 0 then
    local why = ("cannot start worker %d: %s"):format(worker.number, ffi.string(err.text))
    local failure = errors.new("START", why)
    self:start_failed(worker, failure)
    return failure
  end
  move(worker, "launching")
  self.by_slot_live = self.by_slot_live + 1
  worker.request, worker.failure, worker.pid = request, nil, nil
  worker.was_ready, worker.dismissed, worker.killed = false, false, false
  worker.launch_id = host.launcher.next_id()
  worker.restarts = worker.restarts + 1
  request.id, request.worker, request.spawn = worker.launch_id, worker.number, host.spawn and 1 or 0
  local ok, failure = pcall(launch, worker, request)
  if not ok then
    self:vacate(worker, deaths.describe(worker.number), failure)
    return failure
  end
  worker.timer = host.timer(HANDSHAKE_S, handshake_failed, worker)
end

function Listener:on_forked(pid, pidfd)
  local worker, host = self.worker, self.supervisor.host
  host.C.aimp_pool_launched(host.pool, worker.slot, worker.request)
  host.C.aimp_pool_set_pidfd(host.pool, worker.slot, pidfd)
  worker.pid = pid
  if worker.state == "launching" then
    move(worker, "starting")
  end
  if worker.must_die then
    self.supervisor:kill(worker, worker.must_die)
  end
end

function Listener:on_launch_failed(errno)
  local worker = self.worker
  self.supervisor:vacate(worker, deaths.describe(worker.number),
    errors.new("START", ("cannot fork worker %d: errno %d"):format(worker.number, errno)))
end

function Listener:on_exited(status, _, failure)
  local worker = self.worker
  local death = deaths.describe(worker.number, worker.pid, status)
  self.supervisor.host.drain_events() -- what it sent before it died still counts
  if worker.has_broken_memory then
    worker.has_broken_memory = nil
    death.how = deaths.BROKEN_MEMORY
  end
  if worker.state == "stopping" and not worker.killed and status and status ~= 0 then
    self.supervisor.host.report(("worker %d (pid %d) %s while it ended"):format(worker.number, worker.pid,
      death.how))
  end
  self.supervisor:vacate(worker, death, worker.failure or failure)
end

--- A frame of the worker's life.
---@param kind integer  HELLO or READY
---@param failure? aimp.Error  of the initializer
function Supervisor:on_frame(slot, kind, failure)
  local worker = self.workers[slot + 1]
  if kind == FRAME.HELLO then
    stop_timer(worker)
  elseif worker.dismissed then
    return -- work that it took now would be lost
  elseif failure then
    worker.failure = failure
    self:kill(worker, 9)
  elseif worker.state == "starting" or worker.state == "launching" then
    if worker.state == "launching" then
      move(worker, "starting") -- its first words overtook the launcher's
    end
    move(worker, "ready")
    worker.was_ready, self.failures = true, 0
    self.host.C.aimp_pool_ready(self.host.pool, slot)
    self.host.on_ready(worker)
  end
end

--- What the process wrote into its shared memory makes no sense; the C side has killed it.
function Supervisor:on_broken_memory(slot)
  self.workers[slot + 1].has_broken_memory = true
end

-- ---- ending ----

--- Signals the process, now or as soon as it exists.
function Supervisor:kill(worker, signal_number)
  if worker.state == "vacant" then
    return
  end
  worker.killed = true
  if not worker.pid then
    worker.must_die = signal_number
    return
  end
  self.host.C.aimp_pool_signal(self.host.pool, worker.slot, signal_number)
end

-- Ends one that is not ready yet.
local function dismiss(worker)
  worker.dismissed = worker.state ~= "vacant"
  worker.supervisor:kill(worker, 9)
end

--- The process is gone, or never was: its work is settled, the slot free.
function Supervisor:vacate(worker, death, failure)
  local host = self.host
  local was_ready, expected = worker.was_ready, worker.dismissed or worker.state == "stopping"
  stop_timer(worker)
  host.C.aimp_pool_launched(host.pool, worker.slot, worker.request)
  move(worker, "vacant")
  worker.must_die, worker.pid = nil, nil
  self.by_slot_live = self.by_slot_live - 1
  host.C.aimp_pool_gone(host.pool, worker.slot, host.on_gone(worker, death))
  if worker.slot >= self.wanted then -- nobody will run what is pinned here
    host.C.aimp_pool_remove_slot(host.pool, worker.slot)
  end
  if not was_ready and not expected and self.respawn then
    return self:start_failed(worker, failure or errors.new("START",
      ("worker %d (pid %s) %s before it was ready"):format(worker.number, death.pid or "unknown", death.how)))
  end
  self:refill()
  host.on_change()
end

local function retry_start(worker)
  worker.backoff = nil
  worker.supervisor:refill()
end

-- In what an event tells nobody can be raised at: the breaker will have the failure.
function Supervisor:start_failed(worker, failure)
  if worker.round == self.round then
    self.failures, self.round = self.failures + 1, self.round + 1
  end
  if self.failures >= MAX_FAILURES then
    self.broken = failure
    self.respawn = false
    self.host.on_broken(failure)
  else
    worker.backoff = self.host.timer(BACKOFF_S * 2 ^ math.max(self.failures - 1, 0), retry_start, worker)
  end
  self.host.on_change()
end

--- Starts processes until the wanted number is up. A start that fails is tried again later.
---@return aimp.Error? failure  the first that failed at once
function Supervisor:refill()
  local failure
  for slot = 0, self.wanted - 1 do
    local worker = self:worker_at(slot)
    if self.respawn and worker.state == "vacant" and not worker.backoff then
      failure = start(self, worker) or failure
    end
  end
  return failure
end

--- The same where a caller waits for it: what fails at once is raised.
function Supervisor:fill()
  local failure = self:refill()
  if failure then
    error(failure, 0)
  end
end

--- Lets the worker finish what it claimed, then end in order.
function Supervisor:retire(worker)
  if worker.state == "ready" then
    move(worker, "draining")
    self.host.C.aimp_pool_drain(self.host.pool, worker.slot)
  end
  self:check_retired(worker)
end

--- Sends STOP to a draining worker once it holds nothing.
function Supervisor:check_retired(worker)
  local host = self.host
  if worker.state == "draining" and host.C.aimp_pool_slot_is_idle(host.pool, worker.slot) ~= 0 then
    move(worker, "stopping")
    host.C.aimp_pool_post(host.pool, worker.slot, FRAME.STOP, 0, 0, nil, 0)
  end
end

-- Its quota is used up, and all that it was given is done.
local function is_spent(host, worker)
  return host.C.aimp_pool_slot_is_spent(host.pool, worker.slot) ~= 0
    and host.C.aimp_pool_slot_is_idle(host.pool, worker.slot) ~= 0
end

--- After a round of events: workers whose quota is used up, or that finished draining.
function Supervisor:sweep()
  if self.draining == 0 and not self.host.has_quota then
    return
  end
  for _, worker in ipairs(self.workers) do
    if worker.state == "ready" and is_spent(self.host, worker) then
      self:retire(worker)
    elseif worker.state == "draining" then
      self:check_retired(worker)
    end
  end
end

--- Another number of workers; the ones beyond it finish what they hold.
function Supervisor:resize(count)
  local before = self.wanted
  self.wanted = count
  for slot = count, before - 1 do
    local worker = self:worker_at(slot)
    if worker.state == "ready" then
      self:retire(worker)
    elseif not worker.was_ready then
      dismiss(worker)
    end
    self.host.C.aimp_pool_remove_slot(self.host.pool, slot)
  end
  self:fill()
end

local function drop_backoff(worker)
  if worker.backoff then
    worker.backoff:stop()
    worker.backoff = nil
  end
end

--- No replacements from now on; every worker is asked to finish.
function Supervisor:stop_all()
  self.respawn = false
  for _, worker in ipairs(self.workers) do
    drop_backoff(worker)
    if worker.state == "ready" or worker.state == "draining" then
      self:retire(worker)
    elseif worker.state ~= "stopping" then
      dismiss(worker)
    end
  end
end

--- No replacements; every worker is killed.
function Supervisor:kill_all()
  self.respawn = false
  for _, worker in ipairs(self.workers) do
    drop_backoff(worker)
    self:kill(worker, 9)
  end
end

--- The loop will not run any more: kills every process and forgets it.
function Supervisor:abandon()
  self:kill_all()
  for _, worker in ipairs(self.workers) do
    stop_timer(worker)
    if worker.state ~= "vacant" then
      self.host.launcher.forget(worker.launch_id, worker.must_die)
      self.host.C.aimp_pool_launched(self.host.pool, worker.slot, worker.request)
      worker.state = "vacant"
    end
  end
  self.by_slot_live = 0
end

function Supervisor:is_empty()
  return self.by_slot_live == 0
end

return M
