-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.pool.support")

local failure, misuse = support.failure, support.misuse

local two = { processes = 2 }
local one = { processes = 1 }

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local function pack(...)
  return { n = select("#", ...), ... }
end

describe("pool:apply", function()
  with_pool("gives all results, nils included", two, function(pool)
    local got = pack(pool:apply(function(...) return select("#", ...), ... end, nil, 2, nil):await())
    assert.same({ n = 4, 3, nil, 2, nil }, got)
    assert.same({ n = 0 }, pack(pool:apply(function() end):await()))
    assert.same({ n = 1 }, pack(pool:apply(function() return nil end):await()))
  end)

  with_pool("runs in another process than the caller", two, function(pool)
    local pid, worker = pool:apply(function()
      local inside = require("aimp")
      return inside.pid(), inside.worker()
    end):await()
    assert.not_equal(aimp.pid(), pid)
    assert.equal(pid, worker.pid)
    assert.is_nil(aimp.worker())
  end)

  with_pool("uses all workers, whichever are free", two, function(pool)
    support.pids(pool) -- both workers are up
    local tasks = {}
    for i = 1, 8 do
      tasks[i] = pool:apply(function()
        require("luv").sleep(40) -- blocks the worker's loop, as a long computation would
        return require("aimp").pid()
      end)
    end
    local count = {}
    for _, pid in ipairs(aimp.gather(tasks)) do
      count[pid] = (count[pid] or 0) + 1
    end
    local per_worker = {}
    for _, n in pairs(count) do
      per_worker[#per_worker + 1] = n
    end
    assert.same({ 4, 4 }, per_worker)
  end)

  with_pool("lets one worker run as many waiting tasks as childconcurrency says", {
    processes = 1, childconcurrency = 3,
  }, function(pool)
    local function at_once()
      local inside = require("aimp")
      _G.running = (_G.running or 0) + 1
      _G.most = math.max(_G.most or 0, _G.running)
      for _ = 1, 20 do
        inside.sleep(0)
      end
      _G.running = _G.running - 1
      return _G.most
    end
    local tasks = {}
    for i = 1, 9 do
      tasks[i] = pool:apply(at_once)
    end
    assert.equal(3, math.max(unpack(aimp.gather(tasks))))
  end)

  with_pool("sends what the function captures, as it is at the call", one, function(pool)
    local factor = 2
    local function scale(x) return x * factor end
    assert.equal(10, pool:apply(scale, 5):await())
    factor = 3
    assert.equal(15, pool:apply(scale, 5):await())
  end)

  with_pool("leaves alone what a worker stored in a captured variable", one, function(pool)
    local calls = 0
    local function count()
      calls = calls + 1
      return calls
    end
    assert.equal(1, pool:apply(count):await())
    assert.equal(2, pool:apply(count):await())
    assert.equal(0, calls)
  end)

  with_pool("brings an error with message, cause and both tracebacks", two, function(pool)
    local function deep() error({ number = 7 }) end
    local err = failure("REMOTE", function() pool:apply(function() deep() end):await() end)
    assert.equal(7, err.cause.number)
    assert.equal("number", type(err.pid))
    assert.matches("in function 'deep'.*awaited by.*apply_spec", err.traceback)
    err = failure("REMOTE", function() pool:apply(function() error("plain") end):await() end)
    assert.matches("apply_spec.lua:%d+: plain", err.message)
  end)

  with_pool("survives every kind of error value", two, function(pool)
    local function raising_tostring()
      error(setmetatable({}, { __tostring = function() error("no") end }))
    end
    local function overflow()
      local function again() return 1 + again() end
      return again()
    end
    failure("REMOTE", function() pool:apply(function() error(nil) end):await() end)
    failure("REMOTE", function() pool:apply(raising_tostring):await() end)
    assert.matches("stack overflow", failure("REMOTE", function() pool:apply(overflow):await() end).message)
    assert.matches("yielded", failure("REMOTE", function()
      pool:apply(function() coroutine.yield("mine") end):await()
    end).message)
    assert.equal(1, pool:apply(function() return 1 end):await())
  end)

  with_pool("runs C functions, and reports wrong arguments as they would", two, function(pool)
    assert.equal(3, pool:apply(math.max, 1, 3, 2):await())
    assert.matches("^bad argument #1 to '.-' %(string expected, got no value%)$", failure("REMOTE", function()
      pool:apply(string.rep):await()
    end).message)
  end)

  with_pool("refuses what cannot be sent at the call, with the path to it", two, function(pool)
    local err = failure("ENCODE", function()
      pool:apply(print, 1, { conn = { fh = newproxy(false) } })
    end)
    assert.matches("cannot send userdata", err.message)
    assert.matches("argument 2.*conn.*fh", err.message)
    local handle = newproxy(false)
    err = failure("ENCODE", function() pool:apply(function() return handle end) end)
    assert.matches("handle", err.message)
    assert.equal(1, pool:apply(function() return 1 end):await())
  end)

  with_pool("fails a task whose result cannot be sent, and only that", two, function(pool)
    local bad = pool:apply(function() return newproxy(false) end)
    local good = pool:apply(function() return 1 end)
    assert.matches("userdata", failure("ENCODE", function() bad:await() end).message)
    assert.equal(1, good:await())
  end)

  with_pool("refuses a wrong function, and use of a pool that is not one", two, function(pool)
    misuse("bad argument #1 to 'pool:apply'", function() pool:apply(5) end)
    misuse("colon", function() pool.apply(print) end)
  end)

  with_pool("names a module that the worker does not find", two, function(pool)
    local err = failure("REMOTE", function()
      pool:apply(function() require("no.such.module") end):await()
    end)
    assert.matches("module 'no.such.module' not found", err.message)
  end)

  with_pool("runs ten thousand at once", two, function(pool)
    local tasks = {}
    for i = 1, 10000 do
      tasks[i] = pool:apply(function(x) return x + 1 end, i)
    end
    local results = aimp.gather(tasks)
    for i = 1, 10000 do
      assert(results[i] == i + 1)
    end
  end)

  with_pool("carries payloads of every size both ways", one, function(pool)
    local function echo(text) return text end
    for _, size in ipairs({ 0, 1, 4095, 4096, 4097, 65536, 262143, 1048576, 1048577, 5000000 }) do
      local text = ("0123456789abcdef"):rep(math.ceil(size / 16)):sub(1, size)
      assert.is_true(pool:apply(echo, text):await() == text, "of " .. size .. " bytes")
    end
  end)
end)

describe("task:cancel of a pool's task", function()
  with_pool("raises CANCELLED at the task's wait in the worker", one, function(pool)
    local function wait()
      local ok, err = pcall(require("aimp").sleep, 100)
      _G.cancelled_with = not ok and err.code
      error(err, 0)
    end
    local task = pool:apply(wait)
    support.eventually(function() return pool:stats().workers[1].running == 1 end, "the task runs")
    task:cancel("not needed")
    failure("CANCELLED", function() task:await() end)
    assert.is_true(task:cancelled())
    assert.equal("CANCELLED", pool:apply(function() return _G.cancelled_with end):await())
  end)

  with_pool("takes a queued task back before it runs", { processes = 1, childconcurrency = 1 }, function(pool)
    local first = pool:apply(function() require("aimp").sleep(0.05) end)
    local second = pool:apply(function() _G.second_ran = true end)
    second:cancel()
    failure("CANCELLED", function() second:await() end)
    first:await()
    assert.is_nil(pool:apply(function() return _G.second_ran end):await())
  end)

  with_pool("has no effect on one that has ended", one, function(pool)
    local task = pool:apply(function() return 5 end)
    task:await()
    assert.is_false(task:cancel())
    assert.equal(5, task:await())
  end)

  with_pool("gives the results of a task that catches it and goes on", one, function(pool)
    local task = pool:apply(function()
      pcall(require("aimp").sleep, 100)
      return "went on"
    end)
    support.eventually(function() return pool:stats().workers[1].running == 1 end, "the task runs")
    task:cancel()
    assert.equal("went on", task:await())
  end)
end)

describe("pool:submit", function()
  with_pool("takes a list of arguments, nils included", one, function(pool)
    local n, a, b = pool:submit(function(...) return select("#", ...), ... end, { n = 2, nil, 7 }):await()
    assert.same({ 2, nil, 7 }, { n, a, b })
    assert.equal(0, (pool:submit(function(...) return select("#", ...) end):await()))
  end)

  with_pool("ends a waiting task at its timeout", one, function(pool)
    local err = failure("TIMEOUT", function()
      pool:submit(function() require("aimp").sleep(100) end, {}, { timeout = 0.02 }):await()
    end)
    assert.matches("0.02 s", err.message)
    assert.equal(1, pool:stats().workers[1].restarts == 0 and 1 or 0)
  end)

  with_pool("kills and replaces a worker whose task does not yield", one, function(pool)
    local before = pool:apply(function() return require("aimp").pid() end):await()
    failure("TIMEOUT", function()
      pool:submit(function() while true do end end, {}, { timeout = 0.02 }):await()
    end)
    assert.not_equal(before, pool:apply(function() return require("aimp").pid() end):await())
  end)

  with_pool("does not count the time in the queue", { processes = 1, childconcurrency = 1 }, function(pool)
    local slow = pool:apply(function() require("aimp").sleep(0.2) end)
    local quick = pool:submit(function() return "in time" end, {}, { timeout = 0.1 })
    assert.equal("in time", quick:await())
    slow:await()
  end)

  with_pool("runs higher priorities first, equals in order", {
    processes = 1, childconcurrency = 1,
  }, function(pool)
    local function note(name)
      _G.order = (_G.order or "") .. name
      return _G.order
    end
    local gate = pool:apply(function() require("aimp").sleep(0.05) end)
    local tasks = {}
    for _, case in ipairs({ { "a", 0 }, { "b", 5 }, { "c", -1 }, { "d", 5 }, { "e", 0 } }) do
      tasks[#tasks + 1] = pool:submit(note, { case[1] }, { priority = case[2] })
    end
    aimp.gather(tasks)
    gate:await()
    assert.equal("bdaec", (pool:apply(function() return _G.order end):await()))
  end)

  with_pool("runs equal keys in the same worker", { processes = 3 }, function(pool)
    for _, key in ipairs({ "alpha", "beta", 17 }) do
      local seen = {}
      for _ = 1, 5 do
        seen[pool:submit(function() return require("aimp").pid() end, {}, { key = key }):await()] = true
      end
      assert.is_nil(next(seen, next(seen)))
    end
  end)

  with_pool("names the task in its errors", one, function(pool)
    local err = failure("WORKER_DIED", function()
      pool:submit(function() os.exit(9) end, {}, { name = "resize photo 7" }):await()
    end)
    assert.equal("resize photo 7", err.task)
    assert.matches("resize photo 7", err.message)
  end)

  with_pool("refuses bad options and arguments by name", one, function(pool)
    misuse("unknown option 'priorty', did you mean 'priority'", function()
      pool:submit(print, {}, { priorty = 1 })
    end)
    misuse("'timeout' must be a number of seconds", function() pool:submit(print, {}, { timeout = -1 }) end)
    misuse("'retries' must be at least 0", function() pool:submit(print, {}, { retries = -1 }) end)
    misuse("bad argument #2", function() pool:submit(print, 5) end)
  end)
end)

describe("errors of pool tasks", function()
  with_pool("are error objects with tostring", one, function(pool)
    local ok, err = pool:apply(function() error("sad") end):pawait()
    assert.is_false(ok)
    assert.is_true(errors.is(err, "REMOTE"))
    assert.matches("sad\nstack traceback", tostring(err))
  end)
end)
