--- How shared objects are used from other processes: requests, answers, news. For
--- who gives up see hub_late_spec.lua; for lifetimes hub_life_spec.lua, hub_middle_spec.lua; for workers
--- that send nonsense hub_hostile_spec.lua.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local cell = require("spec.shared.modules.cell")
local hub = require("spec.shared.hub_support")
local support = require("spec.pool.support")

local failure = support.failure
local assert_answered, waiting = hub.assert_answered, hub.waiting

local function with_pool(name, options, body)
  if not body then
    options, body = { processes = 1 }, options
  end
  it(name, support.pooled(options, body))
end

local function pack(...)
  return { n = select("#", ...), ... }
end

-- What fn(...) raises in the worker, as it raises it there.
local function raised(pool, fn, ...)
  local ok, err = pool:apply(function(...)
    local ok, err = pcall(...)
    return ok, { code = err.code, message = err.message, cause = err.cause, traceback = err.traceback }
  end, fn, ...):await()
  assert.is_false(ok)
  return err
end

describe("a request", function()
  for _, method in ipairs({ "echo", "wait_echo" }) do
    with_pool("gets all results, nils included: " .. method, function(pool)
      local shared = cell.new()
      local lists = { pack(), pack(nil), pack(nil, nil), pack(1, nil), pack(nil, { 2 }, nil, false, nil) }
      for i, list in ipairs(lists) do
        assert.same(list, pack(pool:apply(shared[method], shared, unpack(list, 1, list.n)):await()), i)
      end
      local many = support.numbers(300)
      assert.same(many, { pool:apply(shared[method], shared, unpack(many)):await() })
      assert_answered(pool)
    end)
  end

  with_pool("raises what the core raised: code, message and cause", function(pool)
    local shared = cell.new()
    local err = raised(pool, shared.fail, shared, "full of it", { why = { "because" } })
    assert.equal("STATE", err.code)
    assert.equal("full of it", err.message)
    assert.same({ why = { "because" } }, err.cause)
    assert.matches("cell.lua:%d+", err.traceback)
    err = raised(pool, shared.fail, shared, "no cause", nil)
    assert.same({ "STATE", "no cause" }, { err.code, err.message, err.cause })
    for _, value in ipairs({ "a text", { n = 1 }, 7 }) do
      err = raised(pool, shared.wait_fail, shared, value)
      assert.equal("REMOTE", err.code)
      assert.same(value, err.cause)
    end
    assert_answered(pool)
  end)

  with_pool("raises the error without a cause that cannot be sent", function(pool)
    local shared = cell.new()
    function shared._core:get()
      error({ co = coroutine.create(self.get) }, 0)
    end
    local err = raised(pool, shared.get, shared)
    assert.equal("REMOTE", err.code)
    assert.is_nil(err.cause)
  end)

  with_pool("with arguments that cannot be sent is refused, and nothing is sent", function(pool)
    local shared = cell.new("old")
    for _, method in ipairs({ "set", "wait_echo", "cast" }) do
      local err = raised(pool, function(...)
        return shared[method](shared, { ... , coroutine.create(print) })
      end)
      assert.equal("ENCODE", err.code)
      assert.matches("cannot send coroutine", err.message)
    end
    assert.equal("old", pool:apply(shared.get, shared):await())
    assert_answered(pool)
  end)

  with_pool("whose results cannot be sent raises ENCODE at who asked", function(pool)
    local shared = cell.new()
    local co = coroutine.create(print)
    shared:set(co)
    assert.equal("ENCODE", raised(pool, shared.get, shared).code)
    local late = pool:apply(shared.next, shared)
    waiting(shared, 1)
    shared:set({ deep = { co } })
    local cause = failure("REMOTE", late.await, late).cause
    assert.equal("ENCODE", cause.code)
    assert.matches("deep", cause.message)
    assert.equal("ENCODE", raised(pool, shared.pop, shared).code)
    assert_answered(pool)
  end)

  with_pool("waits no longer than asked", function(pool)
    local shared = cell.new()
    local err = raised(pool, shared.next, shared, 0.01)
    assert.same({ "TIMEOUT", "waited 0.01 s for a cell" }, { err.code, err.message })
    err = raised(pool, shared.next, shared, 0)
    assert.same({ "TIMEOUT", "waited 0 s for a cell" }, { err.code, err.message })
    waiting(shared, 0)
    assert_answered(pool)
  end)

  with_pool("is withdrawn when its task is cancelled", function(pool)
    local shared = cell.new()
    local task = pool:apply(shared.next, shared)
    waiting(shared, 1)
    task:cancel()
    failure("CANCELLED", task.await, task)
    waiting(shared, 0)
    assert_answered(pool)
  end)

  with_pool("brings functions, objects of classes and handles", function(pool)
    local shared = cell.new()
    local factor, inner = 6, cell.new("inner")
    shared:set({ function(x) return x * factor end, inner, shared })
    assert.same({ 42, "inner", true }, { pool:apply(function()
      local list = shared:get()
      return list[1](7), list[2]:get(), list[3] == shared
    end):await() })
  end)
end)

describe("news", function()
  with_pool("reach the worker", function(pool)
    local shared, go = cell.new(), aimp.Event()
    local function heard(object, event)
      object:subscribe()
      event:set()
      local list = rawget(object, "heard")
      while #list < 3 do
        require("aimp").sleep(0.001)
      end
      return list[1].n, list[1][2], list[2].n, list[3][1](4), list[3][2] == object, list[3][3]:get()
    end
    local task = pool:apply(heard, shared, go)
    go:wait()
    shared:publish(nil, 2, nil)
    shared:publish()
    shared:publish(function(x) return x + 1 end, shared, cell.new("only in the news"))
    hub.collect()
    assert.same({ 3, 2, 0, 5, true, "only in the news" }, { task:await() })
  end)

  with_pool("reach the worker's worker through the process in the middle", function(pool)
    local shared, go = cell.new(), aimp.Event()
    local function heard(object, event)
      object:subscribe()
      event:set()
      local list = rawget(object, "heard")
      while #list < 2 do
        require("aimp").sleep(0.001)
      end
      return list[1].n, list[1][2], list[2][1](4), list[2][2] == object
    end
    local task = pool:apply(function()
      local a = require("aimp")
      return a.with(a.Pool({ processes = 1 }), function(inner)
        return inner:apply(heard, shared, go):await()
      end)
    end)
    go:wait()
    shared:publish(nil, 2, nil)
    shared:publish(function(x) return x + 1 end, shared)
    assert.same({ 3, 2, 5, true }, { task:await() })
  end)
end)

describe("a worker that can start nothing", function()
  with_pool("gets its answers: more who wait than may run, and calls behind them", {
    processes = 1, childconcurrency = 2,
  }, function(pool)
    local shared = cell.new()
    aimp.gather({ pool:apply(math.abs, 1), pool:apply(math.abs, 1) }) -- it is known to be quick
    local tasks = {}
    for i = 1, 40 do
      tasks[i] = pool:apply(shared.wait_echo, shared, i)
    end
    for i = 1, 40 do
      assert.equal(i, tasks[i]:await())
    end
    assert_answered(pool)
  end)

  with_pool("gets answers that need definitions, with definitions and calls queued in front", {
    processes = 1, childconcurrency = 1,
  }, function(pool)
    local shared = cell.new()
    for _ = 1, 100 do
      pool:apply(math.abs, 1):await() -- it is known to be quick, so that calls are sent ahead
    end
    local first = pool:apply(function() return shared:next()(2) end)
    waiting(shared, 1)
    local tasks = {}
    for i = 1, 30 do
      tasks[i] = pool:apply(loadstring("local x = ... return x + " .. i), 100)
    end
    local base = 40
    shared:set(function(x) return x + base end)
    assert.equal(42, first:await())
    for i = 1, 30 do
      assert.equal(100 + i, tasks[i]:await())
    end
    assert_answered(pool)
  end)
end)
