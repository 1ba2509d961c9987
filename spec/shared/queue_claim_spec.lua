-- SPDX-License-Identifier: MIT
--- Items that came for fibers of a worker are theirs when they get them, not before.
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local pools = require("spec.pool.support")
local uv = require("luv")

describe("items that came for several fibers of a worker", function()
  it("go to the next getter when the first computes and its worker is killed", pools.pooled({
    processes = 1,
  }, function(pool)
    local queue, got = aimp.Queue(), aimp.shm.array("int32_t", 2)
    local task = pool:apply(function()
      for _ = 1, 5 do
        require("aimp").spawn(function()
          local item = queue:get()
          got:set(1, item)
          got:add(0, 1)
          while true do end
        end)
      end
      require("aimp").sleep(1000)
    end)
    pools.eventually(function() return queue._core.getters:count() == 5 end, "five getters")
    local pid = pools.pids(pool)[1]
    for i = 1, 5 do
      queue:put(i)
    end
    pools.eventually(function() return got[0] == 1 end, "an item that was got")
    uv.kill(pid, "sigkill")
    pools.failure("WORKER_DIED", task.await, task)
    local rest = {}
    for i = 1, 4 do
      rest[i] = queue:get(60)
    end
    assert.same({ 2, 3, 4, 5 }, rest)
    assert.same({ 1, 1 }, { got[0], got[1] })
  end))

  it("are got in order by those who waited, before those who came later", pools.pooled({
    processes = 1,
  }, function(pool)
    local queue, order = aimp.Queue(), aimp.Queue()
    local task = pool:apply(function()
      local inside = require("aimp")
      local tasks = {}
      for i = 1, 4 do
        tasks[i] = inside.spawn(function()
          local item = queue:get()
          order:put(i * 10 + item)
          if i == 1 then
            order:put(50 + queue:get())
          end
        end)
      end
      inside.gather(tasks)
    end)
    pools.eventually(function() return queue._core.getters:count() == 4 end, "four getters")
    for i = 1, 5 do
      queue:put(i)
    end
    task:await()
    local seen = {}
    for i = 1, 5 do
      seen[i] = order:get()
    end
    assert.same({ 11, 22, 33, 44, 55 }, seen)
  end))
end)
