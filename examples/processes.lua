--- Functions in processes of their own, without a pool: two that print, then two whose results are wanted.
---
---   aimprun processes.lua
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local function greet(name, seconds)
  aimp.sleep(seconds)
  print(("hello from %s, pid %d"):format(name, aimp.pid()))
end

local slow = aimp.Process({ target = greet, args = { "the slow one", 0.3 } })
local quick = aimp.Process({ target = greet, args = { "the quick one", 0.1 } })
slow:start()
quick:start()
print(("started: pids %d and %d"):format(slow.pid, quick.pid))
slow:await()
quick:await()
print(("ended: exit codes %d and %d"):format(slow.exitcode, quick.exitcode))

local function sum_to(n)
  local sum = 0
  for i = 1, n do
    sum = sum + i
  end
  return sum
end

local small = aimp.Worker({ target = sum_to, args = { 1000 } })
local large = aimp.Worker({ target = sum_to, args = { 20000000 } })
local sums = aimp.gather({ small, large }) -- awaiting starts them, so both run at once
print(("sums: %d and %d"):format(sums[1], sums[2]))
