-- Pools in a loop that is never idle, in callbacks of the loop, and inside of what they call.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local errors = require("aimp.errors")
local loop = require("aimp.loop")
local support = require("spec.pool.support")

local failure, pooled = support.failure, support.pooled

local function hang()
  require("aimp").sleep(1000)
end

describe("a pool, while the parent's tasks never wait", function()
  it("keeps deadlines and replaces workers", pooled({ processes = 1 }, function(pool)
    local task = pool:submit(function() while true do end end, {}, { timeout = 0.05 })
    local deadline = aimp.now() + 20
    while not task:done() and aimp.now() < deadline do
      aimp.sleep(0)
    end
    failure("TIMEOUT", function() task:result() end)
    local after = pool:apply(math.abs, -1)
    while not after:done() and aimp.now() < deadline do
      aimp.sleep(0)
    end
    assert.equal(1, after:result())
  end))
end)

describe("a pool in a callback of the loop", function()
  local serial = { processes = 1, childconcurrency = 1 }

  it("cancels a queued task although the loop was about to sleep", pooled(serial,
    function(pool)
      local running = pool:apply(hang)
      support.eventually(function() return pool:stats().workers[1].running == 1 end, "the task runs")
      local queued = pool:apply(hang)
      local timer = loop.uv.new_timer()
      timer:start(0, 0, function() queued:cancel() end) -- is due when the loop begins to wait
      local late = loop.timer(10, function() running:cancel() end) -- the only other thing that happens
      queued:pawait()
      assert.is_true(queued:cancelled())
      assert.is_false(running:done())
      late:stop()
      timer:close()
      running:cancel()
      running:pawait()
    end))
end)

describe("what a result's class does in the parent", function()
  it("cannot wait, not even where a task is submitting", pooled({ processes = 1 }, function(pool)
    local Waits = {}
    Waits.__index = Waits
    function Waits.__aimp_send() return 1 end
    function Waits.__aimp_recv(value)
      if not require("aimp").worker() then
        require("aimp").sleep(0.001)
      end
      return value
    end
    package.loaded["spec.waits"] = Waits
    local tasks = {}
    for i = 1, 3000 do
      tasks[i] = pool:apply(function(class) return setmetatable({}, class) end, Waits)
    end
    for i = 1, #tasks do
      local ok, err = tasks[i]:pawait()
      assert.is_false(ok)
      assert.is_true(errors.is(err, "DECODE"), tostring(err))
      assert.matches("__aimp_recv failed: .*needs a running task", err.message)
    end
    package.loaded["spec.waits"] = nil
  end))
end)

describe("a timer of the loop", function()
  it("that is stopped when it is due already does not happen", function()
    local happened = {}
    local second
    loop.timer(0.001, function()
      happened[#happened + 1] = "first"
      second:stop()
    end)
    second = loop.timer(0.001, function() happened[#happened + 1] = "second" end)
    local block = loop.now() + 0.005
    while loop.now() < block do end -- both are due when the loop looks
    aimp.sleep(0.005)
    assert.same({ "first" }, happened)
  end)
end)
