--- A task that fails half of the time is tried again, in the worker that runs it, until it works.
---
---   aimprun retry.lua
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local function unsteady(n)
  aimp.sleep(0.1 * math.random())
  if math.random() < 0.5 then
    error("bad luck with " .. n, 0)
  end
  return n * 2
end

local function tell(err, try, delay)
  print(("try %d: %s, again in %.0f ms"):format(try, err.message, delay * 1000))
end

local steady = aimp.retry(unsteady, {
  attempts = math.huge,
  wait = aimp.retry.exponential({ base = 0.02, max = 0.2 }), -- seconds
  on_retry = tell,
})

aimp.with(aimp.Pool(), function(pool)
  local results = pool:map(steady, { 1, 2, 3, 4, 5 }):await()
  print("[" .. table.concat(results, ", ") .. "]")
end)
