-- SPDX-License-Identifier: MIT
--- Bars of maps: the option `progress`, and aimp.progress of a result.
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local display = require("aimp.progress.display")
local pools = require("spec.pool.support")
local support = require("spec.progress.support")
local terminals = require("aimp.progress.terminal")
local turns = require("spec.task.support").turns
local uv = require("luv")

local failure, misuse, numbers, ends = pools.failure, pools.misuse, pools.numbers, support.ends

local function double(n) return n * 2 end
local function hang() require("aimp").sleep(1000) end

local function with_pool(name, body)
  it(name, pools.pooled({ processes = 2 }, function(pool)
    support.recorded(body)(pool)
  end))
end

describe("the option progress of a map", function()
  with_pool("shows a bar with its label while the result is awaited", function(record, pool)
    local result = pool:map(double, numbers(100), { progress = "doubling" })
    assert.equal(0, record.opened)
    assert.equal(200, result:await()[100])
    assert.same({ "doubling 100/100" }, ends(record))
    assert.equal("doubling", record.draws[1][1].description)
    result:await()
    assert.equal(1, record.opened)
  end)

  with_pool("shows one without a label, or none", function(record, pool)
    pool:map(double, { 1 }, { progress = true }):await()
    assert.same({ "1/1" }, ends(record))
    pool:map(double, { 1 }, { progress = false }):await()
    pool:map(double, { 1 }):await()
    pool:starmap(math.max, { { 1, 2 } }, { progress = "starmap" }):await()
    assert.same({ "1/1", "starmap 1/1" }, ends(record))
  end)

  with_pool("shows a bar while the result is iterated over", function(record, pool)
    local sum = 0
    for _, value in pool:map(double, numbers(50), { progress = "stream" }) do
      sum = sum + value
    end
    for _, value in pool:map(double, numbers(50), { progress = "any order" }):unordered() do
      sum = sum + value
    end
    assert.equal(2 * 50 * 51, sum)
    assert.same({ "stream 50/50", "any order 50/50" }, ends(record))
  end)

  with_pool("counts what is done, taken or not", function(record, pool)
    local result = pool:map(double, numbers(20), { progress = true })
    for i in result do
      pools.eventually(function() return result:is_done() end, "the map is done")
      if i == 3 then break end
    end
    assert.same({ "20/20" }, ends(record))
  end)

  with_pool("learns the total from an iterator's end", function(record, pool)
    assert.equal(5, pool:map(double, pools.counter(5), { progress = "lazy" }):await().n)
    assert.same({ "lazy 5/5" }, ends(record))
    assert.equal("lazy 0/?", support.state(record.draws[1][1]))
  end)

  with_pool("shows an empty map, and one that has ended before it is awaited", function(record, pool)
    pool:map(double, {}, { progress = "empty" }):await()
    local result = pool:map(double, { 1, 2 }, { progress = "done" })
    pools.eventually(function() return result:is_done() end, "the map is done")
    result:await()
    result:await()
    assert.same({ "empty 0/0", "done 2/2" }, ends(record))
  end)

  with_pool("ends its bar with the failure of an item", function(record, pool)
    local err = failure("REMOTE", function()
      pool:map(function(n) error("no " .. n, 0) end, { 1 }, { progress = "failing" }):await()
    end)
    assert.equal("no 1", err.message)
    assert.equal(1, #record.ended)
    assert.equal(1, record.closed)
  end)

  with_pool("ends its bar when nobody awaits the result any more, and shows one again", function(record, pool)
    local result = pool:map(hang, { 1, 2 }, { progress = "hanging" })
    local first, second = aimp.spawn(result.await, result), aimp.spawn(result.await, result)
    turns(2)
    first:cancel()
    turns(2)
    record.before()
    assert.same({}, ends(record))
    second:cancel()
    turns(2)
    record.before()
    assert.same({ "hanging 0/2" }, ends(record))
    local third = aimp.spawn(result.await, result)
    turns(2)
    assert.equal(2, record.opened)
    result:cancel()
    failure("CANCELLED", function() third:await() end)
    assert.same({ "hanging 0/2", "hanging 0/2" }, ends(record))
  end)

  with_pool("ends its bar when its loop is left", function(record, pool)
    local result = pool:map(function(n)
      if n > 1 then require("aimp").sleep(1000) end
    end, { 1, 2 }, { progress = true, chunksize = 1 })
    for i in result do
      if i == 1 then break end
    end
    record.before()
    assert.same({ "1/2" }, ends(record))
    result:cancel()
  end)

  with_pool("costs nothing with AIMP_PROGRESS=0", function(record, pool)
    uv.os_setenv("AIMP_PROGRESS", "0")
    local result = pool:map(double, { 1 }, { progress = "x" })
    uv.os_unsetenv("AIMP_PROGRESS")
    assert.is_nil(result.follower)
    assert.equal(2, result:await()[1])
    assert.equal(0, record.opened)
  end)

  with_pool("is a label or true", function(_, pool)
    misuse("pool:map: option 'progress' must be a label or true", function()
      local result = pool:map(double, { 1 }, { progress = 5 })
      return result
    end)
  end)
end)

describe("aimp.progress of a map's result", function()
  with_pool("is the result, with a bar", function(record, pool)
    local result = pool:map(function(n) return n, -n end, { 1, 2, 3 })
    assert.equal(result, aimp.progress(result, { description = "three" }))
    local seen = {}
    for i, value, minus in result do
      seen[i] = value - minus
    end
    assert.same({ 2, 4, 6 }, seen)
    assert.same({ 2, 4, n = 2 }, aimp.progress(pool:map(double, { 1, 2 })):await())
    for _, value in aimp.progress(pool:map(double, { 9 }):unordered()) do
      assert.equal(18, value)
    end
    assert.same({ "three 3/3", "2/2", "1/1" }, ends(record))
  end)

  with_pool("takes a total for an iterator that does not know it", function(record, pool)
    aimp.progress(pool:map(double, (pools.counter(2))), { total = 2 }):await()
    assert.equal("0/2", support.state(record.draws[1][1]))
  end)

  with_pool("counts tasks of a pool", function(record, pool)
    local list = {}
    for n = 1, 10 do
      list[n] = pool:apply(double, n)
    end
    assert.equal(20, aimp.progress.gather(list, { description = "applied" })[10])
    assert.same({ "applied 10/10" }, ends(record))
  end)
end)

describe("in a worker", function()
  it("print is what it always is, while the script's own goes around a bar", pools.pooled({ processes = 1 },
    function(pool)
      local function kinds()
        return debug.getinfo(print, "S").what, debug.getinfo(io.write, "S").what
      end
      local real = display.new_output
      display.new_output = function()
        return terminals.new({ write = function() end, size = {
          open = function() end, get = function() return 80, 24 end, close = function() end,
        } })
      end
      assert.same({ "C", "C" }, { pool:apply(kinds):await() })
      local bar = aimp.progress({ total = 1 })
      local ok, err = pcall(function()
        assert.equal("Lua", (kinds()))
        assert.same({ "Lua", "C" }, { pool:apply(kinds):await() }) -- print is there, with no bars
      end)
      bar:close()
      display.new_output = real
      assert(ok, err)
      assert.same({ "C", "C" }, { pool:apply(kinds):await() })
      assert.equal("C", (kinds()))
    end))
end)

describe("a bar", function()
  with_pool("cannot be sent", function(_, pool)
    local bar = aimp.progress({ total = 1 })
    local err = failure("ENCODE", function() pool:apply(function() bar:update() end) end)
    assert.matches("a progress bar cannot be sent; update it in the process that made it.*bar", err.message)
    bar:close()
  end)
end)
