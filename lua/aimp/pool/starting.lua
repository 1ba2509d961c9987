--- How worker processes come up, and what becomes of one that does not. Methods of the supervisor.
---
--- A process that ends before it was ever ready is a failed start: the next one waits (back-off).
--- Processes started side by side tend to fail side by side, so one counts only if it was started after
--- the last that counted; after MAX_FAILURES that count, with none ready in between, the circuit breaker
--- opens and the pool fails fast with the last failure.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local deaths = require("aimp.pool.deaths")
local errors = require("aimp.errors")
local slot_module = require("aimp.pool.slot")

local FRAME = aimp_ffi.FRAME
local move, stop_timer = slot_module.move, slot_module.stop_timer

--- A process must say HELLO within this time; its initializer may take as long as it likes.
local HANDSHAKE_S = 10
local MAX_FAILURES = 3
local BACKOFF_S = 0.1

---@class aimp.Supervisor
local Supervisor = {}

local Listener = {}
Listener.__index = Listener

local function handshake_failed(worker)
  worker.supervisor.host.drain_events() -- it may be the parent that was stopped
  if not worker.timer then
    return
  end
  worker.timer = nil
  worker.failure = errors.new("START", ("%s did not come up within %g s"):format(worker.label, HANDSHAKE_S))
  worker.supervisor:kill(worker, 9)
end

local function launch(worker, request)
  local host = worker.supervisor.host
  host.configure(worker)
  if host.once then -- it finds its work when it is up, also while this process has no time for it
    host.C.aimp_pool_ready(host.pool, worker.slot)
  end
  host.launcher.fork(request, setmetatable({ worker = worker, supervisor = worker.supervisor }, Listener))
end

-- Starts the process of a vacant slot. Returns why that is impossible, or nil.
local function start(self, worker)
  local host, slot = self.host, worker.slot
  local request, err = ffi.new("struct launch_request"), ffi.new("struct aimp_error")
  worker.round = self.round
  if host.C.aimp_pool_open_slot(host.pool, slot, request, err) ~= 0 then
    local why = ("cannot start %s: %s"):format(worker.label, ffi.string(err.text))
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

-- ---- what the launcher tells ----

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
    errors.new("START", ("cannot fork %s: errno %d"):format(worker.label, errno)))
end

-- It was told to end, and did so in another way, which nobody will be told.
local function ended_badly(worker, status)
  return worker.state == "stopping" and not worker.killed and not worker.supervisor.host.once
    and status and status ~= 0
end

function Listener:on_exited(status, _, failure)
  local worker = self.worker
  local death = deaths.describe(worker.number, worker.pid, status)
  self.supervisor.host.drain_events() -- what it sent before it died still counts
  if worker.has_broken_memory then
    worker.has_broken_memory = nil
    death.how = deaths.BROKEN_MEMORY
  end
  if ended_badly(worker, status) then
    self.supervisor.host.report(("%s (pid %d) %s while it ended"):format(worker.label, worker.pid, death.how))
  end
  self.supervisor:vacate(worker, death, worker.failure or failure)
end

-- ---- what the process tells ----

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
    if not self.host.once then
      self.host.C.aimp_pool_ready(self.host.pool, slot)
    end
    self.host.on_ready(worker)
  end
end

-- ---- again ----

local function retry_start(worker)
  worker.backoff = nil
  worker.supervisor:refill()
end

-- In what an event tells nobody can be raised at: the breaker will have the failure.
function Supervisor:start_failed(worker, failure)
  if worker.round == self.round then
    self.failures, self.round = self.failures + 1, self.round + 1
  end
  if self.failures >= (self.host.once and 1 or MAX_FAILURES) then
    self.broken = failure
    self.respawn = false
    self.host.on_broken(failure)
  else
    worker.backoff = self.host.timer(BACKOFF_S * 2 ^ math.max(self.failures - 1, 0), retry_start, worker)
  end
  self.host.on_change()
end

-- Whether a process is to be started there now.
local function is_wanted(self, worker)
  local is_over = self.host.once and worker.restarts >= 0
  return self.respawn and worker.state == "vacant" and not worker.backoff and not is_over
end

--- Starts processes until the wanted number is up. A start that fails is tried again later.
---@return aimp.Error? failure  the first that failed at once
function Supervisor:refill()
  local failure
  for slot = 0, self.wanted - 1 do
    local worker = self:worker_at(slot)
    if is_wanted(self, worker) then
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

return Supervisor
