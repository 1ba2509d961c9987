--- Two CPU-bound calls: the shorter one is printed first although it was submitted second.
---
---   aimprun completion_order.lua [long] [short]      what to sum up to
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local long, short = tonumber(arg[1]) or 200000000, tonumber(arg[2]) or 50000000

local function sum_to_num(n)
  local sum = 0LL -- a 64-bit integer: beyond 2^53 plain numbers would be rounded
  for i = 1, n do
    sum = sum + i
  end
  return n, sum
end

aimp.with(aimp.Pool({ processes = 2 }), function(pool)
  local tasks = { pool:apply(sum_to_num, long), pool:apply(sum_to_num, short) }
  for task in aimp.as_completed(tasks) do
    print("sum to", task:await())
  end
end)
