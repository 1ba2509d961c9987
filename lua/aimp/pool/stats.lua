--- What pool:stats() tells.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")

local C = aimp_ffi.C

local M = {}

---@class aimp.WorkerStats
---@field id integer
---@field pid? integer
---@field state string          "starting", "ready", "draining", …
---@field done integer          tasks with a result, also of earlier processes of this place
---@field failed integer        tasks lost with a process
---@field running integer       tasks that it has begun
---@field queued integer        tasks that it was sent and has not begun
---@field utilisation number    share of its life that it spent on tasks; above 1 when they overlap
---@field restarts integer

local function worker_stats(backend, worker, figures, now_ns)
  C.aimp_pool_slot_stats(backend.pool, worker.slot, figures)
  local alive_ns = worker.ready_ns and now_ns - worker.ready_ns or 0
  return {
    id = worker.number,
    pid = worker.pid,
    state = worker.state,
    done = tonumber(figures.done),
    failed = tonumber(figures.lost),
    running = figures.running,
    queued = figures.queued,
    utilisation = alive_ns > 0 and tonumber(figures.busy_ns) / alive_ns or 0,
    restarts = math.max(worker.restarts, 0),
  }
end

--- waiting: in the queues; outstanding: at workers; done, lost, cancelled, retried, moved (taken back
--- from one worker for another): since the pool exists. times: see times.lua.
---@param pool table aimp.Pool
function M.of(pool)
  local backend = pool.backend
  if backend.freed then
    return { state = pool.state, workers = {}, waiting = 0, outstanding = 0 }
  end
  local total, figures = ffi.new("struct sched_stats"), ffi.new("struct sched_slot_stats")
  C.aimp_pool_stats(backend.pool, total)
  local now_ns = tonumber(C.aimp_clock_ns())
  local workers = {}
  for i, worker in ipairs(backend.supervisor.workers) do
    workers[i] = worker_stats(backend, worker, figures, now_ns)
  end
  local stats = { state = pool.state, name = pool.options.name, workers = workers }
  for _, name in ipairs({ "waiting", "outstanding", "done", "lost", "cancelled", "retried", "moved" }) do
    stats[name] = tonumber(total[name])
  end
  return stats
end

return M
