-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.task.support")
local tasks = require("aimp.task")

local turns = support.turns

describe("aimp.shield", function()
  local on_unseen, reported

  before_each(function()
    on_unseen, reported = tasks.on_unseen, {}
    tasks.on_unseen = function(err) reported[#reported + 1] = err.message end
  end)

  after_each(function() tasks.on_unseen = on_unseen end)

  local function in_task(name, body)
    it(name, support.task(body))
  end

  -- A task that waits for `gate.open(...)`, and then returns or raises.
  local function inner_task()
    local gate = support.gate()
    local task = aimp.spawn(function()
      local how, a, b = gate.wait()
      if how == "raise" then
        error(a, 0)
      end
      return a, b
    end)
    turns()
    return task, gate
  end

  in_task("gives what the task gives", function()
    local task, gate = inner_task()
    local outer = aimp.shield(task)
    assert.not_equal(task, outer)
    assert.is_false(outer:done())
    gate.open("return", 1, 2)
    assert.same({ 1, 2 }, { outer:await() })
    assert.same({ 1, 2 }, { task:await() })
    outer = aimp.shield(aimp.spawn(function() end))
    assert.equal(0, select("#", outer:await()))
    outer = aimp.shield(aimp.spawn(function() return nil, 1, nil end))
    assert.equal(3, select("#", outer:await()))
  end)

  in_task("gives the task itself when it has ended", function()
    local task = aimp.spawn(function() return 1 end)
    task:await()
    assert.equal(task, aimp.shield(task))
  end)

  in_task("leaves the task alone when it is cancelled itself", function()
    local task, gate = inner_task()
    local outer = aimp.shield(task)
    assert.is_true(outer:cancel("enough"))
    assert.is_true(outer:cancelled())
    local ok, err = outer:pawait()
    assert.is_false(ok)
    assert.equal("cancelled: enough", err.message)
    turns()
    assert.is_false(task:done())
    gate.open("return", "saved")
    assert.equal("saved", task:await())
  end)

  in_task("keeps the task from all who cancel what they wait for", function()
    local task, gate = inner_task()
    local ok, err = pcall(aimp.wait_for, aimp.shield(task), 0.001)
    assert.is_false(ok)
    assert.is_true(errors.is(err, "TIMEOUT"))
    ok = pcall(aimp.gather, { aimp.shield(task), aimp.spawn(error, "other", 0) })
    assert.is_false(ok)
    local waiter = aimp.spawn(aimp.gather, { aimp.shield(task) })
    turns()
    waiter:cancel()
    waiter:pawait()
    assert.is_true(waiter:cancelled())
    assert.is_false(task:done())
    gate.open("return", 7)
    assert.equal(7, task:await())
  end)

  in_task("is cancelled with the task", function()
    local task = inner_task()
    local outer = aimp.shield(task)
    task:cancel("stop")
    local ok, err = outer:pawait()
    assert.is_false(ok)
    assert.equal("cancelled: stop", err.message)
    assert.is_true(outer:cancelled())
  end)

  in_task("raises the task's error, which nobody else need look at", function()
    do
      local task, gate = inner_task()
      local outer = aimp.shield(task)
      gate.open("raise", "boom")
      local ok, err = outer:pawait()
      assert.is_false(ok)
      assert.equal("boom", err.message)
    end
    collectgarbage()
    collectgarbage()
    assert.equal(0, tasks.flush_unseen())
    assert.same({}, reported)
  end)

  in_task("has an error reported once that nobody looks at", function()
    do
      local task, gate = inner_task()
      aimp.shield(task)
      gate.open("raise", "lost")
      turns(3)
    end
    tasks.flush_unseen()
    assert.same({ "lost" }, reported)
  end)

  in_task("has an error reported that came after it was given up", function()
    local task, gate = inner_task()
    local outer = aimp.shield(task)
    outer:cancel()
    gate.open("raise", "late")
    turns(3)
    tasks.flush_unseen()
    assert.same({ "late" }, reported)
    assert.is_true(outer:cancelled())
  end)

  in_task("has an error reported that was on its way when it was given up", function()
    do
      local task, gate = inner_task()
      local outer = aimp.shield(task)
      gate.open("raise", "crossed") -- the task goes on first, then the next one, then the shield is told
      aimp.spawn(function()
        assert.is_true(task:done())
        assert.is_false(outer:done())
        outer:cancel()
      end):await()
      turns(2)
      assert.is_true(outer:cancelled())
    end
    tasks.flush_unseen()
    assert.same({ "crossed" }, reported)
  end)

  in_task("takes what can be awaited, and leaves no waiter behind", function()
    local gate = support.gate()
    local object = { await = function() return gate.wait() end }
    local outer = aimp.shield(object)
    turns()
    gate.open("ready")
    assert.equal("ready", outer:await())
    local task, gate2 = inner_task()
    for _ = 1, 10 do
      aimp.shield(task):cancel()
    end
    assert.is_false(task._w1)
    gate2.open()
    task:await()
  end)

  in_task("refuses what is no task, at the caller's line", function()
    for _, bad in ipairs { 5, "x", {}, print } do
      local ok, message = pcall(function() aimp.shield(bad) end)
      assert.is_false(ok)
      assert.matches("shield_spec.lua:%d+: bad argument #1 to 'aimp.shield' %(expected a task", message)
    end
  end)
end)
