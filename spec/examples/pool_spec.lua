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
    assert_lines(run("completion_order", { "1000000000", "1000000" }), {
      "sum to\t1000000\t500000500000LL",
      "sum to\t1000000000\t500000000500000000LL",
    })
  end)

  it("retry_by_hand goes on until all have a result", function()
    local child = run("retry_by_hand")
    local progress, results = child.out:match("^(.*\n)([^\n]*\n)$")
    assert.equal("1 4 9 16 25 36 49\n", results)
    local left = 7
    for line in progress:gmatch("([^\n]*)\n") do
      local done, pending = line:match("^(%d) done, (%d) pending$")
      assert.is_true(tonumber(done) >= 1 and done + pending <= 7, line)
      left = tonumber(pending)
    end
    assert.equal(0, left)
    assert.equal("", child.err)
    assert.equal(0, child.status)
  end)

  it("hooks prints who served whom, and the error first where it happened", function()
    local child = run("hooks")
    local before, after = child.out:match("^(.-)worker 1: user 4 is not welcome\n(.*)$")
    assert.is_truthy(before, child.out)
    assert.is_nil(before:find("failed", 1, true))
    child.out = before .. after
    assert_lines(child, {
      "user 1 is served by worker 2", "user 2 is served by worker 1", "user 3 is served by worker 2",
      "failed: user 4 is not welcome", "user 1 is served by worker 2",
    })
  end)
end)
