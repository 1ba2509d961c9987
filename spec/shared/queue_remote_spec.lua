--- aimp.Queue across processes: what travels, and how queues themselves do. Order and bounds:
--- queue_order_spec.lua; waits and ends: queue_wait_spec.lua; processes that die: queue_death_spec.lua.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local remote = require("spec.shared.remote_support")
local support = require("spec.pool.support")
local uv = require("luv")
local Point = require("spec.shared.modules.point")

local failure, numbers = support.failure, support.numbers

local function with_pool(name, processes, body)
  it(name, support.pooled({ processes = processes }, body))
end

--- In a worker: what stands in one queue is put into the other, until the first is closed.
local function echo(from, to)
  for item in from:iter() do
    to:put(item)
  end
end

--- Echoes through `pool`: each value goes to a worker and comes back.
local function through(pool, values)
  local there, back = aimp.Queue(), aimp.Queue()
  local task = pool:apply(echo, there, back)
  local result = {}
  for i, value in ipairs(values) do
    there:put(value)
    result[i] = back:get()
  end
  there:close()
  task:await()
  return unpack(result)
end

describe("items between processes", function()
  with_pool("go from the parent to a worker and back", 1, function(pool)
    local there, back = aimp.Queue(), aimp.Queue()
    local task = pool:apply(function()
      local sum = 0
      for item in there:iter() do
        sum = sum + item
        back:put(item * 2)
      end
      return sum
    end)
    for i = 1, 1000 do
      there:put(i)
    end
    for i = 1, 1000 do
      assert.equal(2 * i, back:get())
    end
    there:close()
    assert.equal(500500, task:await())
  end)

  with_pool("go from worker to worker", 2, function(pool)
    local queue, done = aimp.Queue(), aimp.Queue()
    local pids = support.pids(pool)
    local consumer = pool:apply(function()
      local sum = 0
      for item in queue:iter() do
        sum = sum + item
      end
      return sum, require("aimp").pid()
    end)
    local producer = pool:apply(function()
      for i = 1, 1000 do
        queue:put(i)
      end
      done:put(require("aimp").pid())
      queue:close()
    end)
    local producer_pid = done:get()
    producer:await()
    local sum, consumer_pid = consumer:await()
    assert.equal(500500, sum)
    table.sort(pids)
    local seen = { producer_pid, consumer_pid }
    table.sort(seen)
    assert.same(pids, seen)
  end)

  with_pool("are scalars of every kind", 1, function(pool)
    local values = { 0, -1, 1.5, math.huge, -math.huge, 2 ^ 53, "", "text", "\0\255\n\r", true, false,
      5LL, 7ULL }
    local got = { through(pool, values) }
    for i, value in ipairs(values) do
      assert.equal(value, got[i])
      assert.equal(type(value), type(got[i]))
    end
    local nan = through(pool, { 0 / 0 })
    assert.is_true(nan ~= nan)
  end)

  with_pool("are strings of every size", 1, function(pool)
    local values = {}
    for i, size in ipairs({ 1, 8191, 8192, 8193, 100000, 300000, 3000000 }) do
      values[i] = ("0123456789abcdef"):rep(size / 16 + 1):sub(1, size)
    end
    local got = { through(pool, values) }
    for i, value in ipairs(values) do
      assert.is_true(value == got[i], "a string of " .. #value .. " bytes")
    end
  end)

  with_pool("are tables, nested, shared and cyclic", 1, function(pool)
    local shared, cyclic = { "shared" }, { name = "loop" }
    cyclic.self, cyclic.inner = cyclic, { back = cyclic }
    local plain, twice, loop, empty = through(pool, {
      { 1, 2, { deep = { true, "x", 1.5 } }, [-1] = "minus" }, { a = shared, b = shared }, cyclic, {},
    })
    assert.same({ 1, 2, { deep = { true, "x", 1.5 } }, [-1] = "minus" }, plain)
    assert.equal(twice.a, twice.b)
    assert.same({ "shared" }, twice.a)
    assert.equal(loop, loop.self)
    assert.equal(loop, loop.inner.back)
    assert.same({}, empty)
  end)

  with_pool("are objects of classes that can be named", 1, function(pool)
    local point = through(pool, { Point.new(3, 4) })
    assert.equal(Point, getmetatable(point))
    assert.equal(5, point:length())
  end)

  with_pool("are functions, with what they capture", 1, function(pool)
    local factor = 7
    local function scale(x) return x * factor end
    local there, back = aimp.Queue(), aimp.Queue()
    local task = pool:apply(function()
      local fn = there:get()
      back:put(fn(6))
      back:put(fn) -- the parent's own comes back as it is
      back:put(there:get()("%d"))
    end)
    there:put(scale)
    assert.equal(42, back:get())
    assert.equal(scale, back:get())
    there:put(function(text) return text:format(factor) end)
    assert.equal("7", back:get())
    task:await()
  end)

  with_pool("are what they were when they were put", 1, function(pool)
    local queue, go = aimp.Queue(), aimp.Queue()
    local task = pool:apply(function()
      go:get()
      return queue:get().n, queue:get().list[1].n
    end)
    local item, odd = { n = 1 }, { list = { Point.new(1, 1) } }
    odd.list[1].n = 1
    queue:put(item)
    queue:put(odd)
    item.n, odd.list[1].n = 2, 2
    go:put(true)
    assert.same({ 1, 1 }, { task:await() })
  end)

  with_pool("that were put before the queue was sent arrive as well", 1, function(pool)
    local queue = aimp.Queue()
    queue:put({ a = 1 })
    queue:put(Point.new(3, 4))
    queue:put("last")
    assert.same({ 1, 5, "last" }, { pool:apply(function()
      return queue:get().a, queue:get():length(), queue:get()
    end):await() })
  end)

  with_pool("of a putter that waited when the queue was sent arrive as they are then", 1, function(pool)
    local queue = aimp.Queue({ maxsize = 1 })
    queue:put(1)
    local item = { n = 1 }
    local waiting = aimp.spawn(queue.put, queue, item)
    local bad = aimp.spawn(queue.put, queue, coroutine.create(function() end))
    local last = aimp.spawn(queue.put, queue, "last")
    aimp.sleep(0)
    local task = pool:apply(function()
      return queue:get(), queue:get().n, queue:get()
    end)
    waiting:await()
    item.n = 2
    failure("ENCODE", bad.await, bad)
    last:await()
    assert.same({ 1, 1, "last" }, { task:await() })
  end)
end)

describe("what cannot be sent", function()
  with_pool("is refused where it is put, by the parent", 1, function(pool)
    local queue = aimp.Queue()
    pool:apply(function() return queue:size() end):await()
    local co = coroutine.create(function() end)
    local err = failure("ENCODE", queue.put, queue, { list = { co } })
    assert.matches("cannot send coroutine.*list", err.message)
    failure("ENCODE", queue.try_put, queue, co)
    assert.equal(0, queue:size())
    queue:put(1)
    assert.equal(1, queue:get())
  end)

  with_pool("is refused where it is put, by a worker, which goes on", 1, function(pool)
    local queue, bounded = aimp.Queue(), aimp.Queue({ maxsize = 1 })
    local function try(q)
      local ok, err = pcall(q.put, q, { list = { coroutine.create(function() end) } })
      local own, own_err = pcall(q.put, q, function() end)
      q:put("fine", 5)
      return ok, err.code, err.message, own, own_err.code, own_err.message
    end
    for _, q in ipairs({ queue, bounded }) do
      local ok, code, message, own, own_code, own_message = pool:apply(try, q):await()
      assert.same({ false, "ENCODE", false, "ENCODE" }, { ok, code, own, own_code })
      assert.matches("cannot send coroutine.*list", message)
      assert.matches("made in a worker", own_message)
      assert.equal("fine", q:get())
      assert.equal(0, q:size())
    end
  end)

  with_pool("and was put before the queue was sent is refused where that is sent", 1, function(pool)
    local queue = aimp.Queue()
    queue:put(coroutine.create(function() end))
    local err = failure("ENCODE", function() pool:apply(print, queue) end)
    assert.matches("coroutine", err.message)
    queue:get()
    assert.equal(0, pool:apply(function(q) return q:size() end, queue):await())
  end)
end)

describe("an item that cannot be read", function()
  with_pool("is the error of the worker's getter, and the next is fine", 1, function(pool)
    local queue = aimp.Queue()
    local task = pool:apply(function()
      local ok, err = pcall(queue.get, queue)
      return ok, err.code, err.message, queue:get()
    end)
    queue:put(Point.unreadable_in_workers())
    queue:put("next")
    local ok, code, message, item = task:await()
    assert.same({ false, "DECODE", "next" }, { ok, code, item })
    assert.matches("this point cannot be read", message)
    failure("DECODE", queue.put, queue, Point.unreadable()) -- not even here, where a copy is kept
  end)

  with_pool("is the error of the parent's getter, and the next is fine", 1, function(pool)
    for _, options in ipairs({ { maxsize = 0 }, { maxsize = 5 } }) do
      local queue = aimp.Queue(options)
      pool:apply(function()
        queue:put(require("spec.shared.modules.point").unreadable())
        queue:put("next")
      end):await()
      assert.equal(2, queue:size())
      assert.matches("this point cannot be read", failure("DECODE", queue.get, queue).message)
      assert.equal("next", queue:get())
    end
  end)

  with_pool("is the error of another worker's getter, and the next is fine", 2, function(pool)
    local queue = aimp.Queue()
    pool:apply(function()
      queue:put(require("spec.shared.modules.point").unreadable())
      queue:put("next")
    end):await()
    local ok, code, item = pool:apply(function()
      local ok, err = pcall(queue.get, queue)
      return ok, err.code, queue:get()
    end):await()
    assert.same({ false, "DECODE", "next" }, { ok, code, item })
  end)
end)

describe("a queue", function()
  with_pool("is sent as an argument, in a table, as a captured variable and to maps", 2, function(pool)
    local captured, queues = aimp.Queue(), { aimp.Queue(), aimp.Queue(), aimp.Queue() }
    pool:apply(function(q) q:put("argument") end, captured):await()
    pool:apply(function(t) t.deep[1].queue:put("table") end, { deep = { { queue = captured } } }):await()
    pool:apply(function() captured:put("captured") end):await()
    pool:map(function(q) q:put("item") end, { captured }):await()
    assert.same({ "argument", "table", "captured", "item" },
      { captured:get(), captured:get(), captured:get(), captured:get() })
    pool:map(function(q) q:put("mapped") end, queues, { chunksize = 2 }):await()
    for _, queue in ipairs(queues) do
      assert.equal("mapped", queue:get())
    end
  end)

  with_pool("is the same object there whenever it comes again, and here when it comes back", 1, function(pool)
    local queue, other = aimp.Queue(), aimp.Queue()
    pool:apply(function(q) _G.first = q end, queue):await()
    local same, back, list = pool:apply(function(q, t)
      return q == _G.first and t.q == q and q ~= t.other and t.q2 == q, q, { t.other, q }
    end, queue, { q = queue, other = other, q2 = queue }):await()
    assert.is_true(same)
    assert.equal(queue, back)
    assert.equal(other, list[1])
    assert.equal(queue, list[2])
    pool:apply(function() _G.first = nil end):await()
  end)

  local function initialize(queue)
    _G.jobs = queue
    queue:put("from the initializer")
    _G.first = queue:get()
  end

  it("is there in the initializer", support.pooled({
    processes = 1, initializer = initialize, initargs = { aimp.Queue() },
  }, function(pool)
    assert.equal("from the initializer", pool:apply(function() return _G.first end):await())
  end))

  with_pool("travels inside items: replies come to whom they are due", 2, function(pool)
    local jobs = aimp.Queue()
    local workers = {}
    for i = 1, 2 do
      workers[i] = pool:apply(function()
        for job in jobs:iter() do
          job.reply:put(job.n * job.n)
        end
      end)
    end
    for n = 1, 200 do -- more than are ever under way
      local reply = aimp.Queue()
      jobs:put({ n = n, reply = reply })
      if n % 10 == 0 then
        collectgarbage() -- nobody but the item holds the queue
      end
      assert.equal(n * n, reply:get())
    end
    local tasks = {}
    for n = 1, 100 do
      tasks[n] = aimp.spawn(function()
        local reply = aimp.Queue()
        jobs:put({ n = n, reply = reply })
        return reply:get()
      end)
    end
    for n, square in ipairs(aimp.gather(tasks)) do
      assert.equal(n * n, square)
    end
    jobs:close()
    aimp.gather(workers)
  end)

  with_pool("inside of an item lives although nobody else has it", 1, function(pool)
    local box = aimp.Queue()
    local function fill()
      for i = 1, 100 do
        local inner = aimp.Queue()
        inner:put(i)
        inner:close()
        box:put({ inner = inner })
      end
    end
    fill()
    collectgarbage()
    collectgarbage()
    assert.equal(5050, pool:apply(function()
      local sum = 0
      for _ = 1, 100 do
        local inner = box:get().inner
        for value in inner:iter() do
          sum = sum + value
        end
      end
      return sum
    end):await())
  end)

  with_pool("that the parent let go of lives on while a worker has it", 1, function(pool)
    local function start()
      local queue = aimp.Queue()
      return pool:apply(function(q)
        _G.kept = q
        q:put("mine")
      end, queue)
    end
    start():await()
    collectgarbage()
    collectgarbage()
    assert.equal("mine", pool:apply(function()
      local item = _G.kept:get(5)
      _G.kept = nil
      return item
    end):await())
  end)

  it("that a queued task will need lives on although nobody else has it", support.pooled({
    processes = 2, childconcurrency = 1,
  }, function(pool)
    local gate, in_worker = aimp.Queue(), remote.by_worker(pool)
    local blocker = in_worker(2, function() gate:get() end)
    local pid
    local function start()
      local queue = aimp.Queue()
      local function use()
        queue:put(require("aimp").pid())
        return queue:get()
      end
      pid = in_worker(1, use):await()
      return in_worker(2, use) -- is not sent yet
    end
    local task = start()
    uv.kill(pid, "sigkill") -- which had the queue
    support.eventually(function() return pool:stats().workers[1].restarts == 1 end, "it is gone")
    jit.flush()
    collectgarbage()
    collectgarbage()
    gate:put(true)
    blocker:await()
    assert.not_equal(pid, task:await())
  end))

  with_pool("that is made in a worker is used there, and cannot be sent up", 1, function(pool)
    local mine = pool:apply(function()
      local inside = require("aimp")
      local queue = inside.Queue({ maxsize = 1 })
      queue:put({ x = 1 })
      local full = queue:try_put(2)
      local task = inside.spawn(function() return queue:get(), queue:get() end)
      queue:put("two")
      local first, second = task:await()
      queue:close()
      return { first.x, second, full, queue:closed() }
    end):await()
    assert.same({ 1, "two", false, true }, mine)
    local err = failure("ENCODE", function()
      pool:apply(function() return { q = require("aimp").Queue() } end):await()
    end)
    assert.matches("aimp.Queue that was made in a worker cannot be sent.*make it there", err.message)
    local up = aimp.Queue()
    local code, message = pool:apply(function()
      local _, why = pcall(up.put, up, require("aimp").Queue())
      return why.code, why.message
    end):await()
    assert.equal("ENCODE", code)
    assert.matches("made in a worker", message)
  end)

  it("works in a host's processes that are started anew", support.pooled({
    processes = 1, start_method = "spawn",
  }, function(pool)
    assert.same({ 5, "x" }, { through(pool, { 5, "x" }) })
  end))

  it("serves workers of several pools", support.pooled({ processes = 1 }, function(pool)
    local other, queue, back = aimp.Pool({ processes = 1 }), aimp.Queue(), aimp.Queue()
    local producer = pool:apply(function(n)
      for i = 1, n do queue:put(i) end
      queue:close()
    end, 500)
    local consumer = other:apply(function()
      for item in queue:iter() do back:put(item) end
    end)
    for i = 1, 500 do
      assert.equal(i, back:get())
    end
    aimp.gather({ producer, consumer })
    other:close()
    other:join()
  end))
end)

describe("misuse of a queue in a worker", function()
  with_pool("is refused at the caller's line", 1, function(pool)
    local queue = aimp.Queue()
    for pattern, fn in pairs({
      ["_spec.lua:%d+: queue:put: an item must not be nil"] = function() queue:put(nil) end,
      ["_spec.lua:%d+: bad argument #1 to 'queue:get'"] = function() queue:get("x") end,
      ["_spec.lua:%d+: size: not a queue; call it as queue:size%(%)"] = function() queue.size() end,
    }) do
      assert.matches(pattern, failure("REMOTE", function() pool:apply(fn):await() end).cause)
    end
  end)

  with_pool("outside of a task is refused at the caller's line", 1, function(pool)
    local queue = aimp.Queue()
    local function outside()
      local inside, list = require("aimp"), {}
      local done = inside.Queue()
      local timer = require("luv").new_timer()
      timer:start(0, 0, function()
        timer:close()
        for i, call in ipairs({
          function() queue:get() end, function() queue:put(1) end, function() queue:try_get() end,
          function() queue:try_put(1) end, function() queue:size() end, function() queue:closed() end,
          function() queue:close() end, function() for _ in queue:iter() do end end,
        }) do
          list[i] = select(2, pcall(call))
        end
        done:try_put(true)
      end)
      done:get()
      return list
    end
    local list = pool:apply(outside):await()
    assert.equal(8, #list)
    for _, message in ipairs(list) do
      assert.matches("^[^\n]*queue_remote_spec.lua:%d+: .* needs a running task", message)
    end
    assert.equal(0, queue:size())
    assert.is_false(queue:closed())
  end)
end)

describe("many items", function()
  with_pool("go both ways at once, whatever the rings hold", 1, function(pool)
    local there, back, n = aimp.Queue(), aimp.Queue({ maxsize = 50 }), 3000
    local text = ("x"):rep(2000)
    local task = pool:apply(echo, there, back)
    local putter = aimp.spawn(function()
      for i = 1, n do
        there:put({ i, text })
      end
      there:close()
    end)
    for i = 1, n do
      local item = back:get()
      assert.equal(i, item[1])
      assert.equal(#text, #item[2])
    end
    aimp.gather({ task, putter })
  end)

  with_pool("wait in the parent while a worker puts without end", 2, function(pool)
    local queue = aimp.Queue()
    local tasks = pool:map(function(k)
      for i = 1, 5000 do
        queue:put({ k, i, ("y"):rep(200) })
      end
    end, numbers(2), { chunksize = 1 })
    tasks:await()
    assert.equal(10000, queue:size())
    local last = { 0, 0 }
    for _ = 1, 10000 do
      local item = queue:get()
      assert.equal(last[item[1]] + 1, item[2])
      last[item[1]] = item[2]
    end
    assert.equal(0, queue:size())
  end)
end)
