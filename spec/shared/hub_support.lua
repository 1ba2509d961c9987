--- What the specs of the hub share.
-- SPDX-License-Identifier: MIT
local assert = require("luassert")
local support = require("spec.pool.support")
local uv = require("luv")

local M = {}

--- Two collections: what a finalizer held goes with the second.
function M.collect()
  require("jit").flush() -- compiled code holds what it was compiled with
  collectgarbage()
  collectgarbage()
end

local function size(t)
  local n = 0
  for _ in pairs(t) do
    n = n + 1
  end
  return n
end

--- In a worker: requests without an answer, and how many answers are awaited.
function M.link_state()
  local link = require("aimp.shared.exports").link
  return size(link.calls), link.executor.awaited
end

--- In a worker: how many objects of the parent's are in use.
function M.fronts_in_use()
  M.collect()
  return size(require("aimp.shared.exports").link.fronts)
end

--- The clients of a pool, one for each worker.
function M.clients(pool)
  local list = {}
  for _, client in pairs(pool.backend.clients) do
    list[#list + 1] = client
  end
  return list
end

--- Entries of a client's table, over all workers of the pool.
function M.count(pool, name)
  local n = 0
  for _, client in ipairs(M.clients(pool)) do
    n = n + size(client[name])
  end
  return n
end

--- Nothing is left of requests, in the pool's only worker and here.
---@async
function M.assert_answered(pool)
  assert.same({ 0, 0 }, { pool:apply(M.link_state):await() })
  assert.same({ 0, 0 }, { M.count(pool, "requests"), M.count(pool, "unread") })
end

--- Waits until so many wait for the cell.
---@async
function M.waiting(cell, n)
  support.eventually(function() return cell:waiters() == n end, n .. " wait for the cell")
end

--- Waits until the pool's only worker, whose tasks are over, holds nothing of this process.
---@async
function M.released(pool)
  support.eventually(function()
    M.collect()
    pool:apply(M.fronts_in_use):await()
    return M.count(pool, "attached") == 0
  end, "the worker has let go of all objects")
end

--- Nothing of this process's loop happens until the file is there.
function M.block_until(path)
  local deadline = uv.hrtime() + 20e9
  local file
  repeat
    file = io.open(path)
  until file or uv.hrtime() > deadline
  assert(file, "no sign was given"):close()
end

--- In a worker: makes the file.
function M.raise_sign(path)
  assert(io.open(path, "w")):close()
end

return M
