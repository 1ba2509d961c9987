-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.task.support")
local tasks = require("aimp.task")

local turns = support.turns

local function misuse(pattern, fn)
  local ok, message = pcall(fn)
  assert.is_false(ok, "no error was raised")
  assert.matches("task_group_spec.lua:%d+: " .. pattern, message)
end

-- The error that aimp.with raises for a new group and this function.
local function failure(body)
  local ok, err = pcall(aimp.with, aimp.TaskGroup(), body)
  assert.is_false(ok, "no error was raised")
  return err
end

local function for_ever()
  aimp.sleep(1000)
end

describe("a task group", function()
  local on_unseen, reported

  before_each(function()
    on_unseen, reported = tasks.on_unseen, {}
    tasks.on_unseen = function(err) reported[#reported + 1] = err.message end
  end)

  after_each(function()
    tasks.flush_unseen()
    tasks.on_unseen = on_unseen
    assert.same({}, reported)
  end)

  local function in_task(name, body)
    it(name, support.task(body))
  end

  in_task("waits for its tasks when its function ends", function()
    local group, gate, ended = aimp.TaskGroup(), support.gate(), 0
    local whole = aimp.spawn(aimp.with, group, function(g)
      assert.equal(group, g)
      for i = 1, 3 do
        local task = g:spawn(function(...)
          assert.same({ i, nil, 3 }, { ... })
          gate.wait()
          ended = ended + 1
          return i
        end, i, nil, 3)
        assert.is_false(task:done())
      end
      return "a", nil, "c"
    end)
    turns(2)
    assert.equal(3, group:count())
    assert.is_false(whole:done())
    gate.open()
    assert.equal(3, select("#", whole:await()))
    assert.same({ "a", nil, "c" }, { whole:await() })
    assert.equal(3, ended)
    assert.equal(0, group:count())
  end)

  in_task("gives results as any task does", function()
    local a, b
    aimp.with(aimp.TaskGroup({}), function(group)
      a = group:spawn(function() return 1 end)
      b = group:spawn(function() return a:await() + 1 end)
      assert.equal(2, b:await())
    end)
    assert.equal(1, a:await())
    aimp.with(aimp.TaskGroup(), function() end)
  end)

  in_task("may grow while it waits", function()
    local log = {}
    aimp.with(aimp.TaskGroup(), function(group)
      group:spawn(function()
        aimp.sleep(0)
        group:spawn(function()
          aimp.sleep(0)
          log[#log + 1] = "second"
        end)
        log[#log + 1] = "first"
      end)
    end)
    assert.same({ "first", "second" }, log)
  end)

  in_task("cancels all when a task fails, and raises its error at their end", function()
    local sibling, body_heard, cleaned
    local err = failure(function(group)
      sibling = group:spawn(function()
        local ok, e = pcall(for_ever)
        assert.is_false(ok)
        aimp.sleep(0) -- a cleanup that takes its time
        cleaned = true
        error(e, 0)
      end)
      group:spawn(function()
        aimp.sleep(0)
        error("boom", 0)
      end)
      body_heard = select(2, pcall(for_ever))
      error(body_heard, 0)
    end)
    assert.equal("boom", err.message)
    assert.is_true(errors.is(err, "REMOTE"))
    assert.is_nil(err.others)
    assert.is_true(sibling:cancelled())
    assert.is_true(cleaned)
    assert.is_true(errors.is(body_heard, "CANCELLED"))
    assert.equal("cancelled: another task of its group failed", body_heard.message)
  end)

  in_task("raises an error of its function as it is, and cancels the tasks", function()
    local value, task = {}, nil
    local err = failure(function(group)
      task = group:spawn(for_ever)
      aimp.sleep(0)
      error(value)
    end)
    assert.equal(value, err)
    assert.is_true(task:cancelled())
    assert.is_nil(value.others)
    assert.is_false(pcall(aimp.with, aimp.TaskGroup(), function() error() end)) -- of nil
  end)

  in_task("raises a task's error although its function heeds no cancellation", function()
    local went_on = false
    local err = failure(function(group)
      group:spawn(error, "boom", 0)
      pcall(for_ever)
      went_on = true
      return "all is well"
    end)
    assert.equal("boom", err.message)
    assert.is_true(went_on)
  end)

  in_task("leaves no cancellation behind that its function did not hear", function()
    local f = require("aimp.fiber").current()
    local gate, before = support.gate(), f.cancels
    local err = failure(function(group)
      group:spawn(error, "boom", 0)
      aimp.spawn(gate.open) -- the function is woken before the group is told of the error
      gate.wait()
    end)
    assert.equal("boom", err.message)
    aimp.sleep(0) -- would raise it
    err = failure(function(group)
      group:spawn(error, "again", 0)
      for_ever()
    end)
    assert.equal("again", err.message)
    assert.equal(before, f.cancels)
  end)

  in_task("has further errors go along with the first", function()
    local err = failure(function(group)
      group:spawn(error, "first", 0)
      group:spawn(function()
        pcall(for_ever)
        error("second", 0)
      end)
      group:spawn(function()
        pcall(for_ever)
        error(errors.new("IO", "third"))
      end)
      pcall(for_ever)
      error("of the function", 0)
    end)
    assert.equal("first", err.message)
    local messages = {}
    for i, other in ipairs(err.others) do
      messages[i] = other.message
      assert.is_true(errors.is(other))
    end
    table.sort(messages)
    assert.same({ "of the function", "second", "third" }, messages)
  end)

  in_task("names an error once that came in several ways", function()
    local same = errors.new("IO", "the same")
    local err = failure(function(group)
      local first = group:spawn(error, same)
      group:spawn(error, same)
      group:spawn(function() first:await() end)
      first:await()
    end)
    assert.equal(same, err)
    assert.is_nil(err.others)
  end)

  in_task("has errors reported that a plain value cannot carry", function()
    local err = failure(function(group)
      group:spawn(function()
        pcall(for_ever)
        error("in the cleanup", 0)
      end)
      aimp.sleep(0)
      error("plain", 0)
    end)
    assert.equal("plain", err)
    tasks.flush_unseen()
    assert.same({ "in the cleanup" }, reported)
    reported = {}
  end)

  in_task("takes a task that is merely cancelled for no error", function()
    local other
    assert.equal("done", aimp.with(aimp.TaskGroup(), function(group)
      local task = group:spawn(for_ever)
      other = group:spawn(function()
        aimp.sleep(0)
        return "ended"
      end)
      aimp.sleep(0)
      task:cancel()
      return "done"
    end))
    assert.equal("ended", other:await())
  end)

  in_task("is cancelled with the task that runs it, in its function and after", function()
    for _, where in ipairs { "in the function", "after it" } do
      local child
      local whole = aimp.spawn(aimp.with, aimp.TaskGroup(), function(group)
        child = group:spawn(function()
          pcall(for_ever)
          for _ = 1, 3 do
            aimp.sleep(0)
          end
          return "cleaned"
        end)
        if where == "in the function" then
          for_ever()
        end
      end)
      turns(2)
      whole:cancel("stop")
      turns(2)
      assert.is_false(whole:done(), where) -- it waits for the child
      local ok, err = whole:pawait()
      assert.is_false(ok)
      assert.equal("cancelled: stop", err.message)
      assert.is_true(whole:cancelled())
      assert.equal("cleaned", child:result())
    end
  end)

  in_task("is not left although who waits is cancelled again and again", function()
    local gate, child = support.gate(), nil
    local whole = aimp.spawn(aimp.with, aimp.TaskGroup(), function(group)
      child = group:spawn(function()
        for _ = 1, 3 do
          pcall(gate.wait)
        end
      end)
    end)
    turns(2)
    for _ = 1, 3 do
      assert.is_false(whole:done())
      whole:cancel()
      turns(3)
    end
    whole:pawait()
    assert.is_true(child:done())
    assert.is_true(whole:cancelled())
  end)

  in_task("is left in time by a timeout", function()
    local child
    local ok, err = pcall(aimp.timeout, 0.005, aimp.with, aimp.TaskGroup(), function(group)
      child = group:spawn(for_ever)
    end)
    assert.is_false(ok)
    assert.is_true(errors.is(err, "TIMEOUT"))
    assert.is_true(child:cancelled())
  end)

  in_task("within another ends before it", function()
    local log = {}
    local err = failure(function(outer)
      outer:spawn(function()
        local ok, e = pcall(aimp.with, aimp.TaskGroup(), function(inner)
          inner:spawn(function()
            pcall(for_ever)
            log[#log + 1] = "innermost"
          end)
        end)
        log[#log + 1] = "inner"
        assert(not ok and errors.is(e, "CANCELLED"))
        error(e, 0)
      end)
      aimp.sleep(0)
      aimp.sleep(0)
      error(errors.new("IO", "outer"))
    end)
    assert.equal("outer", err.message)
    assert.is_nil(err.others)
    assert.same({ "innermost", "inner" }, log)
  end)

  in_task("takes tasks that were started elsewhere", function()
    local gate = support.gate()
    local producer = tasks.new()
    local awaited = { await = function() return gate.wait() end }
    local whole = aimp.spawn(aimp.with, aimp.TaskGroup(), function(group)
      assert.equal(producer, group:add(producer))
      assert.equal(producer, group:add(producer))
      assert.equal(1, group:count())
      local done = aimp.spawn(function() return 1 end)
      done:await()
      group:add(done)
      return group:add(awaited)
    end)
    turns(3)
    assert.is_false(whole:done())
    producer:_resolve1(5)
    turns(2)
    assert.is_false(whole:done())
    gate.open("result")
    assert.equal("result", whole:await():await())
  end)

  in_task("cancels tasks that were started elsewhere, and raises the error of one that had failed", function()
    local failed = aimp.spawn(error, "long ago", 0)
    turns()
    local producer = tasks.new()
    local err = failure(function(group)
      group:add(producer)
      group:add(failed)
      for_ever()
    end)
    assert.equal("long ago", err.message)
    assert.is_true(producer:cancelled())
  end)

  in_task("takes no more once it has ended or was stopped", function()
    local group = aimp.TaskGroup()
    aimp.with(group, function() end)
    misuse("group:spawn: the group is closed", function() group:spawn(print) end)
    misuse("group:add: the group is closed", function() group:add(tasks.new()) end)
    misuse("aimp.with: the task group is closed", function()
      aimp.with(group, print)
      return nil
    end)
    local started = false
    local err = failure(function(g)
      g:spawn(error, "boom", 0)
      pcall(for_ever)
      g:spawn(function() started = true end)
    end)
    assert.equal("boom", err.message)
    assert.is_nil(err.others)
    assert.is_false(started)
  end)

  in_task("tells where its error comes from and where it was raised", function()
    local function deep_inside() error("boom") end
    local err = failure(function(group)
      group:spawn(function()
        deep_inside()
        return nil
      end)
    end)
    assert.matches("in function 'deep_inside'.*awaited by.*task_group_spec", err.traceback)
  end)

  it("says what it waits for when that can never end", function()
    local output = support.luajit([[
      local aimp = require("aimp")
      print(pcall(aimp.run, function()
        aimp.with(aimp.TaskGroup(), function(group)
          group:spawn(function()
            aimp.await(function() end)
          end)
        end)
      end))
    ]])
    assert.matches("the main task waits for 1 tasks of a group, which waits for a callback, and", output)
  end)

  in_task("keeps nothing of tasks that have ended", function()
    local weak = setmetatable({}, { __mode = "k" })
    aimp.with(aimp.TaskGroup(), function(group)
      for _ = 1, 100 do
        weak[group:spawn(function() end)] = true
      end
      turns(3)
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(weak))
    end)
  end)
end)
