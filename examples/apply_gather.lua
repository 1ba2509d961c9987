--- Starts three calls in worker processes and waits for all of their results.
---
---   aimprun apply_gather.lua
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local function double(value)
  aimp.sleep(1 + 2 * math.random()) -- waits 1 to 3 seconds; other tasks go on meanwhile
  return value * 2
end

aimp.with(aimp.Pool(), function(pool)
  local tasks = {}
  for n = 1, 3 do
    tasks[n] = pool:apply(double, n) -- starts at once
  end
  print("[" .. table.concat(aimp.gather(tasks), ", ") .. "]")
end)
