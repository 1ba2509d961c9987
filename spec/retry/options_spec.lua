-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local pools = require("spec.pool.support")
local support = require("spec.retry.support")
local turns = require("spec.task.support").turns

local failure, misuse = pools.failure, pools.misuse
local failing, with_clock = support.failing, support.with_clock

describe("the wait of aimp.retry", function()
  it("is seconds", with_clock(function(clock)
    local fn, state = failing(2, "no")
    local task = aimp.spawn(aimp.retry(fn, { wait = 10 }), "done")
    turns(2)
    for calls = 1, 2 do
      clock.advance(9.9)
      turns(2)
      assert.equal(calls, state.calls)
      clock.advance(0.2)
      turns(2)
      assert.equal(calls + 1, state.calls)
    end
    assert.equal("done", task:await())
  end))

  it("is a function of the number of tries and the error", function()
    local asked, delays = {}, {}
    local fn = failing(3, "no")
    aimp.retry(fn, {
      attempts = 4,
      wait = function(try, err)
        asked[try] = err.cause
        return 0.0001 * 2 ^ try
      end,
      on_retry = function(_, try, delay) delays[try] = delay end,
    })()
    assert.same({ "no", "no", "no" }, asked)
    assert.same({ 0.0002, 0.0004, 0.0008 }, delays)
  end)

  it("that is no number of seconds raises, with the place of the function and the error", function()
    for _, bad in ipairs({ -1, 0 / 0, math.huge, "x", false }) do
      local unlucky = aimp.retry(failing(9, "unlucky"), { wait = function() return bad end })
      local ok, message = pcall(unlucky)
      assert.is_false(ok)
      assert.matches("options_spec.lua:%d+: this function, the option 'wait' of aimp.retry, returned",
        message)
      assert.matches("unlucky$", message)
    end
  end)

  it("doubles by default, from a tenth of a second, half of it random", function()
    local delay
    pcall(aimp.retry(failing(9, "no"), {
      on_retry = function(_, _, seconds)
        delay = seconds
        error("seen")
      end,
    }))
    assert.is_true(delay >= 0.05 and delay <= 0.1, tostring(delay))
  end)
end)

describe("aimp.retry.exponential", function()
  local exponential = aimp.retry.exponential

  local function delays(options, ...)
    local wait, list = exponential(options), {}
    for i, try in ipairs({ ... }) do
      list[i] = wait(try)
    end
    return list
  end

  it("doubles from base to max", function()
    assert.same({ 2, 4, 8, 16, 20, 20 }, delays({ base = 2, max = 20, jitter = 0 }, 1, 2, 3, 4, 5, 6))
    assert.same({ 0.1, 0.2, 60, 60 }, delays({ jitter = 0 }, 1, 2, 11, 1e9))
    assert.same({ 100, 100 }, delays({ base = 100, jitter = 0 }, 1, 2))
    assert.same({ 0, 0 }, delays({ base = 0 }, 1, 1e9))
  end)

  it("leaves a share of the wait to chance", function()
    local chance
    local function random() return chance end
    for _, case in ipairs({ { 0, 8, 8 }, { 0.25, 8, 6 }, { 1, 8, 0 } }) do
      local wait = exponential({ base = 2, jitter = case[1], random = random })
      chance = 0
      assert.equal(case[2], wait(3))
      chance = 1
      assert.equal(case[3], wait(3))
    end
    chance = 1
    assert.equal(4, exponential({ base = 2, random = random })(3))
  end)

  it("uses the random numbers of the process", function()
    local wait = exponential({ base = 1, jitter = 1 })
    math.randomseed(7)
    local first = { wait(1), wait(1) }
    math.randomseed(7)
    assert.same(first, { 1 - math.random(), 1 - math.random() })
    assert.not_equal(first[1], first[2])
  end)
end)

describe("retry_if", function()
  it("says whether an error is worth another try", function()
    local seen = {}
    local function fn(kind) error({ kind = kind }) end
    local retrying = aimp.retry(fn, {
      wait = 0,
      retry_if = function(err)
        seen[#seen + 1] = errors.is(err) and err.cause.kind
        return err.cause.kind == "mild"
      end,
    })
    assert.equal(3, failure("REMOTE", retrying, "mild").attempts)
    assert.equal(1, failure("REMOTE", retrying, "grave").attempts)
    assert.same({ "mild", "mild", "grave" }, seen)
  end)

  it("may fail itself", function()
    local function mistaken() error("mistake", 0) end
    local ok, message = pcall(aimp.retry(failing(9, "no"), { retry_if = mistaken }))
    assert.same({ false, "mistake" }, { ok, message })
  end)
end)

describe("on_retry", function()
  it("is called before each wait and not after the last try", function()
    local order = {}
    failure("REMOTE", aimp.retry(function()
      order[#order + 1] = "try"
      error("no", 0)
    end, {
      wait = 0,
      on_retry = function(err, try, delay) order[#order + 1] = { err.message, try, delay } end,
    }))
    assert.same({ "try", { "no", 1, 0 }, "try", { "no", 2, 0 }, "try" }, order)
  end)

  it("may wait", function()
    local order = {}
    aimp.spawn(function() order[#order + 1] = "other" end)
    aimp.retry(failing(1, "no"), {
      wait = 0,
      on_retry = function()
        aimp.sleep(0)
        order[#order + 1] = "told"
      end,
    })()
    assert.same({ "other", "told" }, order)
  end)
end)

describe("a deadline of aimp.retry", function()
  it("is never slept beyond: the last error is raised at once", with_clock(function(clock)
    local fn, state = failing(99, "no")
    local told = 0
    local task = aimp.spawn(aimp.retry(fn, {
      wait = 10, deadline = 25, on_retry = function() told = told + 1 end,
    }))
    turns(2)
    for _ = 1, 2 do
      clock.advance(10)
      turns(2)
    end
    assert.is_true(task:done()) -- a third wait would end after 30 s
    assert.equal(3, task:exception().attempts)
    assert.same({ 3, 2 }, { state.calls, told })
  end))

  it("counts from the call", with_clock(function(clock)
    local fn, state = failing(1, "no")
    local retrying = aimp.retry(fn, { wait = 1, deadline = 2 })
    clock.advance(100)
    local task = aimp.spawn(retrying)
    turns(2)
    clock.advance(1)
    task:await()
    assert.equal(2, state.calls)
  end))

  it("holds also when on_retry waits", with_clock(function(clock)
    local fn, state = failing(9, "no")
    local task = aimp.spawn(aimp.retry(fn, {
      wait = 10, deadline = 15, on_retry = function() aimp.sleep(10) end,
    }))
    turns(2)
    clock.advance(10)
    turns(2)
    assert.is_true(task:done())
    assert.equal(1, task:exception().attempts)
    assert.equal(1, state.calls)
  end))

  it("of 0 leaves one try", function()
    assert.equal(1, failure("REMOTE", aimp.retry(failing(9, "no"), { deadline = 0 })).attempts)
  end)
end)

describe("aimp.retry", function()
  it("refuses what it cannot use, at the caller's line", function()
    for options, pattern in pairs({
      [{ attempts = 0 }] = "aimp.retry: option 'attempts' must be an integer of at least 1, .*, got 0",
      [{ attempts = 1.5 }] = "'attempts' must be an integer",
      [{ attempts = "3" }] = "'attempts' must be an integer",
      [{ attempts = 0 / 0 }] = "'attempts' must be an integer",
      [{ wait = -1 }] = "'wait' must be seconds %(0 or more%) or a function that gives them, got %-1",
      [{ wait = math.huge }] = "'wait' must be seconds",
      [{ wait = "1" }] = "'wait' must be seconds .* got a string",
      [{ wait = {} }] = "'wait' must be seconds .* got a table",
      [{ retry_if = true }] = "'retry_if' must be a function, got true",
      [{ on_retry = 1 }] = "'on_retry' must be a function, got 1",
      [{ deadline = -1 }] = "'deadline' must be a number of seconds, 0 or more, got %-1",
      [{ atempts = 1 }] = "unknown option 'atempts', did you mean 'attempts'",
    }) do
      misuse(pattern, function()
        local retrying = aimp.retry(print, options)
        return retrying
      end)
    end
    misuse("bad argument #1 to 'aimp.retry' %(expected a function, got nothing%)", function()
      local retrying = aimp.retry(nil, {})
      return retrying
    end)
    misuse("aimp.retry: options must be a table, got 3", function()
      local retrying = aimp.retry(print, 3)
      return retrying
    end)
  end)

  it("refuses a wait policy that makes no sense, at the caller's line", function()
    for options, pattern in pairs({
      [{ base = -1 }] = "aimp.retry.exponential: option 'base' must be a number of seconds",
      [{ max = math.huge }] = "option 'max' must be a number of seconds",
      [{ base = 2, max = 1 }] = "option 'max' %(1%) must be at least 'base' %(2%)",
      [{ jitter = 1.5 }] = "option 'jitter' must be at most 1, got 1.5",
      [{ jitter = -0.5 }] = "option 'jitter' must be at least 0",
      [{ jitter = true }] = "option 'jitter' must be a number, got true",
      [{ random = 1 }] = "option 'random' must be a function",
      [{ bas = 1 }] = "unknown option 'bas', did you mean 'base'",
    }) do
      misuse(pattern, function()
        local wait = aimp.retry.exponential(options)
        return wait
      end)
    end
  end)
end)
