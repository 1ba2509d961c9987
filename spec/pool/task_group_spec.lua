-- SPDX-License-Identifier: MIT
--- Task groups, shields and aimp.to_await together with pools.
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")

local failure = support.failure

local function with_pool(name, body)
  it(name, support.pooled({ processes = 2 }, body))
end

local function for_ever()
  require("aimp").sleep(1000)
end

describe("a task group with a pool", function()
  with_pool("waits for the pool's tasks and results", function(pool)
    local task, list
    aimp.with(aimp.TaskGroup(), function(group)
      task = group:add(pool:apply(math.max, 1, 5))
      list = group:add(pool:map(math.abs, { -1, -2 }))
    end)
    assert.equal(5, task:result())
    assert.same({ n = 2, 1, 2 }, list:result())
  end)

  with_pool("cancels the pool's tasks when one fails", function(pool)
    local tasks = {}
    local err = failure("REMOTE", aimp.with, aimp.TaskGroup(), function(group)
      for i = 1, 4 do
        tasks[i] = group:add(pool:apply(for_ever))
      end
      support.running(pool, 4)
      group:add(pool:apply(error, "boom", 0))
    end)
    assert.equal("boom", err.cause)
    for _, task in ipairs(tasks) do
      assert.is_true(task:cancelled())
    end
    support.running(pool, 0)
  end)

  with_pool("works in a worker, also when its task is cancelled", function(pool)
    local started, cleaned = aimp.Event(), aimp.Counter()
    assert.equal(3, pool:apply(function()
      local a = require("aimp")
      local one, two
      a.with(a.TaskGroup(), function(group)
        one = group:spawn(function() return 1 end)
        two = group:spawn(function()
          a.sleep(0)
          return 2
        end)
      end)
      return one:await() + two:await()
    end):await())
    local err = failure("REMOTE", function()
      pool:apply(function()
        local a = require("aimp")
        a.with(a.TaskGroup(), function(group)
          group:spawn(function()
            pcall(for_ever)
            cleaned:add()
          end)
          group:spawn(error, "in a worker", 0)
          for_ever()
        end)
      end):await()
    end)
    assert.matches("in a worker", err.message)
    assert.equal(1, cleaned:get())
    local task = pool:apply(function()
      local a = require("aimp")
      a.with(a.TaskGroup(), function(group)
        group:spawn(function()
          started:set()
          pcall(for_ever)
          a.sleep(0)
          cleaned:add()
        end)
      end)
    end)
    started:wait()
    task:cancel()
    failure("CANCELLED", task.await, task)
    assert.equal(2, cleaned:get())
  end)

  with_pool("cannot be sent", function(pool)
    local err = failure("ENCODE", function()
      local task = pool:apply(print, aimp.TaskGroup())
      return task
    end)
    assert.matches("a task group cannot be sent", err.message)
  end)
end)

describe("aimp.shield with a pool", function()
  with_pool("keeps a task running for which nobody waits any more", function(pool)
    local go = aimp.Event()
    local task = pool:apply(function()
      go:wait()
      return "saved"
    end)
    failure("TIMEOUT", aimp.wait_for, aimp.shield(task), 0.001)
    go:set()
    assert.equal("saved", task:await())
  end)
end)

describe("aimp.to_await with a pool", function()
  with_pool("makes functions that can be sent", function(pool)
    local stat = aimp.to_await(require("luv").fs_stat)
    assert.equal("directory", pool:apply(stat, "."):await().type)
    local ask = aimp.to_await(function(value, callback)
      callback(nil, value + 1)
    end)
    assert.same({ n = 2, 2, 3 }, pool:map(ask, { 1, 2 }):await())
  end)
end)
