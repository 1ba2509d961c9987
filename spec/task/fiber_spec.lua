-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local support = require("spec.task.support")

--- Lets the driver empty the queue: the running task goes last.
local function drain()
  support.turns(3)
end

local function in_task(name, body)
  it(name, support.task(body))
end

describe("aimp.fiber", function()
  describe("step", function()
    it("returns what the body returns, nils included", function()
      local function pack(...) return { n = select("#", ...), ... } end
      local f = fiber.new(function(a, b) return a, nil, b, nil end)
      assert.same({ n = 5, "done", 1, nil, 2 }, pack(fiber.step(f, 1, 2)))
      assert.equal("finished", f.state)
    end)

    it("returns the error and leaves the stack", function()
      local value = {}
      local f = fiber.new(function() error(value) end)
      local how, err = fiber.step(f)
      assert.equal("error", how)
      assert.equal(value, err)
      assert.matches("fiber_spec.lua", debug.traceback(f.co))
    end)

    it("parks and goes on with the next step's arguments", function()
      local got = {}
      local f = fiber.new(function(first)
        got[1] = first
        got[2], got[3] = fiber.park()
        fiber.park()
      end)
      assert.equal("park", fiber.step(f, "a"))
      assert.equal("park", fiber.step(f, "b", "c"))
      assert.same({ "a", "b", "c" }, got)
    end)

    it("ends a fiber that yields what is not ours, with its stack", function()
      local f = fiber.new(function() coroutine.yield("mine") end)
      local how, err = fiber.step(f)
      assert.equal("error", how)
      assert.is_true(errors.is(err, "STATE"))
      assert.matches("may only wait through aimp; it yielded mine", err.message)
      assert.matches("fiber_spec.lua", err.traceback)
      assert.equal("finished", f.state)
    end)

    it("restores the current fiber", function()
      local before = fiber.current()
      local seen
      local f = fiber.new(function() seen = fiber.current() end)
      fiber.step(f)
      assert.equal(f, seen)
      assert.equal(before, fiber.current())
    end)
  end)

  it("refuses to wait in a user's own coroutine", function()
    local message
    local f = fiber.new(function()
      local wrapped = coroutine.wrap(function()
        local _
        _, message = pcall(fiber.wait, nil, "x")
        coroutine.yield()
      end)
      wrapped()
    end)
    assert.equal("done", (fiber.step(f)))
    assert.matches("cannot wait inside a coroutine of your own", message)
  end)

  it("refuses to wake a fiber that does not wait", function()
    local f = fiber.new(function() end)
    assert.has_error(function() fiber.wake(f) end, nil)
    fiber.step(f)
    local ok, message = pcall(fiber.wake, f)
    assert.is_false(ok)
    assert.matches("woken while finished", message)
  end)

  describe("with the queue", function()
    in_task("wakes in the order of the wakes, never inside the waker", function()
      local log, fibers = {}, {}
      for i = 1, 3 do
        fibers[i] = fiber.new(function()
          local value = fiber.wait(nil, "a test")
          log[#log + 1] = i .. value
        end)
        fiber.step(fibers[i])
      end
      for _, i in ipairs { 2, 3, 1 } do
        fiber.wake(fibers[i], "v")
      end
      assert.same({}, log)
      drain()
      assert.same({ "2v", "3v", "1v" }, log)
    end)

    in_task("gives up to three values", function()
      local got
      local f = fiber.new(function() got = { fiber.wait(nil, "a test") } end)
      fiber.step(f)
      fiber.wake(f, 1, 2, 3)
      drain()
      assert.same({ 1, 2, 3 }, got)
    end)

    in_task("tells the owner how each step of the queue ended", function()
      local log = {}
      local f = fiber.new(function()
        fiber.wait(nil, "a test")
        fiber.park()
        error("end", 0)
      end)
      f.on_stop = function(_, how, err) log[#log + 1] = how .. tostring(err or "") end
      fiber.start(f)
      drain()
      fiber.wake(f)
      drain()
      fiber.start(f)
      drain()
      assert.same({ "wait", "park", "errorend" }, log)
    end)

    in_task("keeps plain calls in line and reports their errors", function()
      local log, reported = {}, nil
      local on_error = fiber.on_error
      fiber.on_error = function(err) reported = err end
      fiber.soon(function(a, b) log[#log + 1] = a .. tostring(b) end, 1)
      fiber.soon(error, "in a call", 0)
      fiber.soon(function(a, b) log[#log + 1] = a .. b end, 2, 3)
      drain()
      fiber.on_error = on_error
      assert.same({ "1nil", "23" }, log)
      assert.matches("in a call", reported.message)
    end)

    in_task("holds more entries than its first ring, in order", function()
      local count, in_order = 0, true
      local function note(i, same)
        count = count + 1
        in_order = in_order and i == count and same == count
      end
      for i = 1, 50000 do
        fiber.soon(note, i, i)
        if i % 1777 == 0 and i < 40000 then
          drain()
        end
      end
      drain()
      assert.equal(50000, count)
      assert.is_true(in_order)
    end)

    it("drains at most so many entries and tells when it becomes non-empty", function()
      local output, status = support.luajit([[
        local fiber = require("aimp.fiber")
        local calls = 0
        fiber.on_ready = function() calls = calls + 1 end
        fiber.soon(print, "one")
        fiber.soon(print, "two")
        fiber.drain(1)
        print(fiber.is_ready(), calls)
        fiber.drain(10)
        fiber.soon(print, "three")
        print(fiber.is_ready(), calls)
      ]])
      assert.equal("one\tnil\ntrue\t1\ntwo\tnil\ntrue\t2\n", output)
      assert.equal(0, status)
    end)
  end)

  describe("throw", function()
    --- A fiber that records what its waits give.
    local function subject(gate)
      local log = {}
      local f = fiber.new(function()
        for _ = 1, 2 do
          local outcome = { pcall(gate.wait) }
          log[#log + 1] = outcome
        end
      end)
      return f, log
    end

    in_task("withdraws and raises at the wait, from the queue", function()
      local gate = support.gate()
      local f, log = subject(gate)
      fiber.start(f)
      drain()
      fiber.throw(f, "stop")
      assert.same({ 1, {} }, { gate.withdrawn, log })
      drain()
      assert.same({ { false, "stop" } }, log)
      assert.equal("waiting", f.state)
    end)

    in_task("is delivered once when asked twice", function()
      local gate = support.gate()
      local f, log = subject(gate)
      fiber.start(f)
      drain()
      fiber.throw(f, "first")
      fiber.throw(f, "second")
      drain()
      assert.same({ { false, "first" } }, log)
      gate.open("value")
      drain()
      assert.same({ true, "value" }, log[2])
    end)

    in_task("after a wake lets the value through and raises at the next wait", function()
      local gate = support.gate()
      local f, log = subject(gate)
      fiber.start(f)
      drain()
      gate.open("value")
      fiber.throw(f, "stop")
      drain()
      assert.same({ { true, "value" }, { false, "stop" } }, log)
      assert.equal(1, gate.withdrawn)
    end)

    in_task("before the start waits for the first wait", function()
      local gate = support.gate()
      local f, log = subject(gate)
      fiber.throw(f, "stop")
      fiber.start(f)
      drain()
      assert.same({ { false, "stop" } }, log)
    end)

    in_task("is forgotten by a fiber that parks, and by a finished one", function()
      local f = fiber.new(function()
        fiber.throw(fiber.current(), "late")
        fiber.park()
        fiber.yield()
        return "fine"
      end)
      fiber.step(f)
      fiber.start(f)
      drain()
      assert.equal("finished", f.state)
      fiber.throw(f, "later")
      assert.is_false(f.cancel_pending)
    end)
  end)
end)
