-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.task.support")
local tasks = require("aimp.task")

local function in_task(name, body)
  it(name, support.task(body))
end

--- A task that records how each of its waits at the gate ends.
local function subject(gate, waits)
  local log = {}
  local task = aimp.spawn(function()
    for i = 1, waits or 2 do
      local ok, value = pcall(gate.wait)
      log[i] = ok and value or value.code
    end
    return "end"
  end)
  return task, log
end

describe("task:cancel", function()
  in_task("before the start: the function never runs", function()
    local ran = false
    local task = aimp.spawn(function() ran = true end)
    assert.is_true(task:cancel())
    assert.is_true(task:cancelled())
    local ok, err = task:pawait()
    assert.is_false(ok)
    assert.is_true(errors.is(err, "CANCELLED"))
    support.turns(2)
    assert.is_false(ran)
  end)

  in_task("raises CANCELLED at the wait, with the reason", function()
    local gate, seen = support.gate(), nil
    local task = aimp.spawn(function()
      local _, err = pcall(gate.wait)
      seen = err
      error(err, 0)
    end)
    support.turns()
    assert.is_true(task:cancel("enough"))
    assert.equal(1, gate.withdrawn)
    assert.is_false(task:done())
    support.turns()
    assert.is_true(errors.is(seen, "CANCELLED"))
    assert.equal("cancelled: enough", seen.message)
    assert.is_true(task:cancelled())
  end)

  in_task("may be caught; the task goes on and can be cancelled again", function()
    local gate = support.gate()
    local task, log = subject(gate)
    support.turns()
    task:cancel()
    support.turns()
    assert.same({ "CANCELLED" }, log)
    assert.is_false(task:done())
    task:cancel()
    assert.equal("end", task:await())
    assert.same({ "CANCELLED", "CANCELLED" }, log)
    assert.is_false(task:cancelled())
  end)

  in_task("twice before it is delivered counts once", function()
    local gate = support.gate()
    local task, log = subject(gate)
    support.turns()
    assert.is_true(task:cancel("first"))
    assert.is_true(task:cancel("second"))
    support.turns()
    assert.same({ "CANCELLED" }, log)
    gate.open("value")
    task:await()
    assert.same({ "CANCELLED", "value" }, log)
  end)

  in_task("of a task that is just being woken loses no value", function()
    local gate = support.gate()
    local task, log = subject(gate)
    support.turns()
    gate.open("value")
    task:cancel()
    task:await()
    assert.same({ "value", "CANCELLED" }, log)
  end)

  in_task("of a sleeper that is just being woken is raised at that sleep", function()
    local clock = support.fake_clock()
    local after = false
    local task = aimp.spawn(function()
      aimp.sleep(1)
      after = true
    end)
    support.turns()
    clock.advance(1)
    task:cancel()
    support.turns()
    clock.restore()
    assert.is_true(task:cancelled())
    assert.is_false(after)
  end)

  in_task("of one that gave way with sleep(0) is raised at that sleep", function()
    local after = false
    local task = aimp.spawn(function()
      aimp.sleep(0)
      after = true
    end)
    support.turns()
    task:cancel()
    support.turns()
    assert.is_true(task:cancelled())
    assert.is_false(after)
  end)

  in_task("of one that awaits a task which has just ended is raised at that await", function()
    local inner = tasks.new()
    local task = aimp.spawn(function() return (inner:await()) end)
    support.turns()
    inner:_resolve1(1)
    task:cancel()
    support.turns()
    assert.is_true(task:cancelled())
  end)

  in_task("of oneself is raised at the next wait", function()
    local reached
    local task = aimp.spawn(function()
      aimp.current():cancel()
      reached = "running"
      aimp.sleep(0)
      reached = "after"
    end)
    support.turns(2)
    assert.equal("running", reached)
    assert.is_true(task:cancelled())
  end)

  in_task("has no effect on a task that does not wait again", function()
    local task = aimp.spawn(function()
      aimp.current():cancel()
      return "done"
    end)
    assert.equal("done", task:await())
    local fresh = aimp.spawn(function()
      aimp.sleep(0)
      return "not cancelled" -- the fiber of the one before
    end)
    assert.equal("not cancelled", fresh:await())
  end)

  in_task("of an ended task does nothing", function()
    local task = aimp.spawn(function() return 1 end)
    task:await()
    assert.is_false(task:cancel())
    assert.equal(1, task:result())
    local cancelled = aimp.spawn(aimp.sleep, 9)
    cancelled:cancel()
    assert.is_false(cancelled:cancel())
  end)

  in_task("during cleanup interrupts the cleanup's wait", function()
    local gate, log = support.gate(), {}
    local task = aimp.spawn(function()
      local _, first = pcall(gate.wait)
      log[1] = first.message
      local _, second = pcall(gate.wait)
      log[2] = second.message
      error(first, 0)
    end)
    support.turns()
    task:cancel("one")
    support.turns()
    task:cancel("two")
    support.turns()
    assert.same({ "cancelled: one", "cancelled: two" }, log)
    assert.is_true(task:cancelled())
  end)

  in_task("of a waiter leaves the awaited task alone", function()
    local gate = support.gate()
    local inner = aimp.spawn(function() return (gate.wait()) end)
    local outer = aimp.spawn(function() return inner:await() end)
    local other = aimp.spawn(function() return inner:await() end)
    support.turns()
    outer:cancel()
    support.turns()
    assert.is_true(outer:cancelled())
    assert.is_false(inner:done())
    gate.open("value")
    assert.equal("value", inner:await())
    assert.equal("value", other:await())
  end)

  in_task("an awaited task's cancellation cancels who does not catch it", function()
    local inner = aimp.spawn(aimp.sleep, 100)
    local outer = aimp.spawn(function() inner:await() end)
    support.turns()
    inner:cancel("inner")
    local ok, err = outer:pawait()
    assert.is_false(ok)
    assert.is_true(outer:cancelled())
    assert.equal("cancelled: inner", err.message)
  end)

  in_task("an error raised in the cleanup is the task's error", function()
    local task = aimp.spawn(function()
      pcall(aimp.sleep, 100)
      error("cleanup failed")
    end)
    support.turns()
    task:cancel()
    local ok, err = task:pawait()
    assert.is_false(ok)
    assert.is_false(task:cancelled())
    assert.matches("cleanup failed", err.message)
  end)

  in_task("refuses a reason that is no text", function()
    local task = aimp.spawn(function() end)
    local ok, message = pcall(function() task:cancel({}) end)
    assert.is_false(ok)
    assert.matches("cancel_spec.lua:%d+: bad argument #1 to 'task:cancel'", message)
    task:await()
  end)

  describe("of a producer's task", function()
    in_task("settles at once where the producer has no say", function()
      local task = tasks.new()
      assert.is_true(task:cancel("why"))
      assert.is_true(task:cancelled())
    end)

    in_task("leaves it to a producer that says so", function()
      local task, reasons = tasks.new(), {}
      task._on_cancel = function(_, reason)
        reasons[#reasons + 1] = reason
        return true
      end
      assert.is_true(task:cancel("one"))
      assert.is_true(task:cancel("two"))
      assert.is_false(task:done())
      task:_resolve1("finished in spite of it")
      assert.equal("finished in spite of it", task:await())
      assert.same({ "one", "two" }, reasons)
    end)

    in_task("accepts that the producer settles it meanwhile", function()
      local task = tasks.new()
      task._on_cancel = function(t) t:_resolve1("won") end
      assert.is_true(task:cancel())
      assert.equal("won", task:await())
    end)
  end)

  in_task("in a great number, in every state at once, settles each exactly once", function()
    local random = 1
    local function next_random(n)
      random = (random * 1103515245 + 12345) % 2 ^ 31
      return random % n
    end
    local list, ended = {}, 0
    for i = 1, 2000 do
      list[i] = aimp.spawn(function()
        for _ = 1, next_random(4) do
          pcall(aimp.sleep, 0)
        end
        aimp.sleep(0)
        return i
      end)
      list[i]:on_done(function() ended = ended + 1 end)
    end
    for _ = 1, 8 do
      for _ = 1, 1000 do
        list[next_random(2000) + 1]:cancel()
      end
      aimp.sleep(0)
    end
    aimp.wait(list)
    support.turns()
    assert.equal(2000, ended)
  end)
end)
