-- What a cancellation must reach, wherever its task is at that moment.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")

local failure, pooled = support.failure, support.pooled

local function hang()
  require("aimp").sleep(1000)
end

local function pid()
  return require("aimp").worker().pid
end

local function kill(pool)
  require("luv").kill(support.pids(pool)[1], "sigkill")
end

describe("cancel", function()
  it("reaches a task that was queued at a worker that died", pooled({ processes = 1, childconcurrency = 1 },
    function(pool)
      local first = pool:apply(pid):await()
      local running = pool:submit(hang, {}, { retries = 1 })
      local queued = pool:apply(pid)
      support.eventually(function() return pool:stats().workers[1].running == 1 end, "the task runs")
      kill(pool)
      support.eventually(function() return pool:stats().retried == 1 end, "it is to run again")
      queued:cancel()
      running:cancel()
      failure("CANCELLED", function() aimp.wait_for(queued, 10) end)
      failure("CANCELLED", function() aimp.wait_for(running, 10) end)
      assert.is_true(first ~= pool:apply(pid):await())
    end))

  it("reaches a task that runs again after its worker died", pooled({ processes = 1 }, function(pool)
    local task = pool:submit(hang, {}, { retries = 1 })
    support.eventually(function() return pool:stats().workers[1].running == 1 end, "the task runs")
    kill(pool)
    support.eventually(function()
      local worker = pool:stats().workers[1]
      return worker.restarts == 1 and worker.running == 1
    end, "it runs again")
    task:cancel()
    failure("CANCELLED", function() aimp.wait_for(task, 10) end)
  end))
end)
