--- Seven calls that fail half of the time; those that failed are started again until all have a result.
---
---   aimprun retry_by_hand.lua
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local function unsteady(n)
  aimp.sleep(0.1 * math.random())
  if math.random() < 0.5 then
    error("bad luck")
  end
  return n * n
end

aimp.with(aimp.Pool(), function(pool)
  local results, pending, number_of = {}, {}, {}

  local function start(n)
    local task = pool:apply(unsteady, n)
    number_of[task] = n
    pending[#pending + 1] = task
  end

  for n = 1, 7 do
    start(n)
  end
  while #pending > 0 do
    local done
    done, pending = aimp.wait(pending, { return_when = "FIRST_EXCEPTION" })
    print(("%d done, %d pending"):format(#done, #pending))
    for _, task in ipairs(done) do
      local n = number_of[task]
      local ok, value = task:pawait() -- has ended, so this does not wait
      if ok then
        results[n] = value
      else
        start(n)
      end
    end
  end
  print(table.concat(results, " "))
end)
