-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")
local uv = require("luv")

local failure = support.failure
local running = support.running
local two = { processes = 2 }

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local function hang()
  require("aimp").sleep(1000)
end

-- Waits until the worker at `place` runs in another process than `pid`.
local function replaced(pool, place, pid)
  support.eventually(function()
    local worker = pool:stats().workers[place]
    return worker.state == "ready" and worker.pid and worker.pid ~= pid
  end, "worker " .. place .. " is replaced")
end

describe("SIGKILL of an idle worker", function()
  with_pool("is healed silently", { processes = 2 }, function(pool)
    local pids = support.pids(pool)
    uv.kill(pids[1], "sigkill")
    replaced(pool, 1, pids[1])
    assert.same({ 5, 6, n = 2 }, pool:map(math.abs, { -5, -6 }):await())
    local stats = pool:stats()
    assert.same({ 0, 1, 0 }, { stats.lost, stats.workers[1].restarts, stats.workers[2].restarts })
    assert.equal(pids[2], stats.workers[2].pid)
  end)

  with_pool("that holds the only place loses nothing that comes at once", { processes = 1 }, function(pool)
    uv.kill(support.pids(pool)[1], "sigkill")
    local tasks = {}
    for i = 1, 100 do
      tasks[i] = pool:apply(math.abs, -i)
    end
    for i, value in ipairs(aimp.gather(tasks)) do
      assert.equal(i, value)
    end
  end)
end)

describe("SIGKILL of a busy worker", function()
  with_pool("fails what ran, with pid and signal, and runs elsewhere what was queued, once", {
    processes = 2, childconcurrency = 2,
  }, function(pool)
    local pids = support.pids(pool)
    local path = os.tmpname()
    local stuck = {}
    for i = 1, 4 do
      stuck[i] = pool:apply(hang)
    end
    running(pool, 4)
    local queued = {}
    for i = 1, 50 do
      queued[i] = pool:apply(function(x)
        local file = assert(io.open(path, "a"))
        file:write(x, "\n")
        file:close()
        return require("aimp").pid()
      end, i)
    end
    uv.kill(pids[1], "sigkill")
    local by_pid = { [pids[1]] = 0, [pids[2]] = 0 }
    support.eventually(function()
      local ended = 0
      for i = 1, 4 do
        ended = ended + (stuck[i]:done() and 1 or 0)
      end
      return ended == 2
    end, "two of the running tasks fail")
    for i = 1, 4 do
      if stuck[i]:done() then
        local err = failure("WORKER_DIED", function() stuck[i]:await() end)
        assert.same({ pids[1], 9 }, { err.pid, err.signal })
        assert.matches("worker 1 %(pid %d+%) was killed by signal 9 %(SIGKILL%)", err.message)
        by_pid[err.pid] = by_pid[err.pid] + 1
      else
        stuck[i]:cancel()
      end
    end
    assert.same({ [pids[1]] = 2, [pids[2]] = 0 }, by_pid)
    for _, pid in ipairs(aimp.gather(queued)) do
      assert.not_equal(pids[1], pid)
    end
    local seen = {}
    for line in io.lines(path) do
      assert.is_nil(seen[line], "ran twice: " .. line)
      seen[line] = true
    end
    os.remove(path)
  end)

  with_pool("under a map loses only what ran", { processes = 2, childconcurrency = 4 }, function(pool)
    local pids = support.pids(pool)
    local failed, done = 0, 0
    local tasks = {}
    for i = 1, 400 do
      tasks[i] = pool:apply(function(x)
        require("aimp").sleep(0.0005)
        return x
      end, i)
      tasks[i]:on_done(function(task)
        done = done + 1
        if done == 100 then
          uv.kill(pids[2], "sigkill")
        end
        failed = failed + (task:exception() and 1 or 0)
      end)
    end
    aimp.gather(tasks, { return_exceptions = true })
    for i = 1, 400 do
      local err = tasks[i]:exception()
      assert.is_true(err and err.code == "WORKER_DIED" or tasks[i]:result() == i)
    end
    assert(failed <= 4, failed .. " failed")
    assert.equal(failed, pool:stats().lost)
  end)

  with_pool("takes a map's running items only; the first failure ends the list", two, function(pool)
    local pids = support.pids(pool)
    local result = pool:map(hang, { 1, 2 })
    running(pool, 2)
    uv.kill(pids[1], "sigkill")
    local err = failure("WORKER_DIED", function() result:await() end)
    assert.equal(9, err.signal)
    assert.equal(1, pool:apply(math.abs, -1):await())
  end)
end)

describe("retries", function()
  with_pool("run a task again that its worker took along", { processes = 1 }, function(pool)
    local path = os.tmpname()
    local task = pool:submit(function()
      if os.remove(path) then
        os.exit(3)
      end
      return "second try"
    end, {}, { retries = 1 })
    assert.equal("second try", task:await())
    local stats = pool:stats()
    assert.same({ 1, 0 }, { stats.retried, stats.lost })
  end)

  with_pool("give up on a task that kills its worker each time; the pool lives", two, function(pool)
    local path = os.tmpname()
    local err = failure("WORKER_DIED", function()
      pool:submit(function()
        local file = assert(io.open(path, "a"))
        file:write("x")
        file:close()
        local luv = require("luv")
        luv.kill(luv.os_getpid(), "sigkill")
        hang()
      end, {}, { retries = 3 }):await()
    end)
    assert.equal(9, err.signal)
    local file = assert(io.open(path))
    assert.equal("xxxx", file:read("*a"))
    file:close()
    os.remove(path)
    assert.equal(2, #pool:broadcast(aimp.pid))
  end)

  with_pool("of the pool hold for its maps", { processes = 2, retries = 1 }, function(pool)
    local path = os.tmpname()
    local list = pool:map(function(x)
      if x == 5 and os.remove(path) then
        os.exit(1)
      end
      return x * 2
    end, support.numbers(20), { chunksize = 4 }):await()
    for i = 1, 20 do
      assert.equal(i * 2, list[i])
    end
  end)

  with_pool("give up on a map's item that kills each time", { processes = 2, retries = 2 }, function(pool)
    local path = os.tmpname()
    local result = pool:map(function(x)
      if x == 6 then
        local file = assert(io.open(path, "a"))
        file:write("x")
        file:close()
        os.exit(1)
      end
      return x
    end, support.numbers(20), { chunksize = 4 })
    assert.equal(6, failure("WORKER_DIED", function() result:await() end).item)
    local file = assert(io.open(path))
    assert.equal("xxx", file:read("*a"))
    file:close()
    os.remove(path)
  end)

  with_pool("are not for errors that a task raises", { processes = 1, retries = 5 }, function(pool)
    local calls = 0
    local function count()
      calls = calls + 1
      error("call " .. calls)
    end
    assert.matches("call 1", failure("REMOTE", function() pool:apply(count):await() end).message)
    assert.matches("call 2", failure("REMOTE", function() pool:apply(count):await() end).message)
  end)
end)

describe("a task that ends its process", function()
  local function case(what, fn, fields, pattern)
    with_pool(what, { processes = 1 }, function(pool)
      local neighbour = pool:apply(hang)
      running(pool, 1)
      local pid = support.pids(pool)[1]
      local err = failure("WORKER_DIED", function() pool:apply(fn):await() end)
      assert.same({ pid, fields.status or false, fields.signal or false },
        { err.pid, err.status or false, err.signal or false })
      assert.matches(pattern, err.message)
      assert.equal(pid, failure("WORKER_DIED", function() neighbour:await() end).pid)
      assert.equal(1, pool:apply(math.abs, -1):await())
    end)
  end

  case("by os.exit(0)", function() os.exit(0) end, { status = 0 }, "exited with status 0")
  case("by os.exit(3)", function() os.exit(3) end, { status = 3 }, "exited with status 3")
  case("by os.exit(true, true) after waiting", function()
    require("aimp").sleep(0)
    os.exit(true, true)
  end, { status = 0 }, "exited with status 0")
  case("by _exit", function()
    local ffi = require("ffi")
    ffi.cdef("void _exit(int status);")
    ffi.C._exit(4)
  end, { status = 4 }, "exited with status 4")
  case("by abort", function()
    local ffi = require("ffi")
    ffi.cdef("void abort(void);")
    ffi.C.abort()
  end, { signal = 6 }, "signal 6 %(SIGABRT%)")
  case("by a wild pointer", function()
    require("ffi").cast("int *", 0)[0] = 1
  end, { signal = 11 }, "signal 11 %(SIGSEGV%)")
  case("by SIGTERM", function()
    local luv = require("luv")
    luv.kill(luv.os_getpid(), "sigterm")
    hang()
  end, { signal = 15 }, "signal 15 %(SIGTERM%)")
end)

describe("many deaths", function()
  with_pool("of all workers at once are healed", { processes = 4, childconcurrency = 2 }, function(pool)
    local stuck = {}
    for i = 1, 8 do
      stuck[i] = pool:apply(hang)
    end
    running(pool, 8)
    local pids = support.pids(pool)
    local queued = pool:map(math.abs, support.numbers(200))
    for _, pid in ipairs(pids) do
      uv.kill(pid, "sigkill")
    end
    for i = 1, 8 do
      failure("WORKER_DIED", function() stuck[i]:await() end)
    end
    assert.equal(200, queued:await()[200])
    assert.equal(4, #pool:broadcast(aimp.pid))
  end)

  with_pool("by a worker that kills its neighbours are healed", { processes = 3 }, function(pool)
    local pids = support.pids(pool)
    local killer = pool:apply(function(targets)
      local luv = require("luv")
      local own = luv.os_getpid()
      for _, pid in ipairs(targets) do
        if pid ~= own then
          luv.kill(pid, "sigkill")
        end
      end
      return own
    end, pids):await()
    for i, pid in ipairs(pids) do
      if pid ~= killer then
        replaced(pool, i, pid)
      end
    end
    assert.same({ 1, 1, 1 }, pool:broadcast(math.abs, -1))
    assert.equal(0, pool:stats().lost)
  end)

  with_pool("again and again under load lose only what ran", { processes = 2, retries = 100 }, function(pool)
    local done, finished = 0, false
    local tasks = {}
    for i = 1, 3000 do
      tasks[i] = pool:apply(function(x)
        if x % 7 == 0 then
          require("aimp").sleep(0)
        end
        return x
      end, i)
      tasks[i]:on_done(function() done = done + 1 end)
    end
    local killer = aimp.spawn(function()
      for kill = 1, 6 do
        support.eventually(function() return finished or done > kill * 300 end, "some of the work is done")
        local worker = pool:stats().workers[kill % 2 + 1]
        if not finished and worker.pid and worker.state == "ready" then
          uv.kill(worker.pid, "sigkill")
        end
      end
    end)
    for i, value in ipairs(aimp.gather(tasks)) do
      assert(value == i)
    end
    finished = true
    killer:await()
    assert.equal(0, pool:stats().lost)
  end)
end)
