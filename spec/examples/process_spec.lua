-- SPDX-License-Identifier: MIT
--- The example of processes without a pool.
local support = require("spec.examples.support")

describe("the example", function()
  it("processes starts two and awaits both, then the same with results", function()
    local child = support.run("processes")
    local slow, quick = child.out:match("started: pids (%d+) and (%d+)\n")
    support.assert_lines(child, {
      "started: pids %d+ and %d+",
      "hello from the quick one, pid " .. quick,
      "hello from the slow one, pid " .. slow,
      "ended: exit codes 0 and 0",
      "sums: 500500 and 200000010000000",
    })
  end)
end)
