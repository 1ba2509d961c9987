--- A pool of one's own: what a pool is, made of processes and queues. Two processes take functions and their
--- arguments from one queue and put results into another.
---
---   aimprun own_pool.lua
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

-- Runs in each process: works until the queue of jobs is closed and empty.
local function work(jobs, results)
  for job in jobs:iter() do
    local ok, value = pcall(job.fn, unpack(job.args))
    results:put({ id = job.id, ok = ok, value = value, pid = aimp.pid() })
  end
end

local OwnPool = {}
OwnPool.__index = OwnPool

local function new_pool(count)
  local self = { jobs = aimp.Queue(), results = aimp.Queue(), processes = {}, submitted = 0 }
  for i = 1, count do
    self.processes[i] = aimp.Process({ target = work, args = { self.jobs, self.results } }):start()
  end
  return setmetatable(self, OwnPool)
end

function OwnPool:submit(fn, ...)
  self.submitted = self.submitted + 1
  self.jobs:put({ id = self.submitted, fn = fn, args = { ... } })
end

-- All results, in the order of their submission.
function OwnPool:collect()
  local list = {}
  for _ = 1, self.submitted do
    local result = self.results:get()
    list[result.id] = result
  end
  return list
end

function OwnPool:close()
  self.jobs:close()
  for _, process in ipairs(self.processes) do
    process:join()
  end
end

aimp.with(new_pool(2), function(pool)
  for n = 1, 5 do
    pool:submit(function(x) return x * x end, n)
  end
  pool:submit(error, "this job fails")
  for id, result in ipairs(pool:collect()) do
    print(id, result.ok, result.value)
  end
end)
