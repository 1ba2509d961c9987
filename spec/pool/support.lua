--- What the specs of pools share.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local assert = require("luassert")
local errors = require("aimp.errors")
local launcher = require("aimp.pool.launcher")

local M = {}

--- The body of a spec that gets a pool, which is closed and joined afterwards.
---@param options aimp.PoolOptions
---@param body fun(pool: aimp.Pool)
function M.pooled(options, body)
  return function()
    local ok, err = pcall(aimp.with, aimp.Pool(options), body)
    launcher.close() -- the template would stay for the next pool, and count as left behind
    if not ok then
      error(err, 0)
    end
  end
end

--- The error object that fn raises, of the given code.
function M.failure(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "no error was raised")
  assert.is_true(errors.is(err), "not an error object: " .. tostring(err))
  assert.equal(code, err.code, tostring(err))
  return err
end

--- The misuse that fn raises: a string with the position of the spec's own line.
function M.misuse(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok, "no error was raised")
  assert.equal("string", type(message), tostring(message))
  assert.matches("_spec%.lua:%d+: ", message)
  assert.matches(pattern, message)
  return message
end

--- The numbers 1 to n.
function M.numbers(n)
  local list = {}
  for i = 1, n do
    list[i] = i
  end
  return list
end

--- Waits until condition() is true, as nothing tells when it becomes so; fails after some seconds.
---@async
function M.eventually(condition, what)
  local deadline = aimp.now() + 10
  while not condition() do
    assert.is_true(aimp.now() < deadline, "never happened: " .. what)
    aimp.sleep(0.005)
  end
end

--- The workers' pids, once all are up.
---@async
function M.pids(pool)
  local pids = {}
  M.eventually(function()
    local up = true
    for i, worker in ipairs(pool:stats().workers) do
      pids[i] = worker.pid
      up = up and worker.state == "ready" and worker.pid -- which may be told later
    end
    return up
  end, "all workers ready")
  return pids
end

--- An iterator over 1 .. last, and a function that tells how many items were read.
function M.counter(last)
  local read = 0
  local function iterator()
    if read >= last then return nil end
    read = read + 1
    return read
  end
  return iterator, function() return read end
end

--- Lets everything go on that can without the caller.
---@async
function M.settle(pool)
  for _ = 1, 20 do
    pool:apply(math.abs, 1):await()
  end
end

--- Waits until exactly n tasks run in the pool's workers.
---@async
function M.running(pool, n)
  M.eventually(function()
    local count = 0
    for _, worker in ipairs(pool:stats().workers) do
      count = count + worker.running
    end
    return count == n
  end, n .. " tasks run")
end

return M
