-- SPDX-License-Identifier: MIT
--- The examples with shared objects.
local support = require("spec.examples.support")

local run, assert_lines = support.run, support.assert_lines

describe("the example", function()
  it("cache answers from the cache what it knows, until that is out of date", function()
    assert_lines(run("cache"), {
      "16 15 15 14: 0 of 4 from the cache", "16 15 15 14: 4 of 4 from the cache", "Oslo is out of date",
      "16 15 15 14: 3 of 4 from the cache",
    })
  end)
end)
