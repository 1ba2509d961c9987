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

local function percentiles(ns)
  return { p50 = tonumber(ns[0]) / 1e9, p90 = tonumber(ns[1]) / 1e9, p99 = tonumber(ns[2]) / 1e9 }
end

---@class aimp.PoolStats
---@field name string
---@field state string
---@field waiting integer      tasks in the queues
---@field outstanding integer  tasks at workers
---@field done integer         with a result or an error of their own, since the pool exists; as the next ones
---@field lost integer         with their worker, or killed for their timeout
---@field cancelled integer    before they began
---@field retried integer
---@field moved integer        taken back from one worker for another
---@field wait table           seconds in the queues: p50, p90, p99, within about a fifth
---@field run table            seconds in a worker: p50, p90, p99
---@field workers aimp.WorkerStats[]

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
