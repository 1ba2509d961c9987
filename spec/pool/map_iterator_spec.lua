-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.pool.support")

local failure = support.failure
local counter, settle = support.counter, support.settle

local two = { processes = 2 }
local one = { processes = 1 }

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local function double(x) return x * 2 end
local function same(x) return x end

describe("an iterator as input", function()
  with_pool("is not read further ahead of the consumer than the window", two, function(pool)
    for _, window in ipairs({ 1, 2, 7, 100 }) do
      local iterator, read = counter(500)
      local most = 0
      for i in pool:map(same, iterator, { window = window }) do
        -- the item that the consumer has is not in the window any more
        most = math.max(most, read() - i)
        if i % 50 == 0 then
          settle(pool)
        end
      end
      assert.equal(500, read())
      assert.is_true(most <= window, most .. " in a window of " .. window)
      assert.is_true(most > 0 or window == 1)
    end
  end)

  with_pool("is not read while nobody consumes", two, function(pool)
    local iterator, read = counter(math.huge)
    local result = pool:map(same, iterator, { window = 50 })
    settle(pool)
    assert.is_true(read() <= 50)
    for i = 1, 30 do
      assert.equal(i, (result()))
    end
    settle(pool)
    assert.is_true(read() > 30 and read() <= 80, read() .. " items read")
    result:cancel()
  end)

  with_pool("has no window when awaited", two, function(pool)
    assert.equal(400, pool:map(same, (counter(400)), { window = 3 }):await().n)
  end)

  with_pool("may wait for the results of what it gave before", two, function(pool)
    local given, seen = 0, 0
    for i in pool:map(double, function()
      -- after some items, which are fast, several are read at once
      if given > 1000 and given % 7 == 0 then
        support.eventually(function() return seen == given end, "all results have come")
      end
      given = given + 1
      return given <= 1100 and given or nil
    end) do
      seen = i
    end
    assert.equal(1100, seen)
  end)

  with_pool("may be a callable object, and wait", one, function(pool)
    local left = 5
    local source = setmetatable({}, { __call = function()
      aimp.sleep(0.001)
      left = left - 1
      return left >= 0 and left or nil
    end })
    assert.same({ n = 5, 8, 6, 4, 2, 0 }, pool:map(double, source):await())
  end)

  with_pool("that raises ends the stream with its error and traceback", two, function(pool)
    local function broken_source() error({ number = 4 }) end
    local iterator = counter(3)
    local err = failure("REMOTE", function()
      for _ in pool:map(same, function() return iterator() or broken_source() end) do end -- luacheck: ignore
    end)
    assert.equal(4, err.cause.number)
    assert.matches("broken_source", err.traceback)
    err = failure("REMOTE", function() pool:map(same, broken_source):await() end)
    assert.equal(4, err.cause.number)
    assert.equal(1, pool:apply(same, 1):await())
  end)

  with_pool("that raises after a wait cancels what runs", one, function(pool)
    local given = 0
    local result = pool:map(function() require("aimp").sleep(100) end, function()
      given = given + 1
      if given == 3 then
        support.eventually(function() return pool:stats().workers[1].running == 2 end, "both run")
        error("source is gone")
      end
      return given
    end)
    assert.matches("source is gone", failure("REMOTE", function() result:await() end).message)
    support.eventually(function() return pool:stats().workers[1].running == 0 end, "both have ended")
  end)

  with_pool("without an end is left by break and cancel", two, function(pool)
    for _, order in ipairs({ "ordered", "unordered" }) do
      local iterator, read = counter(math.huge)
      local result = pool:map(double, iterator)
      for i in (order == "unordered" and result:unordered() or result) do -- luacheck: ignore
        if i >= 1000 then break end
      end
      result:cancel("enough")
      local now = read()
      settle(pool)
      assert.equal(now, read())
      assert.matches("enough", failure("CANCELLED", function() result() end).message)
      failure("CANCELLED", function() result:await() end)
    end
  end)

  with_pool("that waits is cancelled with its map", two, function(pool)
    local seen
    local result = pool:map(same, function()
      local ok, err = pcall(aimp.sleep, 1000)
      seen = not ok and err
      error(err, 0)
    end)
    aimp.sleep(0)
    result:cancel()
    support.eventually(function() return seen end, "the iterator is cancelled")
    assert.is_true(errors.is(seen, "CANCELLED"))
  end)
end)
