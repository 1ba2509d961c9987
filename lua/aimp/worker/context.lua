--- Who this process is: filled in a worker, empty in the parent. Read by
--- aimp.worker() and by code that must know on which side of a pool it runs.
-- SPDX-License-Identifier: MIT

---@class aimp.WorkerContext
---@field id? integer    the worker's number in its pool, 1 .. processes
---@field pid? integer
---@field pool? string   the pool's name; the process's, in one of aimp.Process or aimp.Worker
---@field is_process? boolean
local M = {}

return M
