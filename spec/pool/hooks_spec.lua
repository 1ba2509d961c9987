-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local cli = require("spec.cli.support")
local support = require("spec.pool.support")

local failure, pooled = support.failure, support.pooled

-- What each of the workers says.
local function said(pool, fn)
  return (pool:broadcast(fn))
end

describe("a pool's initializer", function()
  local session, calls

  it("runs once in each worker before its tasks, with initargs, and shares locals with them", pooled({
    processes = 2,
    initializer = function(a, b, c)
      calls = (calls or 0) + 1
      session = { a, b, c, worker = require("aimp").worker().id }
    end,
    initargs = { n = 3, "first", nil, 3 },
  }, function(pool)
    local function look() return { session[1], session[2] == nil, session[3], session.worker, calls } end
    assert.same({ { "first", true, 3, 1, 1 }, { "first", true, 3, 2, 1 } }, said(pool, look))
    assert.is_nil(session)
  end))

  it("may wait, while the tasks wait for it", pooled({
    processes = 1,
    initializer = function()
      for _ = 1, 5 do
        require("aimp").sleep(0.001)
      end
      session = "waited"
    end,
  }, function(pool)
    assert.equal("waited", pool:apply(function() return session end):await())
  end))

  it("runs again in a worker that replaces another", pooled({
    processes = 1, initializer = function() session = require("aimp").pid() end,
  }, function(pool)
    local function both() return session, require("aimp").pid() end
    local first = pool:apply(both):await()
    failure("WORKER_DIED", function() pool:apply(os.exit, 1):await() end)
    local second, pid = pool:apply(both):await()
    assert.equal(pid, second)
    assert.not_equal(first, second)
  end))

  it("runs with start method spawn too", pooled({
    processes = 1, start_method = "spawn",
    initializer = function(x) session = x end, initargs = { "spawned" },
  }, function(pool)
    assert.equal("spawned", pool:apply(function() return session end):await())
  end))

  it("may be a module's function, and an object that can be called", pooled({
    processes = 1, initializer = math.randomseed, initargs = { 42 },
  }, function(pool)
    math.randomseed(42)
    local mine = math.random()
    assert.equal(mine, pool:apply(math.random):await())
  end))
end)

describe("an initializer that fails", function()
  -- The pool is broken: what was accepted and what comes fail with the reason, soon; it closes.
  local function breaks(options, code, pattern)
    return pooled(options, function(pool)
      local pending = {}
      for i = 1, 50 do
        pending[i] = pool:apply(math.abs, i)
      end
      local mapped = pool:map(math.abs, support.numbers(1000))
      for i = 1, 50 do
        assert.matches(pattern, failure(code, function() pending[i]:await() end).message)
      end
      assert.matches(pattern, failure(code, function() mapped:await() end).message)
      for _, late in ipairs({ "apply", "submit", "map", "broadcast" }) do
        assert.matches(pattern, failure(code, function() pool[late](pool, math.abs, {}) end).message)
      end
      local stats = pool:stats()
      assert.is_true(stats.workers[1].restarts < 10)
    end)
  end

  it("by an error opens the breaker with that error", breaks({
    processes = 2, initializer = function() error("no database") end,
  }, "REMOTE", "initializer: .*hooks_spec.lua:%d+: no database"))

  it("by an error after it waited does, too", breaks({
    processes = 2,
    initializer = function()
      require("aimp").sleep(0)
      error("no database")
    end,
  }, "REMOTE", "initializer: .*no database"))

  it("by a table keeps it as the cause", pooled({
    processes = 1, initializer = function() error({ host = "db1" }) end,
  }, function(pool)
    local err = failure("REMOTE", function() pool:apply(print):await() end)
    assert.equal("db1", err.cause.host)
    assert.matches("hooks_spec", err.traceback)
  end))

  it("by os.exit opens the breaker with its status", breaks({
    processes = 2, initializer = function() os.exit(3) end,
  }, "START", "worker %d %(pid %d+%) exited with status 3 before it was ready"))

  it("by a signal opens the breaker with it", breaks({
    processes = 1,
    initializer = function()
      local luv = require("luv")
      luv.kill(luv.os_getpid(), "sigkill")
    end,
  }, "START", "was killed by signal 9 %(SIGKILL%) before it was ready"))

  it("by a module that is not there names it", breaks({
    processes = 1, initializer = function() require("no.such.module") end,
  }, "REMOTE", "module 'no.such.module' not found"))

  it("once does not break the pool", function()
    local marker = os.tmpname()
    pooled({
      processes = 1,
      initializer = function(path)
        if os.remove(path) then
          error("only the first time")
        end
      end,
      initargs = { marker },
    }, function(pool)
      assert.equal(5, pool:apply(math.abs, -5):await())
      assert.equal(1, pool:stats().workers[1].restarts)
    end)()
    assert.is_nil(io.open(marker))
  end)

  it("in one worker of two takes the work of the other, too", pooled({
    processes = 2, childconcurrency = 1,
    initializer = function()
      if require("aimp").worker().id == 2 then
        error("only the second")
      end
    end,
  }, function(pool)
    local tasks = {}
    for i = 1, 100 do
      tasks[i] = pool:apply(function() require("aimp").sleep(100) end)
    end
    assert.matches("only the second", failure("REMOTE", function() tasks[100]:await() end).message)
    for i = 1, 99 do
      assert.is_false((tasks[i]:pawait()))
    end
    support.eventually(function()
      local stats = pool:stats()
      return stats.waiting == 0 and stats.workers[1].running == 0
    end, "nothing of it waits or runs any more")
  end))

  it("leaves a pool that can be terminated", function()
    local pool = aimp.Pool({ processes = 2, initializer = function() error("never") end })
    local task = pool:apply(print)
    pool:terminate()
    pool:join()
    failure("CLOSED", function() task:await() end)
    require("aimp.pool.launcher").close()
  end)
end)

describe("a pool's loop_initializer", function()
  local seen

  it("runs before the initializer, with luv", pooled({
    processes = 1,
    loop_initializer = function(uv) seen = { uv == require("luv"), type(uv.now()) } end,
    initializer = function() seen[3] = "then the initializer" end,
  }, function(pool)
    assert.same({ true, "number", "then the initializer" }, pool:apply(function() return seen end):await())
  end))

  it("that fails opens the breaker", pooled({
    processes = 1, loop_initializer = function() error("no loop") end,
  }, function(pool)
    assert.matches("no loop", failure("REMOTE", function() pool:apply(print):await() end).message)
  end))
end)

describe("a pool whose hooks change until they cannot be sent", function()
  local captured = 1

  it("fails with that when a worker must be replaced", pooled({
    processes = 1, initializer = function() return captured end,
  }, function(pool)
    pool:apply(math.abs, 1):await()
    captured = io.tmpfile()
    failure("WORKER_DIED", function() pool:apply(os.exit, 1):await() end)
    assert.matches("captured", failure("ENCODE", function() pool:apply(math.abs, 1):await() end).message)
    captured:close()
  end))
end)

describe("a pool's exception_handler", function()
  local caught

  it("sees the original error in the worker; the task fails all the same", pooled({
    processes = 1,
    exception_handler = function(err) caught = { err, require("aimp").pid() } end,
  }, function(pool)
    local handle = pool:apply(function()
      error(setmetatable({ file = io.stdout }, { __tostring = function() return "mine" end }))
    end)
    assert.equal("mine", failure("REMOTE", function() handle:await() end).message)
    local kind, there, pid = pool:apply(function()
      return io.type(caught[1].file), caught[2], require("aimp").pid()
    end):await()
    assert.same({ "file", pid }, { kind, there })
    assert.is_nil(caught)
  end))

  it("sees errors of tasks that waited and of a map's items", pooled({
    processes = 1, exception_handler = function(err) caught = (caught or "") .. err end,
  }, function(pool)
    failure("REMOTE", function()
      pool:apply(function()
        require("aimp").sleep(0)
        error("one;", 0)
      end):await()
    end)
    failure("REMOTE", function() pool:map(function() error("two;", 0) end, { 1 }):await() end)
    assert.equal("one;two;", pool:apply(function() return caught end):await())
  end))

  it("that raises harms nobody, and is told", function()
    local child = cli.run({ "-" }, { stdin = [[
      local aimp = require("aimp")
      local pool = aimp.Pool({ processes = 1, exception_handler = function() error("in the handler") end })
      local pid = pool:apply(aimp.pid):await()
      local function fail(text) error(text, 0) end
      print(select(2, pool:apply(fail, "original"):pawait()).message)
      print(select(2, pool:apply(function()
        require("aimp").sleep(0)
        fail("waited")
      end):pawait()).message)
      print(pid == pool:apply(aimp.pid):await())
      pool:close()
      pool:join()
    ]] })
    assert.same({ "original\nwaited\ntrue\n", 0 }, { child.out, child.status })
    local _, reports = child.err:gsub("aimp: worker 1: exception_handler: stdin:%d+: in the handler\n", "")
    assert.equal(2, reports)
  end)
end)

describe("a pool's finalizer", function()
  local notes

  -- Runs a pool whose finalizer leaves a note in a file; gives the file's text.
  local function left(finalizer, body)
    local path = os.tmpname()
    pooled({
      processes = 1,
      initializer = function(name)
        notes = { name = name }
        function notes.write(text)
          local file = assert(io.open(name, "a"))
          file:write(text)
          file:close()
        end
      end,
      initargs = { path },
      finalizer = finalizer,
    }, body)()
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    os.remove(path)
    return text
  end

  local function write_total()
    require("aimp").sleep(0.001)
    notes.write("total " .. notes.total)
  end

  it("runs when a worker ends in order, may wait, and shares locals with the tasks", function()
    assert.equal("total 6", left(write_total, function(pool)
      pool:map(function(x) notes.total = (notes.total or 0) + x end, { 1, 2, 3 }):await()
    end))
  end)

  it("does not run when the pool is terminated", function()
    assert.equal("", left(write_total, function(pool)
      pool:apply(function() notes.total = 1 end):await()
      pool:terminate()
    end))
  end)

  it("that never ends does not stop terminate", function()
    assert.equal("started", left(function()
      notes.write("started")
      while true do end
    end, function(pool)
      local path = pool:apply(function() return notes.name end):await()
      pool:close()
      support.eventually(function()
        local file = assert(io.open(path))
        local text = file:read("*a")
        file:close()
        return text == "started"
      end, "the finalizer runs")
      pool:terminate()
    end))
  end)

  for what, case in pairs({
    raises = { "error('sad finalizer')", "^aimp: worker 1: finalizer: stdin:%d+: sad finalizer\n" },
    exits = { "os.exit(3)", "^aimp: worker 1 %(pid %d+%) exited with status 3 while it ended\n$" },
    crashes = { "require('ffi').cast('int *', 0)[0] = 1",
      "^aimp: worker 1 %(pid %d+%) was killed by signal 11 %(SIGSEGV%) while it ended\n$" },
  }) do
    it("that " .. what .. " costs no result, and is told", function()
      local child = cli.run({ "-" }, { stdin = [[
        local aimp = require("aimp")
        local pool = aimp.Pool({ processes = 1, finalizer = function() ]] .. case[1] .. [[ end })
        local result = pool:map(function(x) return x * 2 end, { 1, 2, 3 })
        pool:close()
        pool:join()
        print(unpack(result:await()))
      ]] })
      assert.same({ "2\t4\t6\n", 0 }, { child.out, child.status })
      assert.matches(case[2], child.err)
    end)
  end
end)
