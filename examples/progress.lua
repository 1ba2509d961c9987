--- A thousand tasks that take 0.5 to 5 seconds each, and a progress bar that shows how many have ended.
---
---   aimprun progress.lua [tasks [longest]]
---
--- The arguments say how many tasks there are and how many seconds the longest of them take.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local count = tonumber(arg[1]) or 1000
local longest = tonumber(arg[2]) or 5

local function work(n)
  aimp.sleep(longest * (0.1 + 0.9 * math.random()))
  return n * n
end

aimp.with(aimp.Pool({ childconcurrency = 500 }), function(pool) -- tasks that only wait cost a worker little
  local tasks = {}
  for n = 1, count do
    tasks[n] = pool:apply(work, n)
  end
  local results = aimp.progress.gather(tasks, { description = "working" })
  print("first results: " .. table.concat(results, " ", 1, math.min(10, count)))
end)
