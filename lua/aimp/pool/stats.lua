--- What pool:stats() tells.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")

local C = aimp_ffi.C

local M = {}

--- One worker, in `pool:stats()`. An item of a map counts as one task.
---@class aimp.WorkerStats
---@field id integer           place in the pool, from 1
---@field pid? integer         process id; nil while there is no process
---@field state string         "starting", "ready", "draining" and so on
---@field done integer         tasks that have ended here, those of earlier processes of this place included
---@field failed integer       tasks that were lost with a process
---@field running integer      tasks that it has begun
---@field queued integer       tasks that it was sent and has not begun
---@field utilisation number   share of its life that it spent on tasks; above 1 where they overlap
---@field restarts integer     times that its process was replaced

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

local function percentiles(ns)
  return { p50 = tonumber(ns[0]) / 1e9, p90 = tonumber(ns[1]) / 1e9, p99 = tonumber(ns[2]) / 1e9 }
end

--- What `pool:stats()` tells. An item of a map counts as one task; counts are since the pool exists.
---@class aimp.PoolStats
---@field name string          the pool's
---@field state string         "open", "closing", "stopping", "terminating" or "closed"
---@field waiting integer      tasks in the queues now
---@field outstanding integer  tasks at workers now
---@field done integer         tasks that ended with a result or an error of their own
---@field lost integer         tasks that ended with their worker, or were killed for their timeout
---@field cancelled integer    tasks that were cancelled before they began
---@field retried integer      times that a task was begun again after its worker died
---@field moved integer        tasks that were taken back from one worker for another
---@field wait { p50: number, p90: number, p99: number }  percentiles of the seconds in the queues, within a
---  fifth
---@field run { p50: number, p90: number, p99: number }   percentiles of the seconds in a worker, within a
---  fifth
---@field workers aimp.WorkerStats[]  by place

---@param pool table aimp.Pool
---@return aimp.PoolStats
function M.of(pool)
  local backend = pool.backend
  if backend.freed then
    return pool.final_stats
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
  stats.wait, stats.run = percentiles(total.wait_ns), percentiles(total.run_ns)
  return stats
end

return M
