-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local launcher = require("aimp.pool.launcher")
local support = require("spec.pool.support")

local failure, misuse, pooled = support.failure, support.misuse, support.pooled
local running = support.running

local one = { processes = 1 }
local two = { processes = 2 }
local serial = { processes = 1, childconcurrency = 1 }

--- The body of a spec that ends its pool itself.
local function with_pool(name, options, body)
  it(name, function()
    local pool = aimp.Pool(options)
    local ok, err = pcall(body, pool)
    pool:terminate()
    pool:join()
    launcher.close()
    assert(ok, err)
  end)
end

local function nap()
  require("aimp").sleep(0.001)
end

local function hang()
  require("aimp").sleep(1000)
end

describe("pool:close", function()
  with_pool("lets a backlog finish", serial, function(pool)
    local tasks = {}
    for i = 1, 200 do
      tasks[i] = pool:apply(function(x)
        if x % 50 == 0 then
          require("aimp").sleep(0.001)
        end
        return x
      end, i)
    end
    local mapped = pool:map(math.abs, support.numbers(10000))
    pool:close()
    pool:join()
    for i = 1, 200 do
      assert.is_true(tasks[i]:done())
      assert.equal(i, tasks[i]:await())
    end
    assert.equal(10000, mapped:await()[10000])
  end)

  with_pool("refuses new work at the caller's line, in each call that gives work", two, function(pool)
    pool:close()
    misuse("pool 'pool' is closed", function() pool:apply(nap) end)
    misuse("pool 'pool' is closed", function() pool:submit(nap) end)
    misuse("pool 'pool' is closed", function() pool:map(nap, {}) end)
    misuse("pool 'pool' is closed", function() pool:starmap(nap, {}) end)
    misuse("pool 'pool' is closed", function() pool:broadcast(nap) end)
    misuse("pool 'pool' is closed", function() pool:resize(2) end)
  end)

  with_pool("may be called again, also after the end, as may terminate", two, function(pool)
    pool:close()
    pool:close()
    pool:join()
    pool:close()
    pool:terminate()
    pool:join()
    assert.equal("closed", pool:stats().state)
    assert.matches("aimp.Pool: pool %(closed", tostring(pool))
  end)

  with_pool("ends a pool before its workers are up", { processes = 4 }, function(pool)
    pool:close()
    pool:join()
  end)

  it("ends a hundred pools in turn", function()
    for i = 1, 100 do
      local pool = aimp.Pool(one)
      if i % 2 == 0 then
        pool:apply(math.abs, 1):await()
      end
      pool:close()
      pool:join()
    end
    launcher.close()
  end)
end)

describe("pool:terminate", function()
  with_pool("fails a big backlog and what runs with CLOSED, soon", two, function(pool)
    local tasks = {}
    for i = 1, 20000 do
      tasks[i] = pool:apply(hang)
    end
    local mapped = pool:map(hang, support.numbers(20000))
    running(pool, 32)
    pool:terminate()
    assert.is_true(tasks[1]:done() and tasks[20000]:done())
    pool:join()
    for _, i in ipairs({ 1, 16, 100, 20000 }) do
      local err = failure("CLOSED", function() tasks[i]:await() end)
      assert.matches("pool 'pool' was terminated", err.message)
    end
    failure("CLOSED", function() mapped:await() end)
  end)

  with_pool("ends workers that loop on the CPU", two, function(pool)
    local function spin() while true do end end
    local tasks = { pool:apply(spin), pool:apply(spin) }
    running(pool, 2)
    pool:close()
    pool:terminate()
    pool:join()
    for i = 1, 2 do
      failure("CLOSED", function() tasks[i]:await() end)
    end
  end)

  with_pool("raises CLOSED in who awaits, and in who joins nothing", two, function(pool)
    local awaiting = aimp.spawn(function() return pool:apply(hang):await() end)
    local streaming = aimp.spawn(function()
      for _ in pool:map(hang, { 1, 2 }) do end
    end)
    local joining = aimp.spawn(function()
      pool:close()
      pool:join()
      return "joined"
    end)
    running(pool, 3)
    pool:terminate()
    failure("CLOSED", function() awaiting:await() end)
    failure("CLOSED", function() streaming:await() end)
    assert.equal("joined", joining:await())
  end)
end)

describe("pool:join", function()
  with_pool("is misuse while the pool is open", one, function(pool)
    misuse("pool 'pool' is still open; call close%(%) or terminate%(%) first", function() pool:join() end)
  end)

  with_pool("wakes all who join, and may be cancelled in one of them", one, function(pool)
    local joined = 0
    pool:apply(hang)
    pool:close()
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = aimp.spawn(function()
        pool:join()
        joined = joined + 1
      end)
    end
    running(pool, 1)
    tasks[2]:cancel()
    failure("CANCELLED", function() tasks[2]:await() end)
    assert.equal(0, joined)
    pool:terminate()
    aimp.gather({ tasks[1], tasks[3] })
    assert.equal(2, joined)
    pool:join()
  end)

  with_pool("waits until the processes are gone", two, function(pool)
    local pids = support.pids(pool)
    pool:close()
    pool:join()
    for _, pid in ipairs(pids) do
      assert.is_nil((require("luv").kill(pid, 0)))
    end
  end)
end)

describe("aimp.with", function()
  it("closes and joins a pool", function()
    local kept
    local result = aimp.with(aimp.Pool(one), function(pool)
      kept = { pool, pool:apply(math.abs, -1) }
      return "the result"
    end)
    assert.equal("the result", result)
    assert.equal(1, kept[2]:await())
    assert.equal("closed", kept[1]:stats().state)
    launcher.close()
  end)

  it("terminates it when the body raises, and raises that again", function()
    local kept
    local ok, err = pcall(aimp.with, aimp.Pool(one), function(pool)
      kept = { pool, pool:apply(hang) }
      error("the body's", 0)
    end)
    assert.same({ false, "the body's" }, { ok, err })
    assert.equal("closed", kept[1]:stats().state)
    failure("CLOSED", function() kept[2]:await() end)
    launcher.close()
  end)
end)

describe("work that races the end", function()
  with_pool("is refused or run, never lost", two, function(pool)
    local accepted, submitters = {}, {}
    for i = 1, 20 do
      submitters[i] = aimp.spawn(function()
        local x = 0
        while true do
          x = x + 1
          local ok, task = pcall(pool.apply, pool, math.abs, -x)
          if not ok then
            return task
          end
          accepted[#accepted + 1] = { x, task }
          aimp.sleep(0)
        end
      end)
    end
    support.eventually(function() return #accepted > 500 end, "some work is accepted")
    pool:close()
    for _, refusal in ipairs(aimp.gather(submitters)) do
      assert.matches("pool 'pool' is closed", refusal)
    end
    pool:join()
    for _, entry in ipairs(accepted) do
      assert(entry[1] == entry[2]:await())
    end
  end)

  with_pool("finds two pools that do not disturb each other", two, function(pool)
    local other = aimp.Pool({ processes = 1, name = "other" })
    local a, b = pool:map(math.abs, support.numbers(5000)), other:map(math.sqrt, { 4, 9 })
    assert.same({ 2, 3, n = 2 }, b:await())
    other:terminate()
    other:join()
    assert.equal(5000, a:await()[5000])
    assert.equal("other", other.options.name)
  end)
end)

describe("a done-callback", function()
  with_pool("may submit more work", one, function(pool)
    local last
    local function again(task)
      local value = task:result()
      if value < 20 then
        pool:apply(function(x) return x + 1 end, value):on_done(again)
      else
        last = value
      end
    end
    pool:apply(function() return 1 end):on_done(again)
    support.eventually(function() return last end, "the twentieth call")
    assert.equal(20, last)
  end)

  with_pool("may close the pool, with work in it", two, function(pool)
    local tasks = {}
    for i = 1, 50 do
      tasks[i] = pool:apply(math.abs, -i)
    end
    tasks[1]:on_done(function() pool:close() end)
    assert.equal(50, #aimp.gather(tasks))
    support.eventually(function() return pool:stats().state == "closed" end, "the pool closes")
  end)

  with_pool("may terminate the pool", two, function(pool)
    local first = pool:apply(math.abs, -1)
    local rest = { pool:apply(hang), pool:map(hang, support.numbers(100)) }
    first:on_done(function() pool:terminate() end)
    first:await()
    failure("CLOSED", function() rest[1]:await() end)
    failure("CLOSED", function() rest[2]:await() end)
    pool:join()
  end)

  with_pool("that raises is reported, and harms nobody", one, function(pool)
    local reported
    local before = fiber.on_error
    fiber.on_error = function(err) reported = errors.describe(err) end
    local task = pool:apply(math.abs, -1)
    task:on_done(function() error("in the callback") end)
    task:await()
    support.eventually(function() return reported end, "the report")
    fiber.on_error = before
    assert.matches("in the callback", reported)
    assert.equal(2, pool:apply(math.abs, -2):await())
  end)
end)

describe("a pool inside a worker", function()
  it("runs, and ends with its worker", pooled(one, function(pool)
    local values = pool:apply(function()
      local inside = require("aimp")
      return inside.with(inside.Pool({ processes = 2 }), function(inner)
        return inner:map(function(x) return x * 10 end, { 1, 2, 3 }):await()
      end)
    end):await()
    assert.same({ 10, 20, 30, n = 3 }, values)
  end))

  it("that nobody closed goes with its worker", pooled(one, function(pool)
    local pid = pool:apply(function()
      local inner = require("aimp").Pool({ processes = 1 })
      _G.kept = inner
      return inner:apply(require("aimp").pid):await()
    end):await()
    pool:close()
    pool:join()
    support.eventually(function() return not require("luv").kill(pid, 0) end, "the inner worker's end")
  end))

  it("cannot be the one that the task runs in: it is no value to send", pooled(one, function(pool)
    local err = failure("ENCODE", function()
      pool:apply(function() return pool:apply(math.abs, 1):await() end)
    end)
    assert.matches("pool", err.message)
    assert.equal(1, pool:apply(math.abs, 1):await())
  end))
end)
