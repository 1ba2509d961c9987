-- SPDX-License-Identifier: MIT
--- What becomes of a queue whose users are killed.
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local pools = require("spec.pool.support")
local uv = require("luv")

local function with_pool(name, processes, body)
  it(name, pools.pooled({ processes = processes }, body))
end

local function kill(pool, task)
  uv.kill(pools.pids(pool)[1], "sigkill")
  pools.failure("WORKER_DIED", task.await, task)
end

describe("when a worker is killed", function()
  with_pool("that waited for an item, the next getter gets it", 1, function(pool)
    local queue = aimp.Queue()
    local task = pool:apply(function() return queue:get() end)
    pools.eventually(function() return queue._core.getters:count() == 1 end, "a getter")
    kill(pool, task)
    assert.equal(0, queue._core.getters:count()) -- forgotten
    local next_one = aimp.spawn(queue.get, queue, 60)
    queue:put("item")
    assert.equal("item", next_one:await())
    assert.equal(0, queue:size())
  end)

  with_pool("what it had put is there, once and in order", 1, function(pool)
    local queue, done = aimp.Queue(), aimp.Queue()
    local task = pool:apply(function()
      for i = 1, 1000 do
        queue:put(i)
      end
      done:put(true)
      require("aimp").sleep(1000)
    end)
    done:get(60)
    kill(pool, task)
    for i = 1, 1000 do
      assert.equal(i, queue:get(60))
    end
    assert.equal(0, queue:size())
  end)

  with_pool("the places that it was granted are others'", 1, function(pool)
    local queue, done = aimp.Queue({ maxsize = 8 }), aimp.Queue()
    local task = pool:apply(function()
      for i = 1, 100 do -- quickly, so that it is granted places ahead
        queue:put(i)
      end
      done:put(true)
      require("aimp").sleep(1000)
    end)
    for i = 1, 100 do
      assert.equal(i, queue:get(60))
    end
    done:get(60)
    kill(pool, task)
    assert.equal(0, queue._core.room.open)
    for i = 1, 8 do
      queue:put(i, 60)
    end
    assert.is_false(queue:try_put(9))
  end)

  with_pool("that put and did not close, the queue can still be closed and ends", 1, function(pool)
    local queue, done = aimp.Queue(), aimp.Queue()
    local task = pool:apply(function()
      queue:put("last")
      done:put(true)
      while true do end
    end)
    done:get(60)
    queue:close()
    local seen = {}
    local reader = aimp.spawn(function()
      for item in queue:iter() do
        seen[#seen + 1] = item
      end
    end)
    kill(pool, task)
    reader:await()
    assert.same({ "last" }, seen)
  end)
end)
