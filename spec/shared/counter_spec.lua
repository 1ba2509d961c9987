-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")

local aimp = require("aimp")
local support = require("spec.shared.sync_support")

local misuse = support.misuse

describe("a counter", function()
  it("adds, and tells its value", function()
    local counter = aimp.Counter()
    assert.equal(0, counter:get())
    assert.equal(1, counter:add())
    assert.equal(6, counter:add(5))
    assert.equal(3.5, counter:add(-2.5))
    assert.equal(3.5, counter:add(0))
    assert.equal(3.5, counter:get())
    counter:set(-7)
    assert.equal(-6, counter:add())
    assert.equal(100, aimp.Counter({ value = 100 }):get())
  end)

  it("stays where every integer is exact", function()
    local most = 2 ^ 53 - 1
    local counter = aimp.Counter({ value = most - 1 })
    assert.equal(most, counter:add(1))
    misuse("counter:add: 9007199254740991 %+ 1 reaches 2%^53", function() counter:add(1) end)
    misuse("reaches 2%^53", function() counter:add(most) end)
    assert.equal(most, counter:get())
    assert.equal(0, counter:add(-most))
    assert.equal(-most, counter:add(-most))
    misuse("reaches 2%^53", function() counter:add(-1) end)
    assert.equal(-most, counter:get())
  end)

  it("refuses misuse at the caller's line", function()
    local counter = aimp.Counter({ value = 5 })
    for _, bad in ipairs({ "1", {}, true, 0 / 0 }) do
      misuse("bad argument #1 to 'counter:add' %(expected a number", function() counter:add(bad) end)
      misuse("bad argument #1 to 'counter:set' %(expected a number", function() counter:set(bad) end)
    end
    misuse("bad argument #1 to 'counter:set' %(expected a number, got nothing", function() counter:set() end)
    for _, bad in ipairs({ 2 ^ 53, -2 ^ 53, 1 / 0, -1 / 0 }) do
      misuse("bad argument #1 to 'counter:add' %(%S+ is not below 2%^53", function() counter:add(bad) end)
      misuse("bad argument #1 to 'counter:set' %(%S+ is not below 2%^53", function() counter:set(bad) end)
      misuse("option 'value' must be a number between", function() aimp.Counter({ value = bad }) end)
    end
    misuse("option 'value' must be a number between", function() aimp.Counter({ value = "1" }) end)
    misuse("option 'value' must be a number between", function() aimp.Counter({ value = 0 / 0 }) end)
    misuse("unknown option 'start'", function() aimp.Counter({ start = 1 }) end)
    support.assert_needs_self(counter, "counter", { "add", "get", "set" })
    assert.equal(5, counter:get())
    assert.equal("aimp.Counter", tostring(counter))
  end)
end)
