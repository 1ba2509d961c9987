--- Two workers compute over one array of ten million numbers, in memory that they and this process share:
--- nothing is copied. One round writes 0, 1, 2 …, the next makes odd numbers of them and adds them up.
---
---   aimprun shared_array.lua [numbers]
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local WORKERS = 2
local array = aimp.shm.array("double", tonumber(arg[1] or 1e7))

-- These run in the workers, each on elements first .. last - 1. LuaJIT makes machine code of loops over the
-- pointer, as of those over any FFI array.
local function count_up(numbers, first, last)
  local p = numbers.ptr
  for i = first, last - 1 do
    p[i] = i
  end
end

local function sum_of_odd(numbers, first, last)
  local p, sum = numbers.ptr, 0
  for i = first, last - 1 do
    p[i] = 2 * p[i] + 1
    sum = sum + p[i]
  end
  return sum
end

--- One part of the array for each worker; returns their results.
local function in_parts(pool, fn)
  local tasks = {}
  for k = 1, WORKERS do
    local first, last = math.floor(#array * (k - 1) / WORKERS), math.floor(#array * k / WORKERS)
    tasks[k] = pool:apply(fn, array, first, last)
  end
  return aimp.gather(tasks)
end

aimp.with(aimp.Pool({ processes = WORKERS }), function(pool)
  in_parts(pool, count_up)
  local total = 0
  for k, sum in ipairs(in_parts(pool, sum_of_odd)) do
    print(("part %d: %.0f"):format(k, sum))
    total = total + sum
  end
  print(("the first %d odd numbers, up to %.0f, make %.0f"):format(#array, array[#array - 1], total))
end)
