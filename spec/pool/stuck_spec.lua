-- SPDX-License-Identifier: MIT
--- Workers that do not answer: stopped, looping, deaf to their cancellation.
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")
local uv = require("luv")

local failure = support.failure
local running = support.running

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

-- The process is stopped when its state says so, some time after the signal.
local function stop(pid)
  uv.kill(pid, "sigstop")
  support.eventually(function()
    local file = assert(io.open(("/proc/%d/stat"):format(pid)))
    local state = file:read("*a"):match("%) (%a)")
    file:close()
    return state == "T"
  end, "the process is stopped")
end

local function loop_for_ever()
  while true do end
end

local function pid_now()
  return require("aimp").pid()
end

describe("a stopped worker", function()
  with_pool("loses its queued units to the others", { processes = 2 }, function(pool)
    local pids = support.pids(pool)
    stop(pids[1])
    local tasks = {}
    for i = 1, 200 do
      tasks[i] = pool:apply(pid_now)
    end
    for _, pid in ipairs(aimp.gather(tasks)) do
      assert.equal(pids[2], pid)
    end
    uv.kill(pids[1], "sigcont")
    assert.same(pids, pool:broadcast(pid_now))
  end)

  with_pool("goes on where it was when it is continued", { processes = 1 }, function(pool)
    local pid = support.pids(pool)[1]
    stop(pid)
    local tasks = {}
    for i = 1, 1000 do
      tasks[i] = pool:apply(math.abs, -i)
    end
    uv.kill(pid, "sigcont")
    for i, value in ipairs(aimp.gather(tasks)) do
      assert(value == i)
    end
    assert.equal(pid, pool:apply(pid_now):await())
  end)

  with_pool("with a timed task is killed and replaced; its other units move", {
    processes = 1, childconcurrency = 2,
  }, function(pool)
    local pid = support.pids(pool)[1]
    local timed = pool:submit(function() require("aimp").sleep(1000) end, {}, { timeout = 0.02 })
    local other = pool:apply(function() require("aimp").sleep(1000) end)
    running(pool, 2)
    stop(pid)
    local queued = {}
    for i = 1, 20 do
      queued[i] = pool:apply(pid_now)
    end
    local err = failure("TIMEOUT", function() timed:await() end)
    assert.matches("its worker %(pid " .. pid .. "%) was killed", err.message)
    assert.equal(pid, failure("WORKER_DIED", function() other:await() end).pid)
    for _, now in ipairs(aimp.gather(queued)) do
      assert.not_equal(pid, now)
    end
  end)

  with_pool("does not stop terminate", { processes = 2 }, function(pool)
    stop(support.pids(pool)[1])
    local task = pool:submit(pid_now, {}, { key = "any" })
    pool:terminate()
    task:pawait()
    pool:join()
  end)

  with_pool("before it is ready only delays", { processes = 1, initializer = function()
    local luv = require("luv")
    luv.kill(luv.os_getpid(), "sigstop")
  end }, function(pool)
    local task = pool:apply(pid_now)
    support.eventually(function() return pool:stats().workers[1].pid end, "the process exists")
    local pid = pool:stats().workers[1].pid
    support.eventually(function()
      local file = assert(io.open(("/proc/%d/stat"):format(pid)))
      local state = file:read("*a"):match("%) (%a)")
      file:close()
      return state == "T"
    end, "the initializer stopped its process")
    uv.kill(pid, "sigcont")
    assert.equal(pid, task:await())
  end)
end)

describe("a task over its timeout", function()
  with_pool("that waits is cancelled; its worker and neighbours live", { processes = 1 }, function(pool)
    local pid = support.pids(pool)[1]
    local cleaned
    local neighbour = pool:apply(function()
      while not cleaned do
        require("aimp").sleep(0.001)
      end
      return require("aimp").pid()
    end)
    local err = failure("TIMEOUT", function()
      pool:submit(function()
        local _, why = pcall(require("aimp").sleep, 1000)
        cleaned = true
        error(why, 0)
      end, {}, { timeout = 0.01, name = "slow one" }):await()
    end)
    assert.equal("slow one", err.task)
    assert.equal(pid, neighbour:await())
  end)

  with_pool("that loops on the CPU takes its worker, and only its running tasks", {
    processes = 2, childconcurrency = 2, timeout = 0.02,
  }, function(pool)
    local pids = support.pids(pool)
    local looping = pool:submit(loop_for_ever, {}, { key = "a" })
    running(pool, 1)
    local queued = pool:map(pid_now, support.numbers(100))
    failure("TIMEOUT", function() looping:await() end)
    assert.equal(100, #queued:await())
    local restarts = 0
    support.eventually(function()
      local workers = pool:stats().workers
      restarts = workers[1].restarts + workers[2].restarts
      return workers[1].state == "ready" and workers[2].state == "ready"
    end, "both are ready again")
    assert.equal(1, restarts)
    local now = pool:broadcast(pid_now)
    assert.is_true((now[1] == pids[1]) ~= (now[2] == pids[2]))
  end)

  with_pool("that swallows its cancellation takes its worker after the grace time", {
    processes = 1, timeout = 0.01,
  }, function(pool)
    local pid = support.pids(pool)[1]
    local err = failure("TIMEOUT", function()
      pool:apply(function()
        while true do
          pcall(require("aimp").sleep, 0.001)
        end
      end):await()
    end)
    assert.equal(pid, err.pid)
    assert.not_equal(pid, pool:apply(pid_now):await())
  end)

  with_pool("is not run again by retries", { processes = 1, retries = 3, timeout = 0.01 }, function(pool)
    failure("TIMEOUT", function() pool:apply(function() require("aimp").sleep(1000) end):await() end)
    assert.equal(0, pool:stats().retried)
  end)

  with_pool("that is a map's item is cancelled alone", { processes = 1 }, function(pool)
    local pid = support.pids(pool)[1]
    local result = pool:map(function(x)
      if x == 3 then
        require("aimp").sleep(1000)
      end
      return x
    end, support.numbers(6), { timeout = 0.02 })
    local err = failure("TIMEOUT", function() result:await() end)
    assert.equal(3, err.item)
    assert.equal(pid, pool:apply(pid_now):await())
  end)
end)

describe("cancel of a task that does not yield", function()
  with_pool("takes its worker after the grace time", { processes = 1 }, function(pool)
    local pid = support.pids(pool)[1]
    local task = pool:apply(loop_for_ever)
    running(pool, 1)
    task:cancel()
    failure("CANCELLED", function() task:await() end)
    assert.not_equal(pid, pool:apply(pid_now):await())
  end)
end)
