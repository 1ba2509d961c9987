--- A producer in the script and five consumers in worker processes share a queue. Whoever gets the end
--- marker puts it back for the next one.
---
---   aimprun queue.lua [pace]      factor for the times that they sleep; 1: 0.2 to 0.7 seconds
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local CONSUMERS, ITEMS = 5, 20
local END = false -- any value that is no item
local pace = tonumber(arg[1]) or 1

local function work_for_a_while()
  aimp.sleep(pace * (0.2 + 0.5 * math.random()))
end

local function consume(name, queue)
  while true do
    local item = queue:get() -- waits; other tasks of this worker go on meanwhile
    if item == END then
      print(name .. " got the end marker, and will stop")
      queue:put(END)
      return
    end
    work_for_a_while()
    print(name .. " has worked on " .. item)
  end
end

local function produce(queue)
  for _ = 1, ITEMS do
    work_for_a_while()
    queue:put(math.random(1, 3))
  end
  queue:put(END)
end

local queue = aimp.Queue()
local producer = aimp.spawn(produce, queue)
aimp.with(aimp.Pool(), function(pool)
  local consumers = {}
  for i = 1, CONSUMERS do
    consumers[i] = pool:apply(consume, "consumer " .. i, queue)
  end
  aimp.gather(consumers)
  producer:await()
end)
print("left in the queue: " .. queue:size() .. ", the end marker")
