-- Workers that have nothing to do use no CPU.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")

--- Nanoseconds on a CPU, and how often it was put there; proc(5), /proc/PID/schedstat.
local function use_of(pid)
  local file = assert(io.open(("/proc/%d/schedstat"):format(pid)))
  local text = file:read("*a")
  file:close()
  return text
end

describe("idle workers", function()
  it("do not run at all", support.pooled({ processes = 2 }, function(pool)
    local pids = support.pids(pool)
    aimp.gather({ pool:apply(math.abs, -1), pool:apply(math.abs, -2) })
    local before
    support.eventually(function() -- until they have stopped spinning for more work
      local last = before
      before = use_of(pids[1]) .. use_of(pids[2])
      return before == last
    end, "the workers sleep")
    aimp.sleep(0.3)
    assert.equal(before, use_of(pids[1]) .. use_of(pids[2]))
  end))
end)
