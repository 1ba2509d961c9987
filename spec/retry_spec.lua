-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local failure = require("spec.pool.support").failure
local failing = require("spec.retry.support").failing
local support = require("spec.task.support")

local turns = support.turns

local function pack(...)
  return { n = select("#", ...), ... }
end

describe("a function of aimp.retry", function()
  it("returns all that the function returns, and gives it all arguments in each try", function()
    local fn, state = failing(2, "no")
    assert.same({ n = 4, nil, 1, nil, nil }, pack(aimp.retry(fn, { wait = 0 })(nil, 1, nil, nil)))
    assert.equal(3, state.calls)
    assert.same({ n = 0 }, pack(aimp.retry(function() end)()))
  end)

  it("tries three times by default, as often as attempts says, or until the deadline", function()
    for _, case in ipairs({
      { 3, { wait = 0 } }, { 1, { attempts = 1 } }, { 5, { attempts = 5, wait = 0 } },
      { 5, { attempts = 5, wait = 0, deadline = 1000 } },
    }) do
      local fn, state = failing(math.huge, "no")
      assert.equal(case[1], failure("REMOTE", aimp.retry(fn, case[2])).attempts)
      assert.equal(case[1], state.calls)
    end
    local fn, state = failing(40, "no")
    aimp.retry(fn, { wait = 0, deadline = 1000 })()
    assert.equal(41, state.calls)
    fn, state = failing(40, "no")
    aimp.retry(fn, { wait = 0, attempts = math.huge })()
    assert.equal(41, state.calls)
  end)

  it("needs no more stack for a later try", function()
    local depths = {}
    local function fn()
      local depth = 1
      while debug.getinfo(depth, "l") do
        depth = depth + 1
      end
      depths[#depths + 1] = depth
      error("no")
    end
    failure("REMOTE", aimp.retry(fn, { attempts = 6, wait = 0 }))
    assert.equal(depths[2], depths[6])
  end)

  it("runs in aimp.spawn", function()
    local fn = failing(1, "no")
    assert.same({ n = 2, "a", nil }, pack(aimp.spawn(aimp.retry(fn, { wait = 0 }), "a", nil):await()))
  end)

  it("lets others run between two tries, also without a wait", function()
    local order = {}
    aimp.spawn(function() order[#order + 1] = "other" end)
    local fn = failing(1, "no")
    aimp.retry(function()
      order[#order + 1] = "try"
      return fn()
    end, { wait = 0 })()
    assert.same({ "try", "other", "try" }, order)
  end)

  it("is refused where nothing can wait", function()
    local fn, state = failing(0)
    local retrying = aimp.retry(fn)
    local ok, message = coroutine.resume(coroutine.create(function()
      retrying() -- not a tail call
      return 1
    end))
    assert.is_false(ok)
    assert.matches("retry_spec.lua:%d+: a function made by aimp.retry cannot wait inside", message)
    assert.equal(0, state.calls)
  end)
end)

describe("the last error of aimp.retry", function()
  it("is an error object with what was raised as its cause, and the count of tries", function()
    local err = failure("REMOTE", aimp.retry(failing(9, "bad luck"), { wait = 0 }))
    assert.equal("bad luck (after 3 tries)", err.message)
    assert.equal("bad luck", err.cause)
    assert.equal(3, err.attempts)
    local value = { status = 503 }
    err = failure("REMOTE", aimp.retry(failing(9, value), { attempts = 1 }))
    assert.equal(value, err.cause)
    assert.equal(1, err.attempts)
    assert.matches(" %(after 1 try%)$", err.message)
    assert.is_nil(failure("REMOTE", aimp.retry(failing(9, nil), { wait = 0 })).cause)
  end)

  it("keeps the code, the fields and the traceback of an error object, which stays as it was", function()
    local stack = "stack traceback:\n\there"
    local given = errors.new("HTTP", "no route", { cause = "c", name = "X", traceback = stack })
    for _ = 1, 2 do -- the second call does not count on
      local err = failure("HTTP", aimp.retry(failing(9, given), { wait = 0 }))
      assert.same({ "no route (after 3 tries)", "c", "X", stack, 3 },
        { err.message, err.cause, err.name, err.traceback, err.attempts })
    end
    assert.same({ "no route", stack }, { given.message, given.traceback })
    assert.is_nil(given.attempts)
  end)

  it("has the traceback of where it was raised", function()
    local function deep() error("no") end
    local err = failure("REMOTE", aimp.retry(function() deep() end, { wait = 0 }))
    assert.matches("in function 'deep'", err.traceback)
    err = failure("REMOTE", function()
      aimp.spawn(aimp.retry(function() deep() end, { wait = 0 })):await()
    end)
    assert.matches("in function 'deep'.*awaited by.*retry_spec", err.traceback)
  end)
end)

describe("a cancelled task", function()
  -- Spawns a retrying function, lets it run until it waits, cancels it and gives its end.
  local function cancel(retrying)
    local task = aimp.spawn(retrying)
    turns(2)
    assert.is_false(task:done())
    task:cancel("enough")
    turns(3)
    assert.is_true(task:done())
    return task
  end

  it("ends in the middle of a try", function()
    local calls = 0
    local task = cancel(aimp.retry(function()
      calls = calls + 1
      aimp.sleep(1000)
    end, { wait = 0 }))
    assert.is_true(task:cancelled())
    assert.equal(1, calls)
  end)

  it("ends while it waits for the next try", function()
    local fn, state = failing(9, "no")
    assert.is_true(cancel(aimp.retry(fn, { wait = 1000 })):cancelled())
    assert.equal(1, state.calls)
  end)

  it("ends also when the function made another error of its cancellation", function()
    local calls = 0
    local task = cancel(aimp.retry(function()
      calls = calls + 1
      local ok, err = pcall(aimp.sleep, 1000)
      error("not slept: " .. tostring(ok) .. errors.describe(err.code), 0)
    end, { wait = 0 }))
    assert.equal("not slept: falseCANCELLED (after 1 try)", task:exception().message)
    assert.equal(1, calls)
  end)

  it("may still use retry in its cleanup", function()
    local fn, state = failing(2, "no")
    local task = cancel(function()
      pcall(aimp.sleep, 1000)
      return aimp.retry(fn, { wait = 0 })("cleaned up")
    end)
    assert.equal("cleaned up", task:await())
    assert.equal(3, state.calls)
  end)

  it("ends when its time is up", function()
    local calls = 0
    failure("TIMEOUT", aimp.timeout, 0.001, aimp.retry(function()
      calls = calls + 1
      aimp.sleep(1000)
    end, { wait = 0 }))
    assert.equal(1, calls)
  end)

  it("raises the very error that cancelled it", function()
    local given = errors.new("CANCELLED", "stop")
    local fn, state = failing(9, given)
    assert.equal(given, failure("CANCELLED", aimp.retry(fn, { wait = 0 })))
    assert.same({ 1, "stop" }, { state.calls, given.message })
  end)
end)

describe("an error that aimp.retry gets", function()
  it("tries again after a TIMEOUT of something inside", function()
    local calls = 0
    local value = aimp.retry(function()
      calls = calls + 1
      return aimp.timeout(0.001, calls < 3 and support.gate().wait or function() return "in time" end)
    end, { wait = 0 })()
    assert.same({ "in time", 3 }, { value, calls })
    assert.equal(2, failure("TIMEOUT", aimp.retry(function()
      aimp.timeout(0.001, support.gate().wait)
    end, { wait = 0, attempts = 2 })).attempts)
  end)

  it("does not try again after a deadlock", function()
    local output, status = support.luajit([[
      local aimp = require("aimp")
      local task = require("aimp.task").new() -- nobody will ever settle it
      local calls = 0
      print(pcall(aimp.run, aimp.retry(function() calls = calls + 1 task:await() end, { wait = 0 })))
      print(calls)]])
    assert.equal(0, status)
    assert.matches("^false\tdeadlock: .*\n1\n$", output)
  end)
end)
