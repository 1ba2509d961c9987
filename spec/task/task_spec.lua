-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.task.support")
local tasks = require("aimp.task")

local function in_task(name, body)
  it(name, support.task(body))
end

local function pack(...)
  return { n = select("#", ...), ... }
end

describe("aimp.spawn", function()
  in_task("runs the function with its arguments once the caller waits", function()
    local got
    local task = aimp.spawn(function(...) got = pack(...) end, 1, nil, 3, nil)
    assert.is_nil(got)
    task:await()
    assert.same({ n = 4, 1, nil, 3, nil }, got)
  end)

  in_task("runs in the order of spawning", function()
    local log = {}
    for i = 1, 5 do
      aimp.spawn(function() log[i] = #log + 1 end)
    end
    support.turns()
    assert.same({ 1, 2, 3, 4, 5 }, log)
  end)

  in_task("takes callables, and C functions", function()
    local object = setmetatable({}, { __call = function(_, x) return x end })
    assert.equal(5, aimp.spawn(object, 5):await())
    assert.equal("number", aimp.spawn(type, 5):await())
  end)

  in_task("refuses what cannot be called, at the caller's line", function()
    for _, bad in ipairs { 5, "x", {}, true } do
      local ok, message = pcall(function() aimp.spawn(bad) end)
      assert.is_false(ok)
      assert.matches("task_spec.lua:%d+: bad argument #1 to 'aimp.spawn' %(expected a function", message)
    end
    assert.is_false(pcall(aimp.spawn))
  end)

  in_task("does not keep arguments and results of ended tasks alive", function()
    local weak = setmetatable({}, { __mode = "v" })
    do
      local argument, result = {}, {}
      weak[1], weak[2] = argument, result
      aimp.spawn(function() return result end, argument):await()
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
    assert.is_nil(weak[2])
  end)

  in_task("tells the current task", function()
    local seen
    local task = aimp.spawn(function() seen = aimp.current() end)
    task:await()
    assert.equal(task, seen)
  end)
end)

describe("aimp.Task", function()
  describe("await", function()
    in_task("gives all results, nils included", function()
      assert.same({ n = 0 }, pack(aimp.spawn(function() end):await()))
      assert.same({ n = 1 }, pack(aimp.spawn(function() return nil end):await()))
      assert.same({ n = 3, nil, false, nil }, pack(aimp.spawn(function() return nil, false, nil end):await()))
    end)

    in_task("works any number of times, from any number of tasks", function()
      local task = aimp.spawn(function()
        aimp.sleep(0)
        return "value"
      end)
      local log = {}
      for i = 1, 10 do
        aimp.spawn(function()
          local value = task:await()
          log[#log + 1] = i .. value
        end)
      end
      assert.equal("value", task:await())
      assert.equal("value", task:await())
      support.turns()
      assert.same({ "1value", "2value", "3value", "4value", "5value", "6value", "7value", "8value", "9value",
        "10value" }, log)
    end)

    in_task("raises the same error each time", function()
      local cause = { 1 }
      local task = aimp.spawn(function() error(cause) end)
      local _, first = pcall(task.await, task)
      local _, second = pcall(task.await, task)
      assert.is_true(errors.is(first, "REMOTE"))
      assert.equal(cause, first.cause)
      assert.equal(first, second)
    end)

    in_task("of oneself is a clear error", function()
      local task
      task = aimp.spawn(function() task:await() end)
      local ok, err = task:pawait()
      assert.is_false(ok)
      assert.matches("task_spec.lua:%d+: task:await%(%): a task cannot await itself", err.message)
    end)

    in_task("needs a task on its left", function()
      local task = aimp.spawn(function() end)
      local ok, message = pcall(function() task.await() end)
      assert.is_false(ok)
      assert.matches("task_spec.lua:%d+: await: not a task; call it as task:await%(%)", message)
      local methods = { "pawait", "cancel", "done", "cancelled", "result", "exception", "on_done", "state" }
      for _, name in ipairs(methods) do
        ok, message = pcall(function() task[name]({}) end)
        assert.is_false(ok)
        assert.matches("task_spec.lua:%d+: " .. name .. ": not a task", message)
      end
      task:await()
    end)

    it("needs a running task", function()
      local output = support.luajit([[
        local aimp = require("aimp")
        local task = aimp.spawn(function() return 1 end)
        print(pcall(function() task:await() end))
        print(pcall(function() aimp.gather({ task }) end))
      ]])
      assert.matches(":3: task:await%(%) needs a running task: call it inside aimp.run", output)
      assert.matches(":4: aimp.gather needs a running task", output)
    end)
  end)

  describe("pawait", function()
    in_task("gives true and the results, or false and the error", function()
      assert.same({ n = 3, true, 1, nil }, pack(aimp.spawn(function() return 1, nil end):pawait()))
      assert.same({ n = 1, true }, pack(aimp.spawn(function() end):pawait()))
      local got = pack(aimp.spawn(function() error("boom", 0) end):pawait())
      assert.equal(2, got.n)
      assert.is_false(got[1])
      assert.equal("boom", got[2].message)
    end)
  end)

  describe("error", function()
    local function outcome(fn, ...)
      local ok, err = aimp.spawn(fn, ...):pawait()
      assert.is_false(ok)
      assert.is_true(errors.is(err))
      assert.is_string(tostring(err))
      return err
    end

    in_task("of nil, of a table, of an object that cannot be printed", function()
      assert.equal("nil", outcome(function() error(nil) end).message)
      local value = { code = 42 }
      assert.equal(value, outcome(error, value).cause)
      local mute = setmetatable({}, { __tostring = function() error("no") end })
      local err = outcome(error, mute)
      assert.equal(mute, err.cause)
      assert.matches("__tostring fails", err.message)
    end)

    in_task("of stack overflow", function()
      local function deeper(n) return 1 + deeper(n + 1) end
      assert.matches("stack overflow", outcome(deeper, 1).message)
    end)

    in_task("in a coroutine of the task's own is that task's error", function()
      local err = outcome(function()
        local inner = coroutine.wrap(function() error("inner") end)
        inner()
      end)
      assert.matches("inner", err.message)
    end)

    in_task("of a function that yields foreign values", function()
      local err = outcome(function() coroutine.yield("mine") end)
      assert.equal("STATE", err.code)
      assert.matches("it yielded mine", err.message)
      assert.matches("task_spec.lua", err.traceback)
    end)

    in_task("objects pass through as they are", function()
      local raised = errors.new("HTTP", "refused")
      assert.equal(raised, outcome(error, raised))
    end)
  end)

  describe("result and exception", function()
    in_task("refuse a pending task", function()
      local task = aimp.spawn(aimp.sleep, 0)
      for _, name in ipairs { "result", "exception" } do
        local ok, err = pcall(task[name], task)
        assert.is_false(ok)
        assert.is_true(errors.is(err, "STATE"))
        assert.matches("task:" .. name .. "%(%): the task has not ended", err.message)
      end
      task:await()
    end)

    in_task("of a done task", function()
      local task = aimp.spawn(function() return 1, nil, 3 end)
      task:await()
      assert.same({ n = 3, 1, nil, 3 }, pack(task:result()))
      assert.is_nil(task:exception())
      assert.is_true(task:done())
      assert.is_false(task:cancelled())
      assert.equal("done", task:state())
    end)

    in_task("of a failed task", function()
      local task = aimp.spawn(error, "boom", 0)
      assert.is_false(task:done())
      task:pawait()
      assert.equal("boom", task:exception().message)
      local ok, err = pcall(task.result, task)
      assert.is_false(ok)
      assert.equal(task:exception(), err)
      assert.is_true(task:done())
      assert.is_false(task:cancelled())
    end)

    in_task("of a cancelled task raise CANCELLED", function()
      local task = aimp.spawn(aimp.sleep, 100)
      task:cancel("enough")
      for _, name in ipairs { "result", "exception" } do
        local ok, err = pcall(task[name], task)
        assert.is_false(ok)
        assert.is_true(errors.is(err, "CANCELLED"))
        assert.equal("cancelled: enough", err.message)
      end
    end)
  end)

  describe("on_done", function()
    in_task("is called from the loop, in order, with the task", function()
      local log = {}
      local task = aimp.spawn(function() return 1 end)
      local returned = task:on_done(function(t) log[#log + 1] = { 1, t, aimp.current() } end)
      task:on_done(function(t) log[#log + 1] = { 2, t } end)
      assert.equal(task, returned)
      assert.same({}, log)
      task:await()
      assert.same({ { 1, task }, { 2, task } }, log)
      task:on_done(function(t) log[#log + 1] = { 3, t } end)
      assert.equal(2, #log)
      support.turns()
      assert.same({ 3, task }, log[3])
    end)

    in_task("is called for failed and cancelled tasks", function()
      local states = {}
      local failed, cancelled = aimp.spawn(error, "x"), aimp.spawn(aimp.sleep, 100)
      failed:on_done(function(t) states[1] = t:state() end)
      cancelled:on_done(function(t) states[2] = t:state() end)
      cancelled:cancel()
      support.turns(3)
      assert.same({ "failed", "cancelled" }, states)
    end)

    in_task("may raise, submit and register again", function()
      local fiber = require("aimp.fiber")
      local on_error, reported = fiber.on_error, nil
      fiber.on_error = function(err) reported = err end
      local again
      aimp.spawn(function() end):on_done(function(t)
        t:on_done(function() again = aimp.spawn(function() return "spawned" end) end)
        error("in a callback")
      end)
      support.turns(4)
      fiber.on_error = on_error
      assert.matches("task_spec.lua:%d+: in a callback", reported.message)
      assert.equal("spawned", again:await())
    end)

    in_task("refuses what is no function", function()
      local task = aimp.spawn(function() end)
      assert.is_false(pcall(task.on_done, task, 5))
      assert.is_false(pcall(task.on_done, task))
      task:await()
    end)
  end)

  describe("settled by a producer", function()
    in_task("wakes fibers, functions and objects in their order", function()
      local task, log = tasks.new(), {}
      aimp.spawn(function()
        local value = task:await()
        log[#log + 1] = "fiber " .. value
      end)
      support.turns()
      task:_add_waiter({ _child_done = function(_, t) log[#log + 1] = "object " .. t:result() end })
      task:_add_waiter({ _settled_now = function(_, t) log[#log + 1] = "now " .. t:result() end })
      task:on_done(function(t) log[#log + 1] = "function " .. t:result() end)
      task:_resolve1(7)
      assert.same({ "now 7" }, log)
      support.turns()
      assert.same({ "now 7", "fiber 7", "object 7", "function 7" }, log)
    end)

    in_task("settles once", function()
      local task = tasks.new()
      task:_resolve(3, 1, nil, nil)
      assert.same({ n = 3, 1 }, pack(task:await()))
      assert.is_false(pcall(task._resolve1, task, 1))
      assert.is_false(pcall(task._resolve, task, 0))
      assert.is_false(pcall(task._reject, task, errors.new("CLOSED", "x")))
      assert.same({ n = 3, 1 }, pack(task:await()))
    end)

    in_task("forgets a waiter that was withdrawn", function()
      local task, calls = tasks.new(), {}
      local waiters = {}
      for i = 1, 4 do
        waiters[i] = { _settled_now = function() calls[#calls + 1] = i end }
        task:_add_waiter(waiters[i])
      end
      task:_remove_waiter(waiters[1])
      task:_remove_waiter(waiters[3])
      task:_remove_waiter(waiters[3])
      task:_add_waiter(waiters[1])
      task:_resolve1()
      assert.same({ 2, 4, 1 }, calls)
    end)
  end)
end)
