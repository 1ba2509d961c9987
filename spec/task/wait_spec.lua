-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local support = require("spec.task.support")
local tasks = require("aimp.task")
local timers = require("aimp.timers")

local function in_task(name, body)
  it(name, support.task(body))
end

--- Tasks that the spec settles.
local function pending(n)
  local list = {}
  for i = 1, n do
    list[i] = tasks.new()
  end
  return list
end

--- Starts aimp.wait as a task; the outcome is filled in at its end.
local function start_wait(list, opts)
  local outcome = {}
  local task = aimp.spawn(function()
    outcome.done, outcome.pending = aimp.wait(list, opts)
  end)
  support.turns()
  return outcome, task
end

describe("aimp.wait", function()
  in_task("waits for all, and raises nothing", function()
    local list = pending(3)
    local outcome = start_wait(list)
    list[2]:_reject("boom")
    list[3]:cancel()
    support.turns(2)
    assert.is_nil(outcome.done)
    list[1]:_resolve1(1)
    support.turns(2)
    assert.equal(3, #outcome.done)
    assert.equal(list[1], outcome.done[1])
    assert.same({}, outcome.pending)
    list[2]:exception()
  end)

  in_task("returns with the first that ends", function()
    local list = pending(3)
    local outcome = start_wait(list, { return_when = "FIRST_COMPLETED" })
    list[2]:_resolve1(1)
    support.turns(2)
    assert.equal(1, #outcome.done)
    assert.equal(list[2], outcome.done[1])
    assert.equal(list[1], outcome.pending[1])
    assert.equal(list[3], outcome.pending[2])
    assert.is_false(list[1]._w1)
  end)

  in_task("returns with the first that fails; a cancelled one is no failure", function()
    local list = pending(4)
    local outcome = start_wait(list, { return_when = "FIRST_EXCEPTION" })
    list[1]:_resolve1(1)
    list[2]:cancel()
    support.turns(2)
    assert.is_nil(outcome.done)
    list[3]:_reject("boom")
    support.turns(2)
    assert.equal(3, #outcome.done)
    assert.equal(1, #outcome.pending)
    list[3]:exception()
  end)

  in_task("returns at the timeout and cancels nothing", function()
    local clock = support.fake_clock()
    local list = pending(2)
    local outcome = start_wait(list, { timeout = 5 })
    list[1]:_resolve1(1)
    clock.advance(4)
    support.turns(2)
    assert.is_nil(outcome.done)
    clock.advance(1)
    support.turns(2)
    clock.restore()
    assert.equal(1, #outcome.done)
    assert.equal(1, #outcome.pending)
    assert.is_false(list[2]:done())
    assert.is_false(list[2]._w1)
  end)

  in_task("with timeout 0 looks without waiting", function()
    local list = pending(1)
    local done, still = aimp.wait(list, { timeout = 0 })
    assert.same({}, done)
    assert.equal(1, #still)
  end)

  in_task("stops its timer when it ends in time", function()
    local list = pending(1)
    local before = timers.count()
    start_wait(list, { timeout = 1000 })
    assert.equal(before + 1, timers.count())
    list[1]:_resolve1(1)
    support.turns(2)
    assert.equal(before, timers.count())
  end)

  in_task("cancelled itself cancels nothing, and takes its registrations back", function()
    local list = pending(2)
    local before = timers.count()
    local _, task = start_wait(list, { timeout = 1000 })
    task:cancel()
    support.turns(2)
    assert.is_true(task:cancelled())
    assert.is_false(list[1]:done())
    assert.is_false(list[1]._w1)
    assert.equal(before, timers.count())
  end)

  in_task("time and completion together wake it once", function()
    local clock = support.fake_clock()
    local list = pending(1)
    local outcome = start_wait(list, { timeout = 5 })
    list[1]:_resolve1(1)
    clock.advance(5)
    support.turns(2)
    clock.restore()
    assert.equal(1, #outcome.done)
  end)

  in_task("refuses an empty list and bad options", function()
    local ok, message = pcall(function() aimp.wait({}) end)
    assert.is_false(ok)
    assert.matches("wait_spec.lua:%d+: aimp.wait: the list of tasks is empty", message)
    local list = pending(1)
    ok, message = pcall(function() aimp.wait(list, { return_when = "FIRST" }) end)
    assert.is_false(ok)
    assert.matches("wait_spec.lua:%d+: aimp.wait: option 'return_when' must be one of", message)
    ok, message = pcall(function() aimp.wait(list, { timeot = 1 }) end)
    assert.is_false(ok)
    assert.matches("did you mean 'timeout'", message)
    assert.is_false(pcall(aimp.wait, list, { timeout = -1 }))
  end)
end)

describe("aimp.as_completed", function()
  in_task("gives tasks in the order in which they end", function()
    local list = pending(4)
    list[3]:_resolve1(3)
    aimp.spawn(function()
      for _, i in ipairs { 4, 1 } do
        list[i]:_resolve1(i)
        aimp.sleep(0)
      end
      list[2]:_reject("boom")
    end)
    local order = {}
    for task in aimp.as_completed(list) do
      for i = 1, 4 do
        order[#order + 1] = list[i] == task and i or nil
      end
    end
    assert.same({ 3, 4, 1, 2 }, order)
    assert.is_string(list[2]:exception().message)
  end)

  in_task("allows to break, and ends for an empty list", function()
    for _ in aimp.as_completed({}) do
      error("not reached")
    end
    local list = pending(2)
    list[1]:_resolve1(1)
    local seen
    for task in aimp.as_completed(list) do
      seen = task
      if task then
        break
      end
    end
    assert.equal(list[1], seen)
    list[2]:_resolve1(2)
  end)

  in_task("can be cancelled at its wait", function()
    local list = pending(1)
    local task = aimp.spawn(function()
      for _ in aimp.as_completed(list) do
        error("not reached")
      end
    end)
    support.turns()
    task:cancel()
    support.turns()
    assert.is_true(task:cancelled())
    list[1]:_resolve1(1)
  end)

  in_task("refuses what is no list of tasks", function()
    local ok, message = pcall(function() aimp.as_completed(5) end)
    assert.is_false(ok)
    assert.matches("wait_spec.lua:%d+: bad argument #1 to 'aimp.as_completed'", message)
  end)
end)
