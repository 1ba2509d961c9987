-- What a worker has received and not begun: it keeps its place, and can be cancelled.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")

local pooled = support.pooled

describe("work that a worker cannot begin yet", function()
  local one_at_a_time = { processes = 1, childconcurrency = 1 }

  it("runs with the captured values that it was submitted with", pooled(one_at_a_time,
    function(pool)
      local value = 0
      local function read() return value end
      local quick = {}
      for i = 1, 2000 do -- so that the worker is sent more than it may run at once
        quick[i] = pool:apply(math.abs, -1)
      end
      aimp.gather(quick)
      pool:apply(function() require("aimp").sleep(0.01) end)
      local tasks = {}
      for i = 1, 100 do
        value = i
        tasks[i] = pool:apply(read)
      end
      for i = 1, 100 do
        assert.equal(i, tasks[i]:await())
      end
    end))

  it("is cancelled with the map that it belongs to, and nobody else is", pooled(
    { processes = 1, childconcurrency = 4 }, function(pool)
      local pid = pool:apply(function() return require("aimp").worker().pid end):await()
      local other = pool:apply(function()
        require("aimp").sleep(1.5) -- longer than a task has that does not heed its cancellation
        return require("aimp").worker().pid
      end)
      -- quick items let the worker claim many at once, which then wait in its few places
      local map = pool:map(function(x)
        if x > 100 then
          require("aimp").sleep(1000)
        end
        return x
      end, support.numbers(400), { chunksize = 400 })
      support.eventually(function()
        return pool:stats().workers[1].running > 5
      end, "more is claimed than runs")
      map:cancel()
      assert.equal(pid, aimp.wait_for(pool:apply(function() return require("aimp").worker().pid end), 10))
      assert.equal(pid, other:await())
    end))
end)
