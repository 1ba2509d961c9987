--- What runs in workers for the specs of locks and semaphores.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")

local M = {}

--- Acquires n times, says so, and lives until it is killed.
---@async
---@param object any          with `acquire`
---@param pid aimp.Counter    gets the process id
---@param held aimp.Event
---@param n? integer          default 1
function M.hold(object, pid, held, n)
  for _ = 1, n or 1 do
    object:acquire()
  end
  pid:set(aimp.pid())
  held:set()
  aimp.sleep(1000)
end

--- Tells its process id, then waits.
---@async
---@param object any
---@param method string     "acquire"
---@param pid aimp.Counter
function M.wait_for(object, method, pid)
  pid:set(aimp.pid())
  object[method](object)
end

return M
