--- Maps a function over a list in several processes and reads the results as a stream, in order.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local function double(value)
  aimp.sleep(1 + 2 * math.random()) -- waits 1 to 3 seconds; others go on meanwhile
  return value * 2
end

local pool = aimp.Pool()
local results = {}
for i, result in pool:map(double, { 1, 2, 3 }) do
  results[i] = result
end
print("[" .. table.concat(results, ", ") .. "]")
pool:close()
pool:join()
