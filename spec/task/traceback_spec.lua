-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.task.support")

local function in_task(name, body)
  it(name, support.task(body))
end

local function raises_here() error("boom") end

local function await_it(task)
  local value = task:await()
  return value
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

describe("the traceback of a task's error", function()
  in_task("has the raising side, then the awaiting side", function()
    local task = aimp.spawn(function()
      raises_here()
      return nil
    end)
    local ok, err = pcall(await_it, task)
    assert.is_false(ok)
    local inner, outer = err.traceback:match("^(.*)\nawaited by\n(.*)$")
    assert.matches("in function 'raises_here'", inner)
    assert.matches("traceback_spec.lua", outer)
    assert.matches("in function <[^>]*traceback_spec.lua", outer)
    assert.matches("boom\nstack traceback:", tostring(err))
  end)

  in_task("goes through a chain of tasks in order", function()
    local inner = aimp.spawn(function()
      raises_here()
      return nil
    end)
    local function middle_wait() return (await_it(inner)) end
    local middle = aimp.spawn(function()
      local value = middle_wait()
      return value
    end)
    local _, err = middle:pawait()
    assert.equal(2, count(err.traceback, "awaited by"))
    assert.matches("raises_here.*awaited by.*middle_wait.*awaited by", err.traceback)
  end)

  in_task("does not grow when awaited again and again", function()
    local task = aimp.spawn(function()
      raises_here()
      return nil
    end)
    local _, err = task:pawait()
    local length = #err.traceback
    for _ = 1, 100 do
      task:pawait()
    end
    assert.is_true(#err.traceback <= length + 100)
    assert.equal(1, count(err.traceback, "awaited by"))
  end)

  in_task("stays bounded when the error is handed on for ever", function()
    local err = errors.new("STATE", "again")
    for _ = 1, 500 do
      aimp.spawn(error, err):pawait()
    end
    assert.is_true(#err.traceback < 20000)
  end)

  in_task("of a failure that a gather raises ends in the gather's caller", function()
    local function gathers(task)
      local list = aimp.gather { task }
      return list
    end
    local _, err = pcall(gathers, aimp.spawn(raises_here))
    assert.matches("traceback_spec.lua:10:", err.traceback)
    assert.matches("awaited by\nstack traceback:\n[^\n]*traceback_spec.lua", err.traceback)
  end)

  in_task("is there for stack overflow, and bounded", function()
    local function deeper(n) return 1 + deeper(n + 1) end
    local _, err = aimp.spawn(deeper, 1):pawait()
    assert.matches("deeper", err.traceback)
    assert.is_true(#err.traceback < 20000)
  end)

  in_task("shows where a cancelled task waited", function()
    local function waits_here()
      aimp.sleep(100)
      return nil
    end
    local task = aimp.spawn(function()
      waits_here()
      return nil
    end)
    support.turns()
    task:cancel()
    local _, err = task:pawait()
    assert.matches("waits_here", err.traceback)
  end)
end)
