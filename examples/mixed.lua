--- Thirty jobs that wait, fetch a page and then compute: first on one loop, then in a Pool.
---
---   aimprun mixed.lua [url]
---
--- Without a url the example serves one itself, on loopback.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local http = require("aimp.http")

local JOBS = 30

local function cpu_bound(n) -- n is an HTTP status, so it counts to 20,000,000
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

--- start(url) begins one job and gives its Task.
local function run(title, url, start)
  local begin, tasks = aimp.now(), {}
  for i = 1, JOBS do
    tasks[i] = start(url)
  end
  aimp.gather(tasks)
  print(("%s: All jobs done in %.2f seconds"):format(title, aimp.now() - begin))
end

local url, stop = arg[1], nil
if not url then
  local folder = arg[0]:match("^(.*)/") or "."
  url, stop = dofile(folder .. "/lib/server.lua").start()
end

run("one loop", url, function(page)
  return aimp.spawn(invoke_remote, page)
end)
aimp.with(aimp.Pool(), function(pool)
  run("Pool", url, function(page)
    return pool:apply(invoke_remote, page)
  end)
end)
if stop then
  stop()
end
