--- Calls a function for each item of a list, in worker processes, and reads the results as a stream.
---
---   aimprun map_stream.lua
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local function double(value)
  aimp.sleep(1 + 2 * math.random()) -- waits 1 to 3 seconds; other tasks go on meanwhile
  return value * 2
end

aimp.with(aimp.Pool(), function(pool) -- closes the pool whatever happens
  local results = {}
  for i, result in pool:map(double, { 1, 2, 3 }) do -- in the order of the items
    results[i] = result
  end
  print("[" .. table.concat(results, ", ") .. "]")
end)
