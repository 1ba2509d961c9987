-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local function alive(pool)
  local count = 0
  for _, worker in ipairs(pool:stats().workers) do
    count = count + (worker.state == "vacant" and 0 or 1)
  end
  return count
end

local function ready(pool, n)
  support.eventually(function()
    local count = 0
    for _, worker in ipairs(pool:stats().workers) do
      count = count + (worker.state == "ready" and 1 or 0)
    end
    return count == n and alive(pool) == n
  end, n .. " workers are ready")
end

local function double_after_wait(x)
  require("aimp").sleep(0)
  return x * 2
end

local function check_doubles(list, n)
  assert.equal(n, #list)
  for i = 1, n do
    assert(list[i] == i * 2)
  end
end

describe("pool:resize", function()
  with_pool("up brings more workers, which get work", { processes = 1 }, function(pool)
    pool:resize(3)
    ready(pool, 3)
    local pids = {}
    for _, pid in ipairs(pool:broadcast(aimp.pid)) do
      pids[pid] = true
    end
    local count = 0
    for _ in pairs(pids) do
      count = count + 1
    end
    assert.equal(3, count)
  end)

  with_pool("down lets the surplus finish what it runs", { processes = 3 }, function(pool)
    ready(pool, 3)
    local gate = {}
    for i = 1, 9 do
      gate[i] = pool:apply(function()
        require("aimp").sleep(0.05)
        return "finished"
      end)
    end
    support.eventually(function()
      local workers = pool:stats().workers
      return workers[1].running + workers[2].running + workers[3].running == 9
    end, "all run")
    pool:resize(1)
    for _, value in ipairs(aimp.gather(gate)) do
      assert.equal("finished", value)
    end
    ready(pool, 1)
    assert.equal(5, pool:apply(math.abs, -5):await())
    assert.same({ 1 }, { #pool:broadcast(aimp.pid) })
  end)

  with_pool("up and down under load loses and doubles nothing", { processes = 2 }, function(pool)
    local mapped = pool:map(double_after_wait, support.numbers(6000), { chunksize = 20 })
    local tasks = {}
    for i = 1, 2000 do
      tasks[i] = pool:apply(double_after_wait, i)
    end
    local resizing = aimp.spawn(function()
      for _, count in ipairs({ 5, 1, 4, 2, 6, 1, 3 }) do
        pool:resize(count)
        aimp.sleep(0.003)
      end
    end)
    check_doubles(aimp.gather(tasks), 2000)
    check_doubles(mapped:await(), 6000)
    resizing:await()
    ready(pool, 3)
    local stats = pool:stats()
    assert.same({ 0, 0, 8000 }, { stats.lost, stats.retried, stats.done })
  end)

  with_pool("down before the workers are up breaks nothing", { processes = 8 }, function(pool)
    pool:resize(1)
    assert.equal(5, pool:apply(math.abs, -5):await())
    ready(pool, 1)
    pool:resize(8)
    pool:resize(2)
    ready(pool, 2)
    assert.equal(2, #pool:broadcast(aimp.pid))
  end)

  with_pool("down and up again at once ends with all", { processes = 4 }, function(pool)
    ready(pool, 4)
    pool:resize(1)
    pool:resize(4)
    ready(pool, 4)
    assert.equal(4, #pool:broadcast(aimp.pid))
  end)

  with_pool("down takes the work that a key had bound to the surplus", { processes = 4 }, function(pool)
    ready(pool, 4)
    local tasks = {}
    for i = 1, 40 do
      tasks[i] = pool:submit(double_after_wait, { i }, { key = "key " .. i })
    end
    pool:resize(1)
    check_doubles(aimp.gather(tasks), 40)
  end)

  with_pool("keeps a worker for each queue", { processes = 3, queuecount = 2 }, function(pool)
    support.misuse("1 workers; this pool can have 2 to", function() pool:resize(1) end)
    pool:resize(2)
    check_doubles(pool:map(double_after_wait, support.numbers(50)):await(), 50)
  end)
end)

describe("pool:broadcast", function()
  with_pool("calls once in every worker, in the order of their numbers", { processes = 3 }, function(pool)
    local calls = 0
    local function count()
      calls = calls + 1
      return require("aimp").worker().id * 100 + calls
    end
    assert.same({ 101, 201, 301 }, pool:broadcast(count))
    assert.same({ 102, 202, 302 }, pool:broadcast(count))
  end)

  with_pool("waits for workers that are busy", { processes = 2, childconcurrency = 1 }, function(pool)
    local busy = pool:apply(function() require("aimp").sleep(0.05) end)
    support.eventually(function()
      local workers = pool:stats().workers
      return workers[1].running + workers[2].running == 1
    end, "the task runs")
    assert.same({ 7, 7 }, pool:broadcast(math.abs, -7))
    assert.is_true(busy:done())
  end)

  with_pool("raises the error of any worker", { processes = 2 }, function(pool)
    local err = support.failure("REMOTE", function()
      pool:broadcast(function()
        if require("aimp").worker().id == 2 then
          error("the second")
        end
      end)
    end)
    assert.matches("the second", err.message)
  end)
end)

describe("queuecount", function()
  -- What the built-in scheduler does with equal workers: the queues by turns.
  with_pool("of two alternates between the workers", { processes = 2, queuecount = 2 }, function(pool)
    local counts = {}
    for i = 1, 10 do
      local id = pool:apply(function() return require("aimp").worker().id end):await()
      counts[i] = id
    end
    assert.same({ 1, 2, 1, 2, 1, 2, 1, 2, 1, 2 }, counts)
  end)

  with_pool("as many as processes gives each its own", { processes = 3, queuecount = 3 }, function(pool)
    local seen = {}
    local pids = pool:map(function() return require("aimp").pid() end, support.numbers(9), { chunksize = 1 })
    for _, pid in ipairs(pids:await()) do
      seen[pid] = (seen[pid] or 0) + 1
    end
    for _, count in pairs(seen) do
      assert.equal(3, count)
    end
  end)
end)

describe("pool:stats", function()
  with_pool("tells what each worker did and does", { processes = 2, name = "figures" }, function(pool)
    local pids = support.pids(pool)
    pool:map(math.abs, support.numbers(100)):await()
    local hanging = pool:apply(function() require("aimp").sleep(100) end)
    support.eventually(function()
      local workers = pool:stats().workers
      return workers[1].running + workers[2].running == 1
    end, "the task runs")
    local stats = pool:stats()
    assert.same({ "figures", "open", 100, 0 }, { stats.name, stats.state, stats.done, stats.lost })
    assert.equal(0, stats.waiting)
    assert.equal(100, stats.workers[1].done + stats.workers[2].done)
    for i, worker in ipairs(stats.workers) do
      assert.same({ i, pids[i], "ready", 0, 0 }, { worker.id, worker.pid, worker.state, worker.restarts,
        worker.failed })
      assert.is_true(worker.utilisation >= 0)
    end
    hanging:cancel()
    hanging:pawait()
  end)

  with_pool("counts what a death took", { processes = 1 }, function(pool)
    pool:apply(os.exit, 3):pawait()
    support.pids(pool)
    local worker = pool:stats().workers[1]
    assert.same({ 1, 1, 1 }, { worker.failed, worker.restarts, pool:stats().lost })
  end)

  with_pool("has percentiles of the times that tasks waited and ran", { processes = 1 }, function(pool)
    for _ = 1, 20 do
      pool:apply(function() require("aimp").sleep(0.002) end):await()
    end
    local stats = pool:stats()
    for _, name in ipairs({ "wait", "run" }) do
      local times = stats[name]
      assert.equal("table", type(times), name)
      assert.is_true(times.p50 >= 0 and times.p50 <= times.p90 and times.p90 <= times.p99)
    end
    assert.is_true(stats.run.p50 > 0.0015) -- they slept 2 ms; the figures are rounded
  end)
end)
