-- SPDX-License-Identifier: MIT
-- Maps whose pool ends before they are consumed.
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")

local failure, numbers = support.failure, support.numbers
local counter, settle = support.counter, support.settle

local two = { processes = 2 }

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local function double(x) return x * 2 end
local function same(x) return x end

describe("closing the pool", function()
  local function closed(pool)
    pool:close()
    pool:join()
  end

  with_pool("finishes a map of a list that nobody consumes", two, function(pool)
    local result = pool:map(double, numbers(1000), { window = 10 })
    closed(pool)
    local list = result:await()
    assert.same({ 1000, 2000 }, { list.n, list[1000] })
  end)

  with_pool("finishes a map of an iterator that nobody has consumed yet", two, function(pool)
    local result = pool:map(double, (counter(1000)), { window = 10 })
    pool:close()
    local last = 0
    for i, value in result do
      assert(i == last + 1 and value == 2 * i)
      last = i
    end
    assert.equal(1000, last)
    result = nil -- luacheck: ignore
    pool:join()
  end)

  with_pool("finishes what its consumers still wait for", two, function(pool)
    local consumers = {}
    for k, take in ipairs({
      function(result) return result:await().n end,
      function(result)
        local last
        for i in result do last = i end
        return last
      end,
    }) do
      consumers[k] = aimp.spawn(take, pool:map(double, (counter(2000)), { window = 10 }))
    end
    aimp.sleep(0)
    settle(pool)
    closed(pool)
    assert.same({ 2000, 2000 }, aimp.gather(consumers))
  end)

  with_pool("ends when the consumer broke out", two, function(pool)
    local left = {}
    for k, source in ipairs({ numbers(5000), (counter(math.huge)), (counter(math.huge)) }) do
      local result = pool:map(double, source, { window = 10 })
      for i in (k == 3 and result:unordered() or result) do -- luacheck: ignore
        if i >= 5 then break end
      end
      left[k] = result
    end
    closed(pool)
    -- what was accepted was done; who comes back is told that there is no more
    local seen
    local err = failure("CLOSED", function()
      for i in left[2] do seen = i end
    end)
    assert.matches("closed before the input", err.message)
    assert.is_true(seen >= 10)
  end)

  with_pool("ends when the consumer broke out after it", two, function(pool)
    local result = pool:map(double, (counter(math.huge)), { window = 10 })
    assert.equal(1, (result()))
    pool:apply(function() require("aimp").sleep(0.01) end)
    aimp.spawn(function() pool:close() end):await()
    assert.equal(2, (result()))
    pool:join()
  end)

  with_pool("ends when the consumer was cancelled", two, function(pool)
    local consumer = aimp.spawn(function()
      for _ in pool:map(double, (counter(math.huge)), { window = 10 }) do end -- luacheck: ignore
    end)
    settle(pool)
    consumer:cancel()
    failure("CANCELLED", function() consumer:await() end)
    closed(pool)
  end)

  with_pool("ends while an iterator still waits for ever", two, function(pool)
    local given = false
    local result = pool:map(double, function()
      if given then aimp.sleep(1000) end
      given = true
      return 1
    end)
    assert.same({ 1, 2 }, { result() })
    closed(pool)
  end)

  with_pool("waits for an iterator that ends after the last result", two, function(pool)
    local read, may_end = 0, false
    local result = pool:map(double, function()
      read = read + 1
      if read > 3 then
        support.eventually(function() return may_end end, "the input may end")
        return nil
      end
      return read
    end)
    support.eventually(function() return read == 4 end, "all items are read")
    settle(pool)
    local closer = aimp.spawn(closed, pool)
    aimp.sleep(0)
    assert.is_false(closer:done())
    may_end = true
    closer:await()
    assert.same({ n = 3, 2, 4, 6 }, result:await())
  end)

  with_pool("ends when the last map is cancelled meanwhile", two, function(pool)
    local result = pool:map(double, function() aimp.sleep(1000) end)
    aimp.sleep(0)
    local closer = aimp.spawn(closed, pool)
    aimp.sleep(0)
    assert.is_false(closer:done())
    result:cancel()
    closer:await()
  end)

  with_pool("leaves failed maps harmless", two, function(pool)
    local streamed = pool:map(function() error("one") end, { 1 })
    local awaited = pool:map(function() error("two") end, { 1 })
    local unread = pool:map(same, { 1, 2 })
    closed(pool)
    assert.matches("one", failure("REMOTE", function() streamed() end).message)
    assert.matches("two", failure("REMOTE", function() awaited:await() end).message)
    unread:cancel()
    assert.same({ n = 2, 1, 2 }, unread:await())
  end)
end)

describe("terminating the pool", function()
  with_pool("ends streams with CLOSED", two, function(pool)
    local consumer = aimp.spawn(function()
      for _ in pool:map(double, (counter(math.huge))) do end -- luacheck: ignore
    end)
    local waiting = pool:map(double, function() aimp.sleep(1000) end)
    settle(pool)
    pool:terminate()
    pool:join()
    failure("CLOSED", function() consumer:await() end)
    failure("CLOSED", function() waiting:await() end)
    failure("CLOSED", function() waiting() end)
    waiting:cancel()
  end)
end)
