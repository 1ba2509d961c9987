-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.task.support")
local tasks = require("aimp.task")

describe("an error that nobody looked at", function()
  local on_unseen, reported

  before_each(function()
    on_unseen, reported = tasks.on_unseen, {}
    tasks.on_unseen = function(err) reported[#reported + 1] = err.message end
  end)

  after_each(function() tasks.on_unseen = on_unseen end)

  local function in_task(name, body)
    it(name, support.task(body))
  end

  local function collect()
    for _ = 1, 3 do
      collectgarbage()
    end
  end

  in_task("is reported when the task is collected", function()
    aimp.spawn(error, "lost", 0)
    support.turns()
    collect()
    assert.same({ "lost" }, reported)
  end)

  in_task("is reported when the error refers to its task", function()
    do
      local cause = { message = "cyclic" }
      cause.task = aimp.spawn(error, cause)
    end
    support.turns()
    collect()
    assert.same({ "cyclic" }, reported)
  end)

  in_task("is reported at the end for tasks still held, in order, once", function()
    local held = { aimp.spawn(error, "one", 0), aimp.spawn(error, "two", 0) }
    support.turns()
    collect()
    assert.same({}, reported)
    assert.equal(2, tasks.flush_unseen())
    assert.same({ "one", "two" }, reported)
    assert.equal(0, tasks.flush_unseen())
    held[1]:pawait()
    held = nil -- luacheck: ignore
    collect()
    assert.equal(2, #reported)
  end)

  in_task("counts as seen by each way to look", function()
    local looks = {
      function(t) t:pawait() end,
      function(t) pcall(t.await, t) end,
      function(t) t:exception() end,
      function(t) pcall(t.result, t) end,
      function(t) t:on_done(function() end) end,
      function(t) pcall(aimp.gather, { t }) end,
      function(t) aimp.gather({ t }, { return_exceptions = true }) end,
      function(t) pcall(aimp.wait_for, t, 5) end,
    }
    for i, look in ipairs(looks) do
      local ended = aimp.spawn(error, "ended " .. i, 0)
      support.turns()
      look(ended)
      local pending = aimp.spawn(error, "pending " .. i, 0)
      if i ~= 3 and i ~= 4 then
        look(pending)
      else
        pending:pawait()
      end
    end
    support.turns(2)
    assert.equal(0, tasks.flush_unseen())
    collect()
    assert.same({}, reported)
  end)

  in_task("is not seen by waiting alone", function()
    local task = aimp.spawn(error, "waited", 0)
    aimp.wait { task }
    assert.is_true(task:done())
    assert.equal(1, tasks.flush_unseen())
  end)

  in_task("is not seen by a waiter that was cancelled", function()
    local gate = support.gate()
    local task = aimp.spawn(function()
      gate.wait()
      error("alone", 0)
    end)
    local waiter = aimp.spawn(function() task:await() end)
    support.turns()
    waiter:cancel()
    gate.open()
    support.turns(2)
    assert.equal(1, tasks.flush_unseen())
    assert.same({ "alone" }, reported)
  end)

  in_task("is no cancellation", function()
    aimp.spawn(aimp.sleep, 100):cancel()
    support.turns()
    collect()
    assert.equal(0, tasks.flush_unseen())
  end)

  in_task("is reported once when it went through several tasks", function()
    local inner = aimp.spawn(error, "handed on", 0)
    local outer = aimp.spawn(function() inner:await() end)
    support.turns(3)
    assert.is_true(outer:done())
    assert.equal(1, tasks.flush_unseen())
  end)

  in_task("survives a hook that raises", function()
    tasks.on_unseen = function() error("in the hook") end
    aimp.spawn(error, "x", 0)
    support.turns()
    collect()
    local held = aimp.spawn(error, "y", 0)
    support.turns()
    assert.equal(1, tasks.flush_unseen())
    assert.is_true(errors.is(held:exception()))
  end)

  it("goes to stderr with its traceback at the end of aimp.run, or of the state", function()
    local output, status = support.luajit([[
      local aimp = require("aimp")
      local function raises_here() error("lost") end
      aimp.run(function()
        HELD = aimp.spawn(function()
          raises_here()
          return nil
        end)
        aimp.sleep(0)
      end)
      print("after the run")
      aimp.run(function() end)
    ]])
    assert.equal(0, status)
    assert.matches("^aimp: a task failed and its error was never looked at:\n", output)
    assert.matches("lost\nstack traceback:", output)
    assert.matches("raises_here.*after the run\n$", output)
  end)
end)
