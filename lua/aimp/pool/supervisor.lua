--- The worker processes of one pool: starts them, watches them, replaces them.
---
--- Here: what it knows and needs. How processes come up, and what becomes of those that do not, is in
--- starting.lua; how they end in ending.lua; the states of each in slot.lua. Time and processes are injected
--- by specs.
-- SPDX-License-Identifier: MIT
local slot_module = require("aimp.pool.slot")

---@class aimp.Supervisor
local Supervisor = {}
Supervisor.__index = Supervisor
for _, part in ipairs({ require("aimp.pool.starting"), require("aimp.pool.ending") }) do
  for name, method in pairs(part) do
    Supervisor[name] = method
  end
end

local M = {}

---@class aimp.SupervisorHost   what the supervisor needs of its pool
---@field C table               the C functions
---@field pool ffi.cdata*       struct aimp_pool
---@field launcher table        aimp.pool.launcher or a double
---@field timer fun(seconds, fn, arg): {stop: fun(self)}
---@field spawn boolean         start method "spawn"
---@field once? boolean         no process is started a second time, whether it failed to start or ended; who
--- asked for it looks at its exit status. Work is sent to it before it is up
---@field label? string         what its one worker is called in messages; default: "worker 1" and so on
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

---@param slot integer
---@return aimp.WorkerSlot
function Supervisor:worker_at(slot)
  local worker = self.workers[slot + 1]
  if not worker then
    worker = slot_module.new(self, slot)
    self.workers[slot + 1] = worker
  end
  return worker
end

--- What the process wrote into its shared memory makes no sense; the C side has killed it.
---@param slot integer
function Supervisor:on_broken_memory(slot)
  self.workers[slot + 1].has_broken_memory = true
end

return M
