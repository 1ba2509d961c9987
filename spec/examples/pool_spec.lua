-- SPDX-License-Identifier: MIT
--- The examples that only compute and wait.
local support = require("spec.examples.support")

local run, assert_lines = support.run, support.assert_lines

describe("the example", function()
  it("map_stream prints the doubled values in order", function()
    assert_lines(run("map_stream"), { "%[2, 4, 6%]" })
  end)

  it("apply_gather prints the doubled values in order", function()
    assert_lines(run("apply_gather"), { "%[2, 4, 6%]" })
  end)

  it("completion_order prints the shorter sum first, both exact", function()
    assert_lines(run("completion_order"), {
      "sum to\t50000000\t1250000025000000LL",
      "sum to\t200000000\t20000000100000000LL",
    })
  end)
end)
