--- Two CPU-bound calls: the shorter one is printed first although it was submitted second.
---
---   aimprun completion_order.lua
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local function sum_to_num(n)
  local sum = 0LL -- a 64-bit integer: beyond 2^53 plain numbers would be rounded
  for i = 1, n do
    sum = sum + i
  end
  return n, sum
end

aimp.with(aimp.Pool({ processes = 2 }), function(pool)
  local tasks = { pool:apply(sum_to_num, 200000000), pool:apply(sum_to_num, 50000000) }
  for task in aimp.as_completed(tasks) do
    print("sum to", task:await())
  end
end)
