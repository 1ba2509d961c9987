--- How a worker ended, and what to say about it.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local errors = require("aimp.errors")

local M = {}

local signal_names = {
  [1] = "SIGHUP", [2] = "SIGINT", [3] = "SIGQUIT", [4] = "SIGILL", [6] = "SIGABRT", [7] = "SIGBUS",
  [8] = "SIGFPE", [9] = "SIGKILL", [11] = "SIGSEGV", [13] = "SIGPIPE", [14] = "SIGALRM", [15] = "SIGTERM",
  [24] = "SIGXCPU", [25] = "SIGXFSZ", [31] = "SIGSYS",
}

M.BROKEN_MEMORY = "was killed because what it wrote to its shared memory made no sense"

---@class aimp.Death
---@field worker integer   1 ..
---@field pid? integer
---@field signal? integer
---@field status? integer  exit status
---@field how string       "was killed by signal 9 (SIGKILL)"

---@param worker integer
---@param pid integer?
---@param wait_status integer?  nil: lost together with the template
---@return aimp.Death
function M.describe(worker, pid, wait_status)
  local death = { worker = worker, pid = pid }
  if not wait_status then
    death.how = "was lost with the template process"
    return death
  end
  local signal = bit.band(wait_status, 0x7f)
  if signal == 0 then
    death.status = bit.band(bit.rshift(wait_status, 8), 0xff)
    death.how = ("exited with status %d"):format(death.status)
  else
    death.signal = signal
    local name = signal_names[signal]
    death.how = ("was killed by signal %d%s"):format(signal, name and " (" .. name .. ")" or "")
  end
  return death
end

--- The error of a task that a death took along.
---@param death aimp.Death
---@param name string  what was running
---@return aimp.Error
function M.worker_died(death, name)
  local message = ("worker %d (pid %s) %s while it ran %s"):format(death.worker, death.pid or "unknown",
    death.how, name)
  return errors.new("WORKER_DIED", message,
    { pid = death.pid, signal = death.signal, status = death.status, task = name })
end

return M
