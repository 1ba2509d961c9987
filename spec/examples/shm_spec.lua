-- SPDX-License-Identifier: MIT
--- The example of shared arrays. The first n odd numbers make n², those of the first half a quarter of that.
local support = require("spec.examples.support")

local run, assert_lines = support.run, support.assert_lines

describe("the example shared_array", function()
  it("adds up ten million numbers in two parts, exactly", function()
    assert_lines(run("shared_array"), {
      "part 1: 25000000000000", "part 2: 75000000000000",
      "the first 10000000 odd numbers, up to 19999999, make 100000000000000",
    })
  end)

  it("takes as many as it is told", function()
    assert_lines(run("shared_array", { "5" }), {
      "part 1: 4", "part 2: 21", "the first 5 odd numbers, up to 9, make 25",
    })
  end)

  it("says what is wrong with the number, at its own line", function()
    local child = run("shared_array", { "0" })
    assert.equal(1, child.status)
    assert.matches("shared_array%.lua:%d+: bad argument #2 to 'aimp%.shm%.array'", child.err)
  end)
end)
