-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.task.support")
local tasks = require("aimp.task")

local function in_task(name, body)
  it(name, support.task(body))
end

describe("aimp.gather", function()
  in_task("gives first results in the order of the list", function()
    local first, second = support.gate(), support.gate()
    local list = {
      aimp.spawn(function() return first.wait(), "more" end),
      aimp.spawn(function() return second.wait() end),
      aimp.spawn(function() end),
      aimp.spawn(function() return false end),
    }
    aimp.spawn(function()
      second.open("b")
      aimp.sleep(0)
      first.open("a")
    end)
    local results = aimp.gather(list)
    assert.equal("a", results[1])
    assert.equal("b", results[2])
    assert.is_nil(results[3])
    assert.is_false(results[4])
  end)

  in_task("of nothing is an empty list, at once", function()
    assert.same({}, aimp.gather({}))
  end)

  in_task("takes ended tasks, and one task twice", function()
    local task = aimp.spawn(function() return 1 end)
    task:await()
    local later = aimp.spawn(function() aimp.sleep(0) return 2 end)
    assert.same({ 1, 2, 1, 2, 2 }, aimp.gather { task, later, task, later, later })
  end)

  in_task("raises the first error in time and cancels the rest", function()
    local gate = support.gate()
    local waits = aimp.spawn(function() return gate.wait() end)
    local fails = aimp.spawn(function()
      aimp.sleep(0)
      error("boom")
    end)
    local ok, err = pcall(aimp.gather, { waits, fails })
    assert.is_false(ok)
    assert.equal(fails:exception(), err)
    assert.matches("boom", err.message)
    waits:pawait()
    assert.is_true(waits:cancelled())
    assert.equal(1, gate.withdrawn)
  end)

  in_task("raises CANCELLED when a child was cancelled, and cancels the rest", function()
    local a, b = aimp.spawn(aimp.sleep, 100), aimp.spawn(aimp.sleep, 100)
    support.turns()
    a:cancel("a")
    local ok, err = pcall(aimp.gather, { a, b })
    assert.is_false(ok)
    assert.is_true(errors.is(err, "CANCELLED"))
    b:pawait()
    assert.is_true(b:cancelled())
  end)

  in_task("raises at once for a task that had failed already", function()
    local failed, other = aimp.spawn(error, "early", 0), aimp.spawn(aimp.sleep, 100)
    failed:pawait()
    local ok, err = pcall(aimp.gather, { other, failed })
    assert.is_false(ok)
    assert.equal("early", err.message)
    other:pawait()
    assert.is_true(other:cancelled())
  end)

  in_task("with return_exceptions gives errors their place", function()
    local results = aimp.gather({
      aimp.spawn(function() aimp.sleep(0) return "fine" end),
      aimp.spawn(error, "boom", 0),
      (function() local t = aimp.spawn(aimp.sleep, 9) t:cancel() return t end)(),
    }, { return_exceptions = true })
    assert.equal("fine", results[1])
    assert.is_true(errors.is(results[2], "REMOTE"))
    assert.is_true(errors.is(results[3], "CANCELLED"))
  end)

  in_task("cancelled itself cancels the children and waits for their cleanup", function()
    local cleaned = 0
    local function child()
      pcall(aimp.sleep, 100)
      aimp.sleep(0)
      cleaned = cleaned + 1
    end
    local list = { aimp.spawn(child), aimp.spawn(child) }
    local outer = aimp.spawn(function() aimp.gather(list) end)
    support.turns(2)
    outer:cancel("why")
    local ok, err = outer:pawait()
    assert.is_false(ok)
    assert.equal("cancelled: why", err.message)
    assert.is_true(outer:cancelled())
    assert.equal(2, cleaned)
  end)

  in_task("cancelled again during that cleanup gives up waiting", function()
    local gate = support.gate()
    local child = aimp.spawn(function()
      pcall(aimp.sleep, 100)
      return gate.wait()
    end)
    local outer = aimp.spawn(function() aimp.gather { child } end)
    support.turns(2)
    outer:cancel()
    support.turns(2)
    assert.is_false(outer:done())
    outer:cancel()
    support.turns(2)
    assert.is_true(outer:cancelled())
    gate.open(1)
    child:await()
  end)

  in_task("leaves no waiter behind in tasks that go on", function()
    local long, fails = tasks.new(), {}
    long._on_cancel = function() return true end
    for i = 1, 100 do
      fails[i] = tasks.new()
      local gathering = aimp.spawn(pcall, aimp.gather, { long, fails[i] })
      support.turns()
      fails[i]:_reject("no")
      gathering:await()
    end
    assert.is_false(long._w1)
    assert.is_nil(long._more)
    long:_resolve1(1)
  end)

  in_task("takes whatever can be awaited, and cancels it", function()
    local cancelled
    local thing = {
      await = function() return aimp.sleep(0) or "thing" end,
      cancel = function() cancelled = true end,
    }
    assert.same({ "thing" }, aimp.gather { thing })
    thing.await = function() aimp.sleep(100) end
    local outer = aimp.spawn(aimp.gather, { thing })
    support.turns(3)
    outer:cancel()
    outer:pawait()
    assert.is_true(cancelled)
  end)

  in_task("of a hundred thousand tasks settled from outside", function()
    local n, list = 100000, {}
    for i = 1, n do
      list[i] = tasks.new()
    end
    aimp.spawn(function()
      for i = n, 1, -1 do
        list[i]:_resolve1(i)
      end
    end)
    local results = aimp.gather(list)
    assert.equal(n, #results)
    assert.equal(777, results[777])
  end)

  in_task("refuses bad lists and options at the caller's line", function()
    local task = aimp.spawn(function() end)
    local function fault(...)
      local args = { ... }
      local ok, message = pcall(function() aimp.gather(args[1], args[2]) end)
      assert.is_false(ok)
      assert.matches("gather_spec.lua:%d+: ", message)
      return message
    end
    assert.matches("expected a list of tasks, got a nil", fault(nil))
    assert.matches("expected a list of tasks, got a task", fault(task))
    assert.matches("item 2 is a number, expected a task", fault({ task, 5 }))
    assert.matches("did you mean 'return_exceptions'", fault({ task }, { return_exception = true }))
    assert.matches("must be a boolean", fault({ task }, { return_exceptions = 1 }))
    task:await()
  end)
end)
