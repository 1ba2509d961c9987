--- Thirty jobs that wait, fetch a page and then compute: first on one loop, then in a Pool.
---
---   aimprun mixed.lua [url]
---
--- Without a url the example serves one itself, on loopback.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local http = require("aimp.http")
local server = dofile((arg[0]:match("^.*/") or "") .. "lib/server.lua")

local JOBS = 30

local function cpu_bound(n) -- n is an HTTP status, so this counts to 20,000,000
  local result = 0
  for _ = 1, n * 100000 do
    result = result + 1
  end
  return result
end

local function invoke_remote(url)
  aimp.sleep(0.2 + 0.5 * math.random())
  return cpu_bound(http.get(url).status)
end

--- Runs all jobs; start() begins one and returns its task.
local function run_jobs(start)
  local begin, tasks = aimp.now(), {}
  for i = 1, JOBS do
    tasks[i] = start()
  end
  aimp.gather(tasks)
  print(("All jobs done in %.2f seconds"):format(aimp.now() - begin))
end

local url = arg[1] or server.start()

print("On one loop:")
run_jobs(function()
  return aimp.spawn(invoke_remote, url)
end)

aimp.with(aimp.Pool(), function(pool)
  print(("In a pool of %d workers:"):format(aimp.cpu_count()))
  run_jobs(function()
    return pool:apply(invoke_remote, url)
  end)
end)
