-- SPDX-License-Identifier: MIT
--- The examples that are built on queues.
local support = require("spec.examples.support")

local run, assert_lines = support.run, support.assert_lines

describe("the example", function()
  it("queue works on all items in five consumers, each of which meets the end", function()
    local child = run("queue", { "0.01" })
    assert.equal("", child.err)
    assert.equal(0, child.status)
    local worked, stopped = 0, {}
    for line in child.out:gmatch("([^\n]*)\n") do
      local name = line:match("^(consumer [1-5]) got the end marker, and will stop$")
      if name then
        stopped[#stopped + 1] = name
      elseif line:find("^consumer [1-5] has worked on [1-3]$") then
        worked = worked + 1
      else
        assert.equal("left in the queue: 1, the end marker", line)
      end
    end
    table.sort(stopped)
    assert.equal(20, worked)
    assert.same({ "consumer 1", "consumer 2", "consumer 3", "consumer 4", "consumer 5" }, stopped)
    assert.matches("the end marker\n$", child.out)
  end)

  it("own_pool gives results in the order of the jobs, and the error of one", function()
    assert_lines(run("own_pool"), {
      "1\ttrue\t1", "2\ttrue\t4", "3\ttrue\t9", "4\ttrue\t16", "5\ttrue\t25", "6\tfalse\tthis job fails",
    })
  end)
end)
