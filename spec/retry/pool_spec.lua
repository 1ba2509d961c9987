-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local pools = require("spec.pool.support")

local failure = pools.failure

local function pack(...)
  return { n = select("#", ...), ... }
end

describe("a function of aimp.retry in a pool", function()
  it("tries again in the worker", pools.pooled({ processes = 2 }, function(pool)
    local calls = {} -- of each item, in the worker that has it
    local function unsteady(n)
      calls[n] = (calls[n] or 0) + 1
      if calls[n] < n then
        error("not yet")
      end
      return n, nil, calls[n], require("aimp").pid()
    end
    local retrying = aimp.retry(unsteady, { attempts = 4, wait = 0 })
    local seen = 0
    for i, value, nothing, count, pid in pool:map(retrying, { 1, 2, 3, 4 }) do
      assert.same({ i, nil, i }, { value, nothing, count })
      assert.not_equal(aimp.pid(), pid)
      seen = seen + 1
    end
    assert.equal(4, seen)
    assert.is_nil(calls[1])
    assert.same({ n = 4, 3.5, nil, 4 }, pack(pool:apply(function(n) -- an item that no worker has seen
      local value, nothing, count = retrying(n)
      return value, nothing, count, nil
    end, 3.5):await()))
  end))

  it("has its last error arrive as if the function had raised it, with the count", pools.pooled({
    processes = 1,
  }, function(pool)
    local function deep() error({ status = 503 }) end
    local err = failure("REMOTE", function()
      pool:map(aimp.retry(function() deep() end, { attempts = 2, wait = 0 }), { "x" }):await()
    end)
    assert.same({ 2, 503, 1 }, { err.attempts, err.cause.status, err.item })
    assert.matches(" %(after 2 tries%)$", err.message)
    assert.matches("in function 'deep'.*awaited by.*pool_spec", err.traceback)
    assert.equal("number", type(err.pid))
    local function plain() error("plain", 0) end
    err = failure("REMOTE", function() pool:apply(aimp.retry(plain, { wait = 0 })):await() end)
    assert.same({ "plain (after 3 tries)", "plain", 3 }, { err.message, err.cause, err.attempts })
    local function coded() error(require("aimp.errors").new("HTTP", "no route")) end
    err = failure("REMOTE", function() pool:apply(aimp.retry(coded, { wait = 0 })):await() end)
    assert.same({ "no route (after 3 tries)", "HTTP", 3 }, { err.message, err.cause.code, err.attempts })
  end))

  it("takes its options along", pools.pooled({ processes = 1 }, function(pool)
    local told, limit = 0, 7
    local retrying = aimp.retry(function() error({ told = told }, 0) end, {
      attempts = math.huge,
      wait = function(try) return try * 1e-6 end,
      on_retry = function() told = told + 1 end,
      retry_if = function(err) return err.cause.told < limit end,
    })
    assert.equal(8, failure("REMOTE", function() pool:apply(retrying):await() end).attempts)
    assert.equal(0, told)
  end))

  it("ends when its task is cancelled or takes too long", pools.pooled({ processes = 1 }, function(pool)
    local retrying = aimp.retry(function()
      local ok = pcall(require("aimp").sleep, 1000)
      error("slept: " .. tostring(ok), 0)
    end, { attempts = math.huge, wait = 0 })
    local task = pool:apply(retrying)
    pools.running(pool, 1)
    task:cancel()
    local err = failure("REMOTE", function() task:await() end)
    assert.same({ "slept: false", 1 }, { err.cause, err.attempts })
    failure("TIMEOUT", function() pool:submit(retrying, {}, { timeout = 0.01 }):await() end)
    task = pool:apply(aimp.retry(function() error("no") end, { wait = 1000 }))
    pools.running(pool, 1)
    task:cancel()
    failure("CANCELLED", function() task:await() end)
  end))

  it("waits by chance of the worker's own", pools.pooled({ processes = 2 }, function(pool)
    local wait = aimp.retry.exponential({ base = 1, jitter = 1 })
    local delays = pool:broadcast(function() return wait(1) end)
    assert.not_equal(delays[1], delays[2])
  end))
end)
