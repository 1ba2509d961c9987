--- Workers share what they found out: a cache in a Dict, whose entries live for some time, and a Counter that
--- counts what was answered from it.
---
---   aimprun cache.lua
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local cities = { "Bergen", "Cusco", "Delft", "Oslo" }
local cache = aimp.Dict({ ttl = 60 }) -- seconds that an entry lives, unless something else is said
local hits = aimp.Counter()

local function ask_far_away(city)
  aimp.sleep(0.2) -- takes its time
  return 10 + #city
end

-- Runs in the workers. The cache and the counter live in this process, and are the same ones there.
local function temperature(city)
  local known = cache:get(city)
  if known then
    hits:add(1)
    return known
  end
  local degrees = ask_far_away(city)
  cache:set(city, degrees)
  return degrees
end

local function report(pool)
  local before = hits:get()
  local degrees = pool:map(temperature, cities):await()
  print(("%s: %d of %d from the cache"):format(table.concat(degrees, " "), hits:get() - before, #cities))
end

cache:on_change(function(city, new)
  if new == nil then
    print(city .. " is out of date")
  end
end)

aimp.with(aimp.Pool({ processes = 2 }), function(pool)
  report(pool)
  report(pool)
  cache:expire("Oslo", 0.05) -- it changes there
  while cache:has("Oslo") do
    aimp.sleep(0.01)
  end
  report(pool)
end)
