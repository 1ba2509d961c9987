--- Starts three calls in worker processes and gathers their results.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local function double(value)
  aimp.sleep(1 + 2 * math.random())
  return value * 2
end

aimp.with(aimp.Pool(), function(pool)
  local tasks = {}
  for n = 1, 3 do
    tasks[n] = pool:apply(double, n)
  end
  print("[" .. table.concat(aimp.gather(tasks), ", ") .. "]")
end)
