-- SPDX-License-Identifier: MIT
--- The examples of retry and progress.
local support = require("spec.examples.support")

describe("the example retry", function()
  it("goes on until all have a result, each try after the one before", function()
    local child = support.run("retry")
    local told, result = child.out:match("^(.*)(%[[^\n]*\n)$")
    assert.equal("[2, 4, 6, 8, 10]\n", result)
    local tries = { 0, 0, 0, 0, 0 }
    for line in told:gmatch("([^\n]*)\n") do
      local try, n, delay = line:match("^try (%d+): bad luck with (%d), again in (%d+) ms$")
      n = tonumber(n)
      tries[n] = tries[n] + 1
      assert.equal(tries[n], tonumber(try))
      assert.is_true(tonumber(delay) >= 10 and tonumber(delay) <= 200, line)
    end
    assert.equal("", child.err)
    assert.equal(0, child.status)
  end)
end)

describe("the example progress", function()
  it("counts a thousand tasks on stderr and prints the first results", function()
    local child = support.run("progress", { "1000", "0.5" }, { env = { AIMP_PROGRESS = "" } })
    assert.equal("first results: 1 4 9 16 25 36 49 64 81 100\n", child.out)
    assert.matches("^working: 1000/1000 %(100%%%), %S+, 0:%d%d elapsed\n$", child.err)
    assert.equal(0, child.status)
  end)
end)
