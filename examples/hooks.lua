--- Functions that a pool calls: a scheduler that keeps each user in one worker, a hook that gets the worker's
--- loop before anything runs, and one that sees the errors of tasks where they happen.
---
---   aimprun hooks.lua
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local by_user = { queues = 0 } -- lives in this process

function by_user:register_queue()
  self.queues = self.queues + 1
end

function by_user:schedule_task(_, _, args) -- args are those of the call
  return args[1] % self.queues + 1
end

function by_user.register_process() end
function by_user.complete_task() end

local loop_started -- each worker sets its own

local function on_loop(uv)
  loop_started = uv.hrtime()
end

local function on_error(err) -- err is what the task raised, not yet an aimp.Error
  print(("worker %d: %s"):format(aimp.worker().id, err.why))
end

local function greet(user)
  assert(loop_started)
  if user == 4 then
    error({ why = "user 4 is not welcome" })
  end
  return ("user %d is served by worker %d"):format(user, aimp.worker().id)
end

local pool = aimp.Pool({
  processes = 2, queuecount = 2, scheduler = by_user,
  loop_initializer = on_loop, exception_handler = on_error,
})
aimp.with(pool, function()
  local tasks = {}
  for i, user in ipairs({ 1, 2, 3, 4, 1 }) do
    tasks[i] = pool:apply(greet, user)
  end
  for _, task in ipairs(tasks) do
    local ok, result = task:pawait()
    print(ok and result or "failed: " .. result.cause.why)
  end
end)
