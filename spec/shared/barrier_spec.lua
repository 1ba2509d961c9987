-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")

local aimp = require("aimp")
local support = require("spec.shared.sync_support")

local failure, misuse, started = support.failure, support.misuse, support.started

local function in_task(name, body)
  it(name, support.task(body))
end

describe("a barrier", function()
  in_task("lets all go on when the last has come, and counts them", function()
    local barrier = aimp.Barrier({ parties = 3 })
    assert.equal(3, barrier:parties())
    assert.equal(0, barrier:waiting())
    local first, second = started(barrier.wait, barrier), started(barrier.wait, barrier)
    assert.equal(2, barrier:waiting())
    assert.is_false(first:done())
    assert.equal(3, barrier:wait())
    assert.equal(0, barrier:waiting())
    assert.equal(1, first:await())
    assert.equal(2, second:await())
  end)

  in_task("is used again and again", function()
    local barrier, rounds, log = aimp.Barrier({ parties = 2 }), 5, {}
    local function party(name)
      for round = 1, rounds do
        log[#log + 1] = name .. round
        barrier:wait()
      end
    end
    aimp.gather({ aimp.spawn(party, "a"), aimp.spawn(party, "b") })
    for round = 1, rounds do -- the two of a round come before those of the next
      local two = { log[2 * round - 1], log[2 * round] }
      table.sort(two)
      assert.same({ "a" .. round, "b" .. round }, two)
    end
  end)

  in_task("of one party never waits", function()
    local barrier = aimp.Barrier({ parties = 1 })
    assert.equal(1, barrier:wait())
    assert.equal(1, barrier:wait(0))
  end)

  in_task("does not count who left", function()
    local barrier, clock = aimp.Barrier({ parties = 3 }), support.fake_clock()
    local late = started(barrier.wait, barrier, 2)
    local gone = started(barrier.wait, barrier)
    local here = started(barrier.wait, barrier)
    assert.is_true(here:done()) -- three were there
    late:await()
    gone:await()

    late, gone = started(barrier.wait, barrier, 2), started(barrier.wait, barrier)
    clock.advance(2)
    clock.restore()
    assert.matches("waited 2 s for the others at a barrier", failure("TIMEOUT", late.await, late).message)
    gone:cancel()
    failure("CANCELLED", gone.await, gone)
    failure("TIMEOUT", barrier.wait, barrier, 0)
    assert.equal(0, barrier:waiting())
    local first, second = started(barrier.wait, barrier), started(barrier.wait, barrier)
    assert.equal(3, barrier:wait())
    assert.equal(1, first:await())
    assert.equal(2, second:await())
  end)

  in_task("refuses misuse at the caller's line", function()
    local barrier = aimp.Barrier({ parties = 2 })
    misuse("aimp.Barrier: option 'parties' is missing", function() aimp.Barrier() end)
    misuse("aimp.Barrier: option 'parties' is missing", function() aimp.Barrier({}) end)
    misuse("option 'parties' must be at least 1, got 0", function() aimp.Barrier({ parties = 0 }) end)
    misuse("option 'parties' must be an integer, got 2.5", function() aimp.Barrier({ parties = 2.5 }) end)
    misuse("unknown option 'party'", function() aimp.Barrier({ party = 2 }) end)
    misuse("bad argument #1 to 'barrier:wait'", function() barrier:wait(1 / 0) end)
    support.assert_needs_self(barrier, "barrier", { "wait", "parties", "waiting" })
    support.assert_needs_task("barrier:wait needs a running task", function() barrier:wait() end)
    assert.equal(0, barrier:waiting())
    assert.equal("aimp.Barrier", tostring(barrier))
  end)
end)
