--- How worker processes end: in order, killed, or by themselves. Methods of the supervisor.
-- SPDX-License-Identifier: MIT
local aimp_ffi = require("aimp.ffi")
local errors = require("aimp.errors")
local slot_module = require("aimp.pool.slot")

local FRAME = aimp_ffi.FRAME
local move, stop_timer = slot_module.move, slot_module.stop_timer

---@class aimp.Supervisor
local Supervisor = {}

-- ---- one worker ----

--- Signals the process, now or as soon as it exists.
---@param worker aimp.WorkerSlot
---@param signal_number integer
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

--- Lets the worker finish what it claimed, then end in order.
---@param worker aimp.WorkerSlot
function Supervisor:retire(worker)
  if worker.state == "ready" then
    move(worker, "draining")
    self.host.C.aimp_pool_drain(self.host.pool, worker.slot)
  end
  self:check_retired(worker)
end

--- Sends STOP to a draining worker once it holds nothing.
---@param worker aimp.WorkerSlot
function Supervisor:check_retired(worker)
  local host = self.host
  if worker.state == "draining" and host.C.aimp_pool_slot_is_idle(host.pool, worker.slot) ~= 0 then
    move(worker, "stopping")
    host.C.aimp_pool_post(host.pool, worker.slot, FRAME.STOP, 0, worker.exit_status, nil, 0)
  end
end

--- The process is gone, or never was: its work is settled, the slot free.
---@param worker aimp.WorkerSlot
---@param death aimp.Death
---@param failure? aimp.Error  why it did not come up
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
      ("%s (pid %s) %s before it was ready"):format(worker.label, death.pid or "unknown", death.how)))
  end
  self:refill()
  host.on_change()
end

-- ---- all of them ----

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
---@param count integer
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

--- Whether there is no process any more, nor one being made.
---@return boolean
function Supervisor:is_empty()
  return self.by_slot_live == 0
end

return Supervisor
