--- Answers of shared objects that come to one who does not wait any more.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local cell = require("spec.shared.modules.cell")
local hub = require("spec.shared.hub_support")
local queue_support = require("spec.shared.queue_support")
local support = require("spec.pool.support")

local eventually, link_state = support.eventually, hub.link_state
local assert_answered, waiting = hub.assert_answered, hub.waiting

local function with_pool(name, body)
  it(name, support.pooled({ processes = 1 }, body))
end

describe("one who gave up", function()
  -- The worker asks and gives up while nothing happens here; then act() happens, before the news is read.
  local function give_up(pool, shared, ask, act)
    local sign = queue_support.sign()
    local ready = aimp.Event()
    local path = sign.path
    local task = pool:apply(function()
      return ask(shared, function() hub.raise_sign(path) end, ready)
    end)
    ready:wait()
    act(function() hub.block_until(path) end)
    sign.lower()
    return task
  end

  local function take_late(shared, raise_sign, ready)
    local inside = require("aimp")
    local task = inside.spawn(shared.take, shared)
    inside.sleep(0) -- it has asked
    ready:set()     -- which is after that
    inside.sleep(0.02)
    task:cancel()
    task:pawait()
    raise_sign()
    return task:cancelled()
  end

  with_pool("takes back what came all the same", function(pool)
    local shared = cell.new()
    shared:take()
    local task = give_up(pool, shared, take_late, function(block)
      eventually(function() return shared._core.takers:count() == 1 end, "the worker waits")
      block()
      shared:give()
    end)
    assert.is_true(task:await())
    eventually(function() return shared._core.given == 2 end, "given back")
    assert.is_nil(shared:holder_of())
    assert_answered(pool)
  end)

  with_pool("by its time limit does so, too", function(pool)
    local shared = cell.new()
    shared:take()
    local task = give_up(pool, shared, function(object, raise_sign, ready)
      ready:set()
      local ok, err = pcall(object.take, object, 0.05)
      raise_sign()
      return ok, err.code
    end, function(block)
      eventually(function() return shared._core.takers:count() == 1 end, "the worker waits")
      block()
      shared:give()
    end)
    assert.same({ false, "TIMEOUT" }, { task:await() })
    eventually(function() return shared._core.given == 2 end, "given back")
    assert.is_nil(shared:holder_of())
    assert_answered(pool)
  end)

  with_pool("has put back what it did not read", function(pool)
    local shared = cell.new()
    local task = give_up(pool, shared, function(object, raise_sign, ready)
      ready:set()
      local ok, err = pcall(object.pop, object, 0.05)
      raise_sign()
      return ok, err.code
    end, function(block)
      waiting(shared, 1)
      block()
      shared:set("left")
    end)
    assert.same({ false, "TIMEOUT" }, { task:await() })
    eventually(function() return shared._core.restored == 1 end, "put back")
    assert.equal("left", pool:apply(shared.pop, shared):await())
    support.settle(pool)
    assert.equal(1, shared._core.restored)
    assert_answered(pool)
  end)

  with_pool("before its request was begun is answered", function(pool)
    local shared, begun = cell.new(), 0
    local next_of = shared._core.next
    function shared._core:next(...)
      begun = begun + 1
      return next_of(self, ...)
    end
    local task = give_up(pool, shared, function(object, raise_sign, ready)
      local inside = require("aimp")
      ready:set()
      inside.sleep(0.05) -- the other process is blocked, or will not be; then it is not tested
      local asking = inside.spawn(object.next, object)
      inside.sleep(0)
      asking:cancel()
      asking:pawait()
      require("aimp.shared.exports").link.reply:flush()
      raise_sign()
      return asking:cancelled()
    end, function(block)
      block()
    end)
    assert.is_true(task:await())
    eventually(function() return hub.count(pool, "requests") == 0 end, "no request is left")
    assert.equal(0, begun)
    waiting(shared, 0)
    eventually(function() return (pool:apply(link_state):await()) == 0 end, "it was answered")
    assert_answered(pool)
  end)
end)
