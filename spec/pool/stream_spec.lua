-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")

local failure, misuse, numbers = support.failure, support.misuse, support.numbers
local counter, settle = support.counter, support.settle

local two = { processes = 2 }
local one = { processes = 1 }

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local function double(x) return x * 2 end

describe("iterating over a map", function()
  with_pool("gives index and result in input order", two, function(pool)
    local last = 0
    for i, value in pool:map(double, numbers(3000)) do
      assert(i == last + 1 and value == 2 * i)
      last = i
    end
    assert.equal(3000, last)
  end)

  with_pool("gives all return values", one, function(pool)
    local seen = {}
    for i, a, b, c in pool:map(function(x) return x, nil, -x end, { 1, 2 }) do
      seen[i] = { a, b, c }
    end
    assert.same({ { 1, nil, -1 }, { 2, nil, -2 } }, seen)
    local result = pool:map(function() end, { 1 })
    assert.equal(2, select("#", result()))
  end)

  with_pool("ends at once over an empty list, and stays ended", one, function(pool)
    local result = pool:map(double, {})
    assert.is_nil(result())
    assert.is_nil(result())
    assert.is_nil(pool:map(double, function() end)())
    assert.is_nil(pool:map(double, {}):unordered()())
  end)

  with_pool("raises an error at its turn, and again later", two, function(pool)
    local got = {}
    local result = pool:map(function(x)
      if x == 6 then error("six") end
      return x
    end, numbers(10))
    local err = failure("REMOTE", function()
      for i, value in result do
        got[i] = value
      end
    end)
    assert.same({ 1, 2, 3, 4, 5 }, got)
    assert.equal(6, err.item)
    assert.matches("awaited by.*stream_spec.lua", err.traceback)
    assert.equal(err, failure("REMOTE", function() result() end))
  end)

  with_pool("is shared by several tasks, each item given once", two, function(pool)
    local result, seen, tasks = pool:map(double, numbers(500)), {}, {}
    for t = 1, 4 do
      tasks[t] = aimp.spawn(function()
        for i in result do
          seen[i] = (seen[i] or 0) + 1
          aimp.sleep(0)
        end
      end)
    end
    aimp.gather(tasks)
    assert.equal(500, #seen)
    assert.equal(1, math.max(unpack(seen)))
  end)

  with_pool("needs a task of its own", one, function(pool)
    local result = pool:map(double, { 1 })
    coroutine.wrap(function()
      misuse("inside a coroutine of your own", function() result() end)
    end)()
    assert.equal(1, (result()))
  end)
end)

describe("the results of a stream", function()
  -- A task that answers once its gate, a file, is gone.
  local function gated(item)
    local file = item.gate and io.open(item.gate)
    while file do
      file:close()
      require("aimp").sleep(0.001)
      file = io.open(item.gate)
    end
    return item.name
  end

  with_pool("arrive while later items still wait", one, function(pool)
    local gate = os.tmpname()
    local items = { { name = "a" }, { name = "b" }, { name = "c", gate = gate } }
    local result = pool:map(gated, items, { chunksize = 3 })
    assert.same({ 1, "a" }, { result() })
    assert.same({ 2, "b" }, { result() })
    os.remove(gate)
    assert.same({ 3, "c" }, { result() })
    assert.is_nil(result())
  end)

  with_pool("arrive in order of completion where asked", one, function(pool)
    local gate = os.tmpname()
    local items = { { name = "a", gate = gate }, { name = "b" }, { name = "c" } }
    local result, seen = pool:map(gated, items):unordered(), {}
    for _ = 1, 2 do
      local i, name = result()
      seen[i] = name
    end
    assert.same({ [2] = "b", [3] = "c" }, seen)
    os.remove(gate)
    assert.same({ 1, "a" }, { result() })
    assert.is_nil(result())
  end)

  with_pool("all arrive out of order", two, function(pool)
    local seen, count = {}, 0
    for i, value in pool:map(double, (counter(20000))):unordered() do
      assert(not seen[i] and value == 2 * i)
      seen[i], count = true, count + 1
    end
    assert.equal(20000, count)
  end)

  with_pool("may change to the order of completion in the middle", two, function(pool)
    local result, seen = pool:map(double, numbers(300)), {}
    for i in result do
      seen[i] = true
      if i == 100 then break end
    end
    for i in result:unordered() do
      assert(not seen[i])
      seen[i] = true
    end
    assert.equal(300, #seen)
  end)
end)

describe("a stream of a million", function()
  -- ASan keeps what was freed, up to 256 MiB of it, to see whether it is used.
  local allowed_kib = os.getenv("AIMP_SPEC_PATIENCE") and 256 * 1024 or 4096

  -- All memory of the process that is its own, the C side's too.
  local function resident_kib()
    local file = assert(io.open("/proc/self/smaps_rollup"))
    local text = file:read("*a")
    file:close()
    return tonumber(text:match("Private_Dirty:%s+(%d+)"))
  end

  with_pool("leaves the process as large as it was", two, function(pool)
    local function consume(last)
      for _ in pool:map(double, (counter(last))) do end -- luacheck: ignore
      collectgarbage()
      collectgarbage()
    end
    consume(1000000) -- the heap, the window and the rings get their size
    local before = resident_kib()
    consume(1000000) -- 8 MiB of numbers alone
    local growth = resident_kib() - before
    assert.is_true(growth < allowed_kib, ("grew by %d KiB"):format(growth))
  end)
end)

describe("a long stream", function()
  with_pool("leaves the parent's memory where it was", two, function(pool)
    local function kilobytes()
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    -- The most that was in use on the way.
    local function consume(last)
      local sum, most = 0, 0
      for i, value in pool:map(double, (counter(last))) do
        sum = sum + value
        if i % (last / 4) == 0 then
          most = math.max(most, kilobytes())
        end
      end
      assert.equal(last * (last + 1), sum)
      return most
    end
    consume(30000) -- buffers get their size
    local before = kilobytes()
    local most = consume(300000)
    -- a window of 16384 slots of 9 bytes, old and new ones while they grow, and payloads
    assert.is_true(most - before < 1024, ("grew by %d KiB on the way"):format(most - before))
    for _ = 1, 5 do
      consume(30000)
    end
    -- the last map's slots may still be in an old place on the stack; the items alone would be 2400 KiB
    local growth = kilobytes() - before
    assert.is_true(growth < 256, ("grew by %d KiB"):format(growth))
  end)

  with_pool("that is never read to its end holds a window, no more", two, function(pool)
    local iterator, read = counter(math.huge)
    local results = {}
    for k = 1, 20 do
      results[k] = pool:map(double, iterator, { window = 100 })
    end
    settle(pool)
    assert.is_true(read() <= 2000)
    for k = 1, 20 do
      results[k]:cancel()
    end
  end)

  with_pool("is let go after its last use, however it ended", two, function(pool)
    local live = setmetatable({}, { __mode = "k" })
    local function keep(result)
      live[result] = true
      return result
    end
    local function use()
      keep(pool:map(double, numbers(100))):await()
      for _ in keep(pool:map(double, (counter(1000)), { window = 10 })) do end -- luacheck: ignore
      for _ in keep(pool:map(double, numbers(100))):unordered() do end -- luacheck: ignore
      failure("REMOTE", function() keep(pool:map(function() error("x") end, { 1 })):await() end)
      local endless = keep(pool:map(double, (counter(math.huge))))
      endless()
      endless:cancel()
      support.eventually(function() return not endless.owner end, "what ran has ended")
    end
    use()
    support.eventually(function()
      jit.flush() -- a compiled trace may hold the objects that it was compiled for
      collectgarbage()
      return next(live) == nil
    end, "all results are collected")
  end)
end)
