-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")

local aimp = require("aimp")
local support = require("spec.shared.sync_support")

local failure, misuse, started, turns = support.failure, support.misuse, support.started, support.turns

local function in_task(name, body)
  it(name, support.task(body))
end

describe("an event", function()
  in_task("is set and cleared", function()
    local event = aimp.Event()
    assert.is_false(event:is_set())
    event:set()
    event:set()
    assert.is_true(event:is_set())
    assert.is_true(event:wait())
    assert.is_true(event:wait(0))
    event:clear()
    event:clear()
    assert.is_false(event:is_set())
  end)

  it("takes no fields, which would be of this process alone", function()
    local event = aimp.Event()
    misuse("an aimp.Event has no fields of its own to set %('flag'%); use its methods", function()
      event.flag = true
    end)
  end)

  in_task("lets all who wait go on, in their order", function()
    local event, order = aimp.Event({}), {}
    for i = 1, 3 do
      aimp.spawn(function()
        assert.is_true(event:wait())
        order[#order + 1] = i
      end)
    end
    turns(2)
    assert.same({}, order)
    event:set()
    event:clear() -- they have been woken
    turns()
    assert.same({ 1, 2, 3 }, order)
    assert.is_false(started(event.wait, event):cancel() and event:is_set())
  end)

  in_task("is not waited for longer than asked", function()
    local event, clock = aimp.Event(), support.fake_clock()
    local late = started(event.wait, event, 2)
    local later = started(event.wait, event, 3)
    clock.advance(2)
    local err = failure("TIMEOUT", late.await, late)
    assert.matches("waited 2 s for an event", err.message)
    event:set()
    clock.restore()
    assert.is_true(later:await())
    event:clear()
    failure("TIMEOUT", event.wait, event, 0)
  end)

  in_task("forgets who is cancelled", function()
    local event = aimp.Event()
    local gone, other = started(event.wait, event), started(event.wait, event)
    gone:cancel()
    failure("CANCELLED", gone.await, gone)
    assert.equal(1, event._core.line:count())
    event:set()
    assert.is_true(other:await())
  end)

  in_task("may be set where nothing can wait", function()
    local event = aimp.Event()
    aimp.spawn(function() end):on_done(function() event:set() end)
    assert.is_true(event:wait())
  end)

  in_task("refuses misuse at the caller's line", function()
    local event = aimp.Event()
    misuse("unknown option 'flag'", function() aimp.Event({ flag = true }) end)
    misuse("aimp.Event: options must be a table, got a function", function() aimp.Event(print) end)
    misuse("bad argument #1 to 'event:wait' %(expected a number of seconds, 0 or more, got %-1",
      function() event:wait(-1) end)
    support.assert_needs_self(event, "event", { "set", "clear", "is_set", "wait" })
    support.assert_needs_task("event:wait needs a running task", function() event:wait() end)
    assert.equal("aimp.Event", tostring(event))
  end)
end)
