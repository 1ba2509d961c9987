--- What the specs of locks and the like across processes share.
-- SPDX-License-Identifier: MIT
local assert = require("luassert")
local support = require("spec.pool.support")
local uv = require("luv")

local M = { eventually = support.eventually, failure = support.failure }

--- The body of a spec that gets a pool of two workers.
function M.pooled(body)
  return support.pooled({ processes = 2 }, body)
end

--- Waits until so many wait in the object's line.
---@async
function M.in_line(object, n)
  support.eventually(function() return object._core.line:count() == n end, n .. " wait")
end

--- A function that starts fn(...) in the given worker of the pool, 1 or 2.
---@async
---@return fun(worker: integer, fn: function, ...): aimp.Task
function M.by_worker(pool)
  local function here() return require("aimp").worker().id end
  local keys, n = {}, 0
  repeat
    n = n + 1
    keys[pool:submit(here, {}, { key = "k" .. n }):await()] = "k" .. n
  until keys[1] and keys[2]
  return function(worker, fn, ...)
    return pool:submit(fn, { n = select("#", ...), ... }, { key = keys[worker] })
  end
end

--- What a function that is called in a worker complains of, as a string with a position.
---@async
function M.complaint(pool, fn, ...)
  local task = pool:apply(fn, ...)
  return support.failure("REMOTE", task.await, task).cause
end

--- That a task in a worker raised TIMEOUT with this text.
---@async
function M.assert_late(text, task)
  local cause = support.failure("REMOTE", task.await, task).cause
  assert.equal("TIMEOUT", cause.code)
  assert.matches(text, cause.message)
end

--- Kills the worker in which the task runs, which fails by that.
---@async
---@param pid aimp.Counter
---@param task aimp.Task
function M.kill(pid, task)
  uv.kill(pid:get(), "sigkill")
  support.failure("WORKER_DIED", task.await, task)
end

return M
