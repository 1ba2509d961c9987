-- Slots of workers: what is pinned to one that goes for good, and a parent that was late itself.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local aimp_ffi = require("aimp.ffi")
local host_module = require("spec.pool.supervisor_host")
local support = require("spec.pool.support")

local failure, pooled = support.failure, support.pooled

local function number()
  return require("aimp").worker().id
end

describe("a key whose worker dies while it is to go", function()
  it("moves to another worker", pooled({ processes = 2, childconcurrency = 1 }, function(pool)
    local pids = support.pids(pool)
    local key = 0
    repeat
      key = key + 1
    until pool:submit(number, {}, { key = key }):await() == 2
    local running = pool:submit(function() require("aimp").sleep(1000) end, {}, { key = key })
    support.eventually(function() return pool:stats().workers[2].running == 1 end, "the task runs")
    local again = pool:submit(number, {}, { key = key, retries = 1 })
    pool:resize(1)
    require("luv").kill(pids[2], "sigkill")
    failure("WORKER_DIED", function() running:await() end)
    assert.equal(1, aimp.wait_for(again, 10))
  end))
end)

describe("a worker whose HELLO was not read in time", function()
  it("lives when it is there now", function()
    local host = host_module.new()
    local supervisor = host:supervise(1)
    supervisor:fill()
    host.listeners[0]:on_forked(4711, 1)
    host.on_drain = function() supervisor:on_frame(0, aimp_ffi.FRAME.HELLO) end
    local timer = host.timers[1]
    timer.fn(timer.arg)
    assert.equal("launch 1", host:done())
    assert.is_nil(supervisor.workers[1].failure)
  end)
end)
