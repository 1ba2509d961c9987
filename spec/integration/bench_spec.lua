-- scripts/bench runs and prints what its users read. What the figures are is nobody's test.
-- SPDX-License-Identifier: MIT
local cjson = require("cjson")
local helper = require("spec.helper")
local support = require("spec.cli.support")

helper.time_limit(120)

local NAMES = {
  "map", "stream", "apply", "apply_closure", "idle_cpu", "round_trip_p50", "round_trip_p99", "cold_p50",
  "queue", "queue_bounded", "queue_echo_p50", "first_result", "first_result_cold", "mixed",
}

describe("scripts/bench", function()
  it("prints a machine and every figure as JSON", function()
    local child = support.run({ "scripts/lib/bench.lua", "--json", "--runs", "1" })
    assert.equal(0, child.status, child.err)
    local report = cjson.decode(child.out)
    assert.equal("number", type(report.machine.cores))
    assert.equal(1, report.runs)
    local names = {}
    for i, figure in ipairs(report.figures) do
      names[i] = figure.name
      assert.is_true(figure.value > 0 or figure.name == "idle_cpu", figure.name)
    end
    assert.same(NAMES, names)
  end)

  it("says how it is used", function()
    local child = support.run({ "scripts/lib/bench.lua", "--jsn" })
    assert.equal(2, child.status)
    assert.matches("usage: scripts/bench", child.err)
  end)
end)
